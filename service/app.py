"""The composition root: the architecture from top to bottom, the one file that knows every room.

`build_api` puts a worker together: the store's clients, the followers of market and alerts, the
routes over them. Everything is given what it needs; nothing looks anything up.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

import orjson
import uvicorn
import uvloop
from fastapi import APIRouter, FastAPI
from starlette.responses import RedirectResponse

from service.access.door import Door
from service.api.account_risk import build_account_risk_router
from service.api.accounts import build_accounts_router
from service.api.alert_stream import build_alert_stream_router
from service.api.alerts import build_alerts_router
from service.api.bodies import BodyReader
from service.api.documents import install_document
from service.api.evaluation import build_evaluate_router
from service.api.follower import MarketFollower
from service.api.health import Checks, build_health_router
from service.api.instruments import build_instruments_router
from service.api.limits import Limits
from service.api.marks import build_marks_router
from service.api.metrics import Metrics, Timing
from service.api.problems import install_problems
from service.api.protocol import RequestProtocol
from service.api.server import DrainingServer
from service.api.webhooks import WebhookRules, build_webhooks_router
from service.errors import StoreUnavailable
from service.monitor import judging
from service.monitor.engine import Engine
from service.monitor.measures import CollectorClock
from service.monitor.service import Monitor, Ports, Retention
from service.monitor.shards import Shards
from service.push import asyncapi
from service.push.admission import Admission, AdmissionRules
from service.push.connection import StreamLimits
from service.push.event_stream import EventStreamResponse
from service.push.hub import Hub
from service.push.protocol import StreamProtocol
from service.push.routes import build_stream_router
from service.risk import evaluate
from service.settings import Settings
from service.store.accounts import Accounts
from service.store.alert_log import AlertLog
from service.store.api_keys import ApiKeys
from service.store.client import Client, connect, connect_blocking
from service.store.epoch import settle
from service.store.health import Roll, monitors, ping
from service.store.market_stream import Gate, MarketStream
from service.store.questions import Questions
from service.store.webhooks import Webhooks

RELEASE = "0.1.0"  # as pyproject.toml has it, also where nothing is installed
REDIS_URL_DEFAULT = "redis://127.0.0.1:6379/0"
PICTURE_WITHIN_S = 2.0
GRACE_S = 1  # for requests that are being answered
# A collection looks at every object there is: it lifted the slowest call from 1 to 30 ms.
COLLECT_AFTER = (100_000, 50, 50)
_RESTART_S = 1.0

_log = logging.getLogger("plimsoll.app")


@dataclass(frozen=True, slots=True)
class Store:
    """Everything a process asks of Redis, over two clients: one for commands that wait there."""

    client: Client
    blocking: Client
    market: MarketStream
    accounts: Accounts
    log: AlertLog
    questions: Questions
    shards: int

    async def settle(self) -> str:
        """Make sure that the data is ours and return the log's epoch."""
        return await settle(self.client, self.shards)


def store_of(settings: Settings) -> Store:
    """Return the store; it connects when it is first asked."""
    url = settings.redis_url or REDIS_URL_DEFAULT
    client, blocking = connect(url), connect_blocking(url)
    market = MarketStream(client, gate_of(settings), blocking)
    accounts = Accounts(client, market, settings.shards)
    log = AlertLog(client, settings.shards, blocking)
    questions = Questions(client, blocking, settings.shards)
    return Store(client, blocking, market, accounts, log, questions, settings.shards)


