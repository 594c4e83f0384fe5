"""The REST calls of a worker, each router with what it needs."""

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.routing import APIRoute

from service.api.account_risk import build_account_risk_router
from service.api.accounts import build_accounts_router
from service.api.adl import build_adl_router
from service.api.alerts import build_alerts_router
from service.api.bodies import BodyReader
from service.api.book_parts import BookParts
from service.api.book_scenarios import BookScenarios
from service.api.ccxt import build_ccxt_router
from service.api.checkup import Examiner
from service.api.entrance import Entrance
from service.api.evaluation import build_evaluate_router
from service.api.explained import build_explain_router
from service.api.follower import MarketFollower
from service.api.funds import build_funds_router, fund_views
from service.api.health import Checks, build_health_router
from service.api.instruments import build_instruments_router
from service.api.liquidation_map import LiquidationMaps
from service.api.load import Load
from service.api.log_level import build_log_level_router
from service.api.markets import build_markets_router
from service.api.marks import build_marks_router
from service.api.metrics import Metrics
from service.api.monitored import Monitored
from service.api.moves import MarketMoves
from service.api.once import Once
from service.api.silences import build_silences_router
from service.api.simulate import build_simulate_router
from service.api.sizing import build_size_router
from service.api.targets import TargetRules, build_targets_router
from service.api.webhooks import WebhookRules, build_webhooks_router
from service.audit.auditor import Auditor
from service.rules import kept_room_of, limits_of
from service.settings import Settings
from service.store import keys
from service.store.claims import Claims
from service.store.health import members, ping
from service.store.history import History
from service.store.log_level import LogLevels
from service.store.receivers import Targets, Webhooks
from service.store.silences import Silences
from service.store.units import Units
from service.tracing import Tracer
from service.wiring import Store


def rest_routers(
    settings: Settings,
    entrance: Entrance,
    store: Store,
    follower: MarketFollower,
    *,
    load: Load,
    metrics: Metrics,
    examiner: Examiner,
    tracer: Tracer | None,
    moves: MarketMoves,
) -> Iterator[APIRouter]:
    """Yield the REST calls, the most frequent first: routes are tried in order."""
    bodies = BodyReader(settings.body_max_bytes, settings.body_timeout_s, load.room)
    claims = Claims(store.client, settings.shards, int(settings.idempotency_s * 1_000.0))
    once = Once(entrance, bodies, claims, kept_room_of(settings, Units(store.client))).route_class
    limits = limits_of(settings)
    yield build_evaluate_router(
        entrance, follower, bodies, limits, queue=load.queue, metrics=metrics, examiner=examiner
    )
    yield build_ccxt_router(entrance, follower, bodies, limits, queue=load.queue, examiner=examiner)
    yield _simulate_router(settings, entrance, store, follower, bodies=bodies, load=load)
    yield build_size_router(entrance, follower, bodies, queue=load.queue)
    yield build_marks_router(
        entrance, store.market, follower, bodies, limits, route_class=once, tracer=tracer
    )
    metrics.marks.outside = moves.outside
    yield build_markets_router(entrance, follower, moves)
    yield build_accounts_router(
        entrance, store.accounts, follower, bodies, limits, route_class=once
    )
    yield build_account_risk_router(
        entrance,
        store.accounts,
        store.log,
        store.questions,
        follower=follower,
        limits=limits,
        examiner=examiner,
    )
    yield build_instruments_router(
        entrance, store.market, follower, bodies, limits, route_class=once
    )
    yield from _alert_routers(settings, entrance, store, bodies, route_class=once)
    yield build_funds_router(entrance, store.funds, bodies, route_class=once)
    yield build_adl_router(entrance, store.questions, limits)
    yield build_log_level_router(entrance, LogLevels(store.client), bodies, route_class=once)
    yield build_health_router(entrance, follower, _checks_of(settings, store), metrics)


def _simulate_router(
    settings: Settings,
    entrance: Entrance,
    store: Store,
    follower: MarketFollower,
    *,
    bodies: BodyReader,
    load: Load,
) -> APIRouter:
    limits = limits_of(settings)
    parts = BookParts(store.questions, settings.map_timeout_s)
    return build_simulate_router(
        entrance,
        follower,
        bodies,
        limits,
        queue=load.queue,
        maps=LiquidationMaps(entrance, parts, follower),
        books=BookScenarios(entrance, parts, follower, limits),
        monitored=Monitored(store.questions, store.accounts, limits),
    )


def _checks_of(settings: Settings, store: Store) -> Checks:
    """Return what the service's health is told by."""
    return Checks(
        lambda limit_s: ping(store.client, limit_s),
        store.log.unowned,
        lambda: members(store.client),
        lambda: fund_views(store.funds),
        settings.shards,
        lambda: members(store.client, keys.FEEDS),
        settings.feeds,
        store.market.refusals.read,
        lambda: members(store.client, keys.SYNCS),
        settings.sync_file is not None,
    )


def _alert_routers(
    settings: Settings,
    entrance: Entrance,
    store: Store,
    bodies: BodyReader,
    *,
    route_class: type[APIRoute],
) -> Iterator[APIRouter]:
    """Yield the REST calls about alerts: the log, and who is told of them."""
    yield build_alerts_router(
        entrance, store.log, store.settle, store.acks, settings.shards, route_class=route_class
    )
    history = History(store.client, settings.shards)
    auditor = Auditor(history, store.market, settings.pegged_assets)
    yield build_explain_router(entrance, auditor)
    yield from _told(settings, entrance, store, bodies, route_class)
    silences, kept_s = Silences(store.client), settings.log_retention_s
    yield build_silences_router(entrance, silences, bodies, kept_s, route_class=route_class)


def _told(
    settings: Settings, entrance: Entrance, store: Store, bodies: BodyReader, once: type[APIRoute]
) -> Iterator[APIRouter]:
    """Yield the calls about who is told of alerts: webhooks and targets."""
    where = (settings.webhook_allow_http, settings.webhook_allow_private)
    yield build_webhooks_router(
        entrance,
        Webhooks(store.client),
        store.log,
        store.settle,
        bodies=bodies,
        rules=WebhookRules(*where),
        route_class=once,
    )
    yield build_targets_router(
        entrance,
        Targets(store.client),
        store.log,
        store.settle,
        bodies=bodies,
        rules=TargetRules(settings.targets, *where),
        route_class=once,
    )
