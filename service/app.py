"""An API worker, put together: the one file that knows every room it is made of.

`build_api` makes the store's clients, the followers of market and alerts, the routes over them.
Everything is given what it needs; nothing looks anything up. A monitor is `supervisor.monitor`.
"""

import contextlib
import socket
from collections.abc import AsyncIterator
from functools import partial

import orjson
import uvicorn
from fastapi import FastAPI

from service.access.log_level import LogLevelBoard
from service.access.meter import Meter
from service.access.silences import SilenceBoard
from service.api import tables, weaving
from service.api.about import ABOUT
from service.api.alert_stream import build_alert_stream_router
from service.api.checkup import Examiner
from service.api.documents import install_document
from service.api.entrance import Entrance, LimitHeaders
from service.api.fellows import Fellows
from service.api.follower import MarketFollower
from service.api.metrics import Metrics, Timing
from service.api.moves import MarketMoves
from service.api.own_marks import OwnMarks
from service.api.packing import PackedDocuments
from service.api.pieces import Pieces
from service.api.problems import install_problems
from service.api.request_ids import RequestIds
from service.api.server import DrainingServer
from service.api.stored_risk import judge_stored
from service.api.watched_markets import WatchedMarkets
from service.contract import plain_columns, plain_request, table_rows
from service.memory import calm_collector, collect_seldom, keep_large_blocks
from service.monitor.measures import CollectorClock
from service.page.routes import build_page_router
from service.push import asyncapi
from service.push.admission import Admission
from service.push.close_codes import CloseCode
from service.push.event_stream import EventStreamResponse
from service.push.hub import Hub, Risks
from service.push.protocol import StreamProtocol
from service.push.routes import build_document_router, build_stream_router
from service.risk import evaluate
from service.routing import rest_routers
from service.rules import (
    admission_rules_of,
    bands_of,
    door_of,
    load_of,
    meter_of,
    stream_limits_of,
)
from service.running import kept, tell_ready, worker_socket
from service.settings import RELEASE, Settings
from service.store.api_keys import ApiKeys
from service.store.log_level import LogLevels
from service.store.silences import Silences
from service.store.units import Units
from service.store.volatility import VolatilityStore
from service.wiring import Store, store_of, tracer_of

PICTURE_WITHIN_S = 2.0
KEEP_ALIVE_S = 5  # a connection without a request
GRACE_S = 1  # for requests that are being answered


def build_api(settings: Settings, fellows: Fellows | None = None) -> FastAPI:
    """Build one API worker, one of `fellows`; what is asked inline is evaluated without a store."""
    store = store_of(settings)
    door = door_of(settings, ApiKeys(store.client))
    meter = meter_of(settings, Units(store.client))
    entrance = Entrance(door, meter)
    follower = MarketFollower(store.market, settings.pegged_assets, settings.event_time)
    kept_moves = VolatilityStore(store.client)
    follower.taker = moves = MarketMoves(store.market, follower, kept_moves, bands_of(settings))
    follower.maker = own = OwnMarks(store.market)
    hub = _hub_of(settings, store, follower, moves, meter)
    admission = Admission(door, hub, admission_rules_of(settings))

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        levels = LogLevelBoard(LogLevels(store.client), settings.log_level).run
        work = {"markets": follower.run, "stream": hub.run, "keys": admission.run}
        work |= {"moves": moves.run, "own": own.run, "levels": levels}
        work["fellows"] = metrics.tell_fellows
        async with store.client, store.blocking, kept(**work):
            # Nobody is let in before we know the markets, unless Redis keeps us waiting.
            await follower.reached(0, PICTURE_WITHIN_S)
            calm_collector()
            with collector:
                yield

    app = FastAPI(
        title="Plimsoll", version=RELEASE, lifespan=lifespan, redirect_slashes=False, redoc_url=None
    )
    collector = CollectorClock()
    metrics = _metrics_of(follower, hub, collector, fellows)
    hub.tracer = tracer_of(settings, "api")
    load = load_of(settings, metrics)
    routers = partial(rest_routers, settings, entrance, store, follower, load=load, metrics=metrics)
    for router in routers(examiner=Examiner(follower, moves), moves=moves, tracer=hub.tracer):
        app.include_router(router)
    open_stream = partial(EventStreamResponse, hub, admission)
    app.include_router(build_alert_stream_router(entrance, open_stream))
    app.include_router(build_stream_router(hub, admission, store.market))
    app.include_router(build_document_router())
    app.include_router(build_page_router())
    app.add_middleware(PackedDocuments)
    app.add_middleware(LimitHeaders)
    app.add_middleware(Pieces, room=load.room)
    app.add_middleware(Timing, metrics=metrics)
    app.add_middleware(RequestIds)
    app.state.drain = hub.drain
    install_problems(app)
    install_document(app, ABOUT)
    return app


def _metrics_of(
    follower: MarketFollower, hub: Hub, collector: CollectorClock, fellows: Fellows | None
) -> Metrics:
    """Return what the worker counts; the hub tells of bursts and of streams it has closed."""
    metrics = Metrics(follower.newest_age_s, lambda: len(hub.sessions), collector.share)
    metrics.fellows = fellows
    metrics.show_market(follower)
    hub.observe_s = metrics.alert_age_s.observe
    hub.count_close = metrics.closes_by(CloseCode)
    return metrics


def _hub_of(
    settings: Settings, store: Store, follower: MarketFollower, moves: MarketMoves, meter: Meter
) -> Hub:
    """Return the hub of all streams; follower and moves tell it of marks and of bands."""
    follower.listener = hub = Hub(
        store.log,
        store.settle,
        acks=store.acks,
        risks=Risks(store.accounts, partial(judge_stored, follower)),
        markets=WatchedMarkets(follower, moves),
        silences=SilenceBoard(Silences(store.client)),
        meter=meter,
        limits=stream_limits_of(settings),
    )
    moves.watcher = hub.markets
    return hub


def contract_documents() -> dict[str, str]:
    """Return the contract as programs read it, by file name; it depends on no setting."""
    document = build_api(Settings.model_validate({})).openapi()
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return {
        "openapi.json": orjson.dumps(document, option=options).decode(),
        "asyncapi.json": asyncapi.render(),
    }


def warm_up() -> None:
    """Have all that a worker calls compiled, or read from where it was kept."""
    evaluate.warm_up()
    weaving.warm_up()
    tables.warm_up()
    plain_request.warm_up()
    plain_columns.warm_up()
    table_rows.warm_up()


def run_api(settings: Settings, listening: socket.socket) -> None:
    """Serve an API worker on a socket that listens already, until SIGTERM or SIGINT."""
    told_at = worker_socket()
    fellows = None if told_at is None else Fellows(told_at.parent, told_at.name)
    serve_api(build_api(settings, fellows), settings, listening)


def serve_api(app: FastAPI, settings: Settings, listening: socket.socket) -> None:
    """Serve what `build_api` has built; nothing that it needs is compiled while it answers."""
    keep_large_blocks()
    warm_up()
    collect_seldom()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        ws=StreamProtocol,
        ws_max_size=settings.client_frame_max_bytes,
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=None,  # as all of ours, see `logs`
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    DrainingServer(config, app.state.drain, tell_ready).run(sockets=[listening])