def build_api(settings: Settings) -> FastAPI:
    """Build one API worker; inline marks and instruments are evaluated without any store."""
    store = store_of(settings)
    door = door_of(settings, store)
    hub = Hub(store.log, store.settle, stream_limits_of(settings))
    admission = Admission(door, hub, admission_rules_of(settings))
    follower = MarketFollower(store.market, settings.pegged_assets, hub, settings.event_time)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        work = {"markets": follower.run, "stream": hub.run, "keys": admission.run}
        async with store.client, store.blocking, kept(**work):
            # Nobody is let in before we know the markets, unless Redis keeps us waiting.
            await follower.reached(0, PICTURE_WITHIN_S)
            calm_collector()
            with collector:
                yield

    app = FastAPI(
        title="Plimsoll",
        version=RELEASE,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    collector = CollectorClock()
    metrics = Metrics(follower.newest_age_s, lambda: len(hub.sessions), collector.share)
    hub.observe_s = metrics.alert_age_s.observe
    for router in _routers(settings, door, store, follower, metrics):
        app.include_router(router)
    open_stream = partial(EventStreamResponse, hub, admission)
    app.include_router(build_alert_stream_router(door, open_stream))
    app.include_router(build_stream_router(hub, admission))
    app.add_route("/", lambda _request: RedirectResponse("/docs"), include_in_schema=False)
    app.add_middleware(Timing, metrics=metrics)
    app.state.drain = hub.drain
    install_problems(app)
    install_document(app)
    return app


def _routers(
    settings: Settings, door: Door, store: Store, follower: MarketFollower, metrics: Metrics
) -> Iterator[APIRouter]:
    """Yield the REST calls, the most frequent first: routes are tried in order."""
    bodies = BodyReader(settings.body_max_bytes, settings.body_timeout_s)
    limits = Limits(settings.accounts_max, settings.positions_max)
    yield build_evaluate_router(door, follower, bodies, limits, metrics)
    yield build_marks_router(door, store.market, follower, bodies, limits)
    yield build_accounts_router(door, store.accounts, follower, bodies, limits)
    yield build_account_risk_router(
        door, store.accounts, store.log, store.questions, follower=follower, limits=limits
    )
    yield build_alerts_router(door, store.log, store.settle, settings.shards)
    yield build_instruments_router(door, store.market, follower, bodies, limits)
    rules = WebhookRules(settings.webhook_allow_http, settings.webhook_allow_private)
    yield build_webhooks_router(
        door, Webhooks(store.client), store.log, store.settle, bodies=bodies, rules=rules
    )
    checks = Checks(
        lambda limit_s: ping(store.client, limit_s),
        store.log.unowned,
        lambda: monitors(store.client),
        settings.shards,
    )
    yield build_health_router(door, follower, checks, metrics)


def door_of(settings: Settings, store: Store) -> Door:
    """Return who is let in."""
    bootstrap = settings.bootstrap_key
    return Door(
        ApiKeys(store.client),
        in_force=settings.keys_in_force,
        bootstrap=None if bootstrap is None else bootstrap.get_secret_value(),
    )


def admission_rules_of(settings: Settings) -> AdmissionRules:
    """Return who may open the stream, and how often."""
    return AdmissionRules(frozenset(settings.allowed_origins), settings.connections_per_key_max)


def gate_of(settings: Settings) -> Gate:
    """Return the rules by which marks are let into the market stream."""
    max_age_ms = int(settings.mark_max_age_s * 1_000.0)
    return Gate(settings.event_time, max_age_ms, int(settings.mark_max_ahead_s * 1_000.0))


def stream_limits_of(settings: Settings) -> StreamLimits:
    """Return what one WebSocket connection may cost."""
    return StreamLimits(
        heartbeat_s=settings.heartbeat_s,
        queue_bytes=settings.session_queue_bytes,
        frame_bytes=settings.frame_max_bytes,
    )


def contract_documents() -> dict[str, str]:
    """Return the contract as programs read it, by file name; it depends on no setting."""
    document = build_api(Settings.model_validate({})).openapi()
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return {
        "openapi.json": orjson.dumps(document, option=options).decode(),
        "asyncapi.json": asyncapi.render(),
    }


def run_api(settings: Settings, listening: socket.socket) -> None:
    """Serve an API worker on a socket that listens already, until SIGTERM or SIGINT."""
    evaluate.warm_up()
    app = build_api(settings)
    config = uvicorn.Config(
        app,
        http=RequestProtocol,
        loop="uvloop",
        ws=StreamProtocol,
        ws_max_size=settings.client_frame_max_bytes,
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        server_header=False,
        log_level=settings.log_level,
        timeout_graceful_shutdown=GRACE_S,
    )
    DrainingServer(config, app.state.drain).run(sockets=[listening])


def run_monitor(settings: Settings) -> None:
    """Watch our share of the accounts until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        judging.warm_up()
        runner.run(_monitor(settings))


async def _monitor(settings: Settings) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    name = f"{socket.gethostname()}-{os.getpid()}"
    store = store_of(settings)
    async with store.client as client, store.blocking:
        if await _settled(store, stop) is None:
            return

        async def fresh() -> Shards:
            engine = Engine(await store.settle(), settings.pegged_assets)
            return Shards(engine, store.market, store.accounts, store.log, settings.shards)

        ports = Ports(store.market, store.accounts, store.log, store.questions, Roll(client, name))
        retention = Retention(
            int(settings.log_retention_s * 1_000.0),
            settings.log_max_alerts,
            settings.market_max_entries,
        )
        await Monitor(ports, fresh, settings.shards, retention, calm_collector).run(stop)


async def _settled(store: Store, stop: asyncio.Event) -> str | None:
    """Return the log's epoch once the store answers; None when we are to stop before."""
    while not stop.is_set():
        try:
            return await store.settle()
        except StoreUnavailable as error:
            _log.warning("waiting for the store: %s", error)
            await asyncio.sleep(_RESTART_S)
    return None


@contextlib.asynccontextmanager
async def kept(**work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep each of `work` running, again after a pause when it fails, until the block ends."""

    async def keep(name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except Exception:
                _log.exception("%s failed and starts again", name)
            await asyncio.sleep(_RESTART_S)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(keep(name, run), name=name) for name, run in work.items()]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def calm_collector() -> None:
    """Take what the start made out of the garbage collector's sight, and let it look seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
