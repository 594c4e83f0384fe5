"""`GET /v1/alerts`: the alert log as pages, resumed by cursor; alerts travel as logged.

Shards have a log each; pages give them as one, in the order that the stream has. Which alerts are
still to be acknowledged is a question to the log too: the pages of those of its alerts that were
not, so nothing is kept of an alert but that it was.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.api.bodies import JSON
from service.api.documents import (
    answer,
    operation,
    path_parameter,
    query_parameter,
    with_links,
)
from service.api.entrance import Entrance
from service.api.queries import Query
from service.api.replies import json_reply
from service.contract.alerts import ALERT_ID_PATTERN, read_alert_id
from service.contract.cursor import decode_cursor, encode_cursor
from service.contract.examples import ALERT, CURSOR
from service.contract.names import check_account_id
from service.contract.results import AcknowledgedAlert, AlertsPage
from service.errors import InvalidCursor, InvalidInput, StoreUnavailable, UnknownAlert
from service.store.acknowledgements import Acknowledgements
from service.store.alert_log import AlertLog, LogTail
from service.store.keys import shard_of, tenant_key
from service.store.log_order import LogGap, LogOrder, Ordered

SCANNED_MAX = 50_000  # alerts looked at for one page, wanted or not
LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which alerts a page is of: an account's or a tenant's, acknowledged or not (None: both)."""

    key: str
    one_account: bool
    acknowledged: bool | None
    acks: Acknowledgements

    async def of(self, part: Ordered) -> list[int]:
        """Return the places of those that are wanted."""
        places = [at for at, key in enumerate(part.keys) if self._is_theirs(key)]
        if self.acknowledged is None or not places:
            return places
        named = [(part.keys[at], _numbers.decode(part.alerts[at]).seq) for at in places]
        known = await self.acks.acknowledged(named)
        return [at for at, was in zip(places, known, strict=True) if was == self.acknowledged]

    def _is_theirs(self, key: str) -> bool:
        return key == self.key if self.one_account else key.startswith(self.key)


class _Number(msgspec.Struct):
    seq: int


_numbers = msgspec.json.Decoder(_Number)


def build_alerts_router(
    entrance: Entrance,
    log: AlertLog,
    settle: Callable[[], Awaitable[str]],
    acks: Acknowledgements,
    shards: int,
    *,
    route_class: type[APIRoute],
) -> APIRouter:
    """Build the routes that read and acknowledge alerts; `settle` returns the log's epoch."""
    router = APIRouter(prefix="/v1", tags=["alerts"], route_class=route_class)

    @router.get("/alerts", response_class=Response, openapi_extra=_GET)
    async def get_alerts(request: Request) -> Response:
        caller = await entrance.admit(request, "alerts:read")
        query = Query(request, "since", "accountId", "acknowledged", "limit")
        limit = query.whole("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        name = query.text("accountId")
        done = query.one_of("acknowledged", ("true", "false"))
        wanted = _Wanted(
            tenant_key(caller.tenant, check_account_id(name) if name else ""),
            bool(name),
            None if done is None else done == "true",
            acks,
        )
        current = await settle()
        tails = await log.tails()
        starts, recovered = _start(tails, query.text("since"), current, shards)
        mine = shard_of(wanted.key, shards) if name else None
        ends = tuple(
            tail.offset if mine in (None, tail.shard) else start
            for tail, start in zip(tails, starts, strict=True)
        )

        alerts, offsets = await _page(log, starts, ends, wanted, limit)
        cursor = encode_cursor(current, offsets)
        return Response(_page_bytes(alerts, cursor, recovered, offsets != ends), 200, None, JSON)

    @router.post("/alerts/{alert_id}/ack", response_class=Response, openapi_extra=_ACK)
    async def acknowledge_alert(request: Request, alert_id: str) -> Response:
        caller = await entrance.admit(request, "alerts:read")
        Query(request)
        named = read_alert_id(alert_id)
        if named is None:
            raise UnknownAlert("there is no such alert in the log")
        time_ms = await acks.acknowledge(tenant_key(caller.tenant, named[0]), named[1])
        return json_reply(AcknowledgedAlert(alert_id, time_ms))

    return router


def _start(
    tails: Sequence[LogTail], since: str | None, epoch: str, shards: int
) -> tuple[tuple[int, ...], bool]:
    """Return the offset a shard to read after, and whether everything after `since` is there."""
    given = None if since is None else decode_cursor(since)
    recovered = given is None or (given.epoch == epoch and len(given.offsets) == shards)
    offsets = given.offsets if given is not None and recovered else (0,) * shards
    there = list(map(LogTail.reaches, tails, offsets))
    starts = tuple(
        offset if still else tail.trimmed
        for tail, offset, still in zip(tails, offsets, there, strict=True)
    )
    return starts, recovered and (given is None or all(there))


async def _page(
    log: AlertLog,
    starts: Sequence[int],
    ends: tuple[int, ...],
    wanted: _Wanted,
    limit: int,
) -> tuple[list[bytes], tuple[int, ...]]:
    """Return the next wanted alerts, and the offsets by shard up to which was looked."""
    alerts: list[bytes] = []
    order, scanned = LogOrder(starts), 0
    while order.offsets != ends and scanned < SCANNED_MAX:
        try:
            if await order.read(log, ends):
                break
        except LogGap:
            break  # trimmed meanwhile: who goes on from here is told
        part = order.take(ends)
        for index in await wanted.of(part):
            alerts.append(part.alerts[index])
            if len(alerts) == limit:
                return alerts, part.offsets(index + 1)
        scanned += len(part.keys)
    return alerts, order.offsets


def _page_bytes(alerts: list[bytes], cursor: str, recovered: bool, more: bool) -> bytes:
    flags = b"%b" % msgspec.json.encode({"cursor": cursor, "recovered": recovered, "more": more})
    return b'{"alerts":[' + b",".join(alerts) + b"]," + flags[1:]


_EXAMPLE = {
    "alerts": [msgspec.to_builtins(ALERT)],
    "cursor": CURSOR,
    "recovered": True,
    "more": False,
}
_GET = operation(
    "getAlerts",
    "The alert log, from a cursor on",
    {
        200: with_links(
            answer("A page, in the order things happened.", AlertsPage, _EXAMPLE),
            "since",
            "getAlerts",
            field="cursor",
        )
    },
    parameters=[
        query_parameter(
            "since",
            "A cursor; the log's beginning where absent.",
            CURSOR,
            type="string",
        ),
        query_parameter("accountId", "Only this account's.", "desk-7", type="string"),
        query_parameter(
            "acknowledged",
            "`false`: only those that nobody has acknowledged yet; `true`: only the others.",
            "false",
            type="string",
            enum=["true", "false"],
        ),
        query_parameter("limit", "Most alerts.", 100, type="integer", minimum=1, maximum=LIMIT_MAX),
    ],
    errors=(InvalidInput, InvalidCursor, StoreUnavailable),
    access="alerts:read",
)
_ACK = operation(
    "acknowledgeAlert",
    "Acknowledge an alert: somebody has dealt with it, or will",
    {
        200: answer(
            "It is acknowledged; the time is that of the first who did it, however often it is "
            "done. Reminders that go on until they are acknowledged end with the alert or with "
            "the newest of them.",
            AcknowledgedAlert,
            {"id": "desk-7-12", "acknowledgedAt": 1_760_130_004_000},
        )
    },
    parameters=[path_parameter("alert_id", "The alert's `id`.", ALERT_ID_PATTERN, "desk-7-12")],
    errors=(InvalidInput, UnknownAlert, StoreUnavailable),
    access="alerts:read",
    once=True,
)
