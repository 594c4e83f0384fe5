"""Is it up, is it able, how is it doing: the three questions that machines ask."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response

from service.api import feeds, syncs
from service.api.documents import answer, operation, text_answer
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.market_metrics import SHARD_STATES, StoreHealth
from service.api.metrics import EXPOSITION_TYPE, Metrics
from service.api.replies import json_reply
from service.contract.funds import FundView
from service.contract.results import Health
from service.errors import StoreUnavailable
from service.store.refusals import Refusals

Result = TypeVar("Result")

CHECK_S = 2.0
LOOK_S = 1.0  # figures of others are left out beyond it: who scrapes does not wait long either
LISTED_MAX = 20


@dataclass(frozen=True, slots=True)
class Checks:
    """What is asked of others; everything may raise StoreUnavailable."""

    ping: Callable[[float], Awaitable[float]]  # Redis, within so many seconds: how long it took
    unowned: Callable[[], Awaitable[list[int]]]  # shards that no monitor holds
    monitors: Callable[[], Awaitable[dict[str, bytes]]]  # figures (JSON) of those that are alive
    funds: Callable[[], Awaitable[list[FundView]]]
    shards: int  # there are
    feeds: Callable[[], Awaitable[dict[str, bytes]]]  # the same of the processes that take marks
    feeds_expected: Sequence[str]  # by name
    refusals: Callable[[], Awaitable[list[Refusals]]]  # of marks
    syncs: Callable[[], Awaitable[dict[str, bytes]]]  # the same of those that keep accounts
    syncs_expected: bool


class _Served(msgspec.Struct):
    """What a monitor says of its shards: those it serves."""

    shards: list[int] = []


_shards_decoder = msgspec.json.Decoder(_Served)


def build_health_router(
    entrance: Entrance, follower: MarketFollower, checks: Checks, metrics: Metrics
) -> APIRouter:
    """Build the routes for container checks, load balancers and Prometheus."""
    router = APIRouter(tags=["health"])

    @router.get("/livez", response_class=Response, openapi_extra=_LIVE)
    async def live() -> Response:
        return json_reply(Health("ok"))

    @router.get("/readyz", response_class=Response, openapi_extra=_READY)
    async def ready() -> Response:
        serving, reasons = await _serving(checks)
        if not reasons and not follower.ready:
            reasons = ["the markets are not known yet"]
        if reasons:
            reply = json_reply(Health("unavailable", reasons=reasons, monitors=serving))
            reply.status_code = 503
            return reply
        stale = follower.stale()
        degraded = [f"stale marks: {name}" for name in stale[:LISTED_MAX]]
        if len(stale) > LISTED_MAX:
            degraded.append(f"stale marks: {len(stale) - LISTED_MAX} more")
        degraded += feeds.amiss(await _told(checks.feeds), checks.feeds_expected)
        degraded += syncs.amiss(await _told(checks.syncs), expected=checks.syncs_expected)
        status: Literal["ok", "degraded"] = "degraded" if degraded else "ok"
        return json_reply(Health(status, degraded=degraded, monitors=serving))

    @router.get("/metrics", response_class=Response, openapi_extra=_METRICS)
    async def show_metrics(request: Request) -> Response:
        await entrance.admit(request, "admin")
        await _look(checks, metrics)
        metrics.marks.qualities = follower.qualities()
        return Response(await metrics.exposition(), media_type=EXPOSITION_TYPE)

    return router


async def _serving(checks: Checks) -> tuple[dict[str, list[int]], list[str]]:
    """Return the shards that each monitor serves, and why that is not enough."""
    try:
        await checks.ping(CHECK_S)
        async with asyncio.timeout(CHECK_S):
            unowned, told = set(await checks.unowned()), await checks.monitors()
    except (StoreUnavailable, TimeoutError):
        return {}, ["Redis does not answer"]
    serving = {name: _shards_decoder.decode(figures).shards for name, figures in told.items()}
    behind = set(range(checks.shards)) - unowned - {s for own in serving.values() for s in own}
    reasons = [f"{len(unowned)} shards have no monitor"] if unowned else []
    if behind:
        reasons.append(f"{len(behind)} shards are being taken in")
    return serving, reasons


async def _told(by: Callable[[], Awaitable[dict[str, bytes]]]) -> dict[str, bytes]:
    """Return reports, or none where the store does not answer."""
    try:
        async with asyncio.timeout(CHECK_S):
            return await by()
    except (StoreUnavailable, TimeoutError):
        return {}


async def _look(checks: Checks, metrics: Metrics) -> None:
    """Bring what is shown of others up to date; nothing is shown where the store is away."""
    ping_s, shards = None, {}
    monitors: dict[str, bytes] = {}
    feeds: dict[str, bytes] = {}
    funds: Sequence[FundView] = ()
    syncs: dict[str, bytes] = {}
    refusals: Sequence[Refusals] = ()
    try:
        async with asyncio.timeout(LOOK_S), asyncio.TaskGroup() as tasks:
            pinged = tasks.create_task(_awaited(checks.ping(LOOK_S)))
            unowned = tasks.create_task(_awaited(checks.unowned()))
            of_monitors = tasks.create_task(_awaited(checks.monitors()))
            of_feeds = tasks.create_task(_awaited(checks.feeds()))
            of_funds = tasks.create_task(_awaited(checks.funds()))
            of_syncs = tasks.create_task(_awaited(checks.syncs()))
            refused = tasks.create_task(_awaited(checks.refusals()))
        syncs, refusals = of_syncs.result(), refused.result()
        monitors, feeds, funds = of_monitors.result(), of_feeds.result(), of_funds.result()
        ping_s = pinged.result()
        shards = _shards_by_state(checks.shards, set(unowned.result()), _served(monitors))
    except* (StoreUnavailable, TimeoutError):
        pass  # nothing is known of them: that is what is shown
    metrics.monitors.told, metrics.feeds.told, metrics.funds = monitors, feeds, funds
    metrics.feeds.expected, metrics.syncs.told = checks.feeds_expected, syncs
    metrics.syncs.expected = checks.syncs_expected
    metrics.marks.refused = refusals
    metrics.store.told = StoreHealth(ping_s, shards)


async def _awaited(asked: Awaitable[Result]) -> Result:
    return await asked


def _shards_by_state(shards: int, unowned: set[int], serving: set[int]) -> dict[str, int]:
    counts = (len(serving - unowned), shards - len(unowned | serving), len(unowned))
    return dict(zip(SHARD_STATES, counts, strict=True))


def _served(told: dict[str, bytes]) -> set[int]:
    """Return the shards that any monitor serves."""
    return {shard for figures in told.values() for shard in _shards_decoder.decode(figures).shards}


_LIVE = operation("livez", "The process is up", {200: answer("It is.", Health, {"status": "ok"})})
_READY = operation(
    "readyz",
    "The service is able to do its work",
    {
        200: answer(
            "It is; `degraded` names what is less than it should be.",
            Health,
            {
                "status": "degraded",
                "degraded": ["stale marks: binance BTC/USDT:USDT"],
                "monitors": {"host-17": [0, 1], "host-18": [2, 3]},
            },
        ),
        503: answer(
            "It is not.",
            Health,
            {"status": "unavailable", "reasons": ["Redis does not answer"]},
        ),
    },
)
_METRICS = operation(
    "metrics",
    "Counters of the workers behind this port, and what the monitors say of themselves",
    {
        200: text_answer(
            "Prometheus' text format.",
            "# TYPE plimsoll_sockets gauge\nplimsoll_sockets 3.0\n",
        )
    },
    access="admin",
)
