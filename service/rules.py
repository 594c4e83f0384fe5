"""What the settings mean to each room: its rules, as it takes them."""

from service.access.door import Door, KeyStore
from service.access.kept import KeptRoom
from service.access.meter import Meter, UnitStore
from service.api.limits import Limits
from service.api.load import BodyRoom, EngineQueue, Load
from service.api.metrics import Metrics
from service.push.admission import AdmissionRules
from service.push.connection import StreamLimits
from service.risk.conditions import Bands
from service.settings import Settings


def door_of(settings: Settings, keys: KeyStore) -> Door:
    """Return who is let in."""
    bootstrap = settings.bootstrap_key
    return Door(
        keys,
        in_force=settings.keys_in_force,
        bootstrap=None if bootstrap is None else bootstrap.get_secret_value(),
    )


def meter_of(settings: Settings, units: UnitStore) -> Meter:
    """Return how much a key may ask for."""
    return Meter(units, settings.rate_limit_per_s, settings.rate_limit_burst_s)


def kept_room_of(settings: Settings, units: UnitStore) -> KeptRoom:
    """Return how much may be kept of the answers to a key's calls."""
    return KeptRoom(units, settings.idempotency_max_bytes, settings.idempotency_s)


def limits_of(settings: Settings) -> Limits:
    """Return how much a call may carry."""
    return Limits(
        settings.accounts_max,
        settings.positions_max,
        settings.scenarios_max,
        settings.simulated_max,
    )


def load_of(settings: Settings, metrics: Metrics) -> Load:
    """Return what a worker takes on at a time; what it refuses is counted."""
    queue = EngineQueue(settings.evaluations_max, settings.evaluations_max_bytes)
    room = BodyRoom(settings.bodies_max_bytes)
    queue.count_refused = metrics.shed.labels("evaluations").inc
    room.count_refused = metrics.shed.labels("bodies").inc
    metrics.show("plimsoll_evaluations_waiting", "That wait here.", lambda: queue.waiting)
    return Load(queue, room)


def admission_rules_of(settings: Settings) -> AdmissionRules:
    """Return who may open the stream, and how often."""
    return AdmissionRules(frozenset(settings.allowed_origins), settings.connections_per_key_max)


def bands_of(settings: Settings) -> Bands:
    """Return what the condition of a market is held against."""
    return Bands(
        settings.market_volatility_band,
        settings.market_divergence_band,
        settings.market_hysteresis,
    )


def stream_limits_of(settings: Settings) -> StreamLimits:
    """Return what one WebSocket connection may cost."""
    return StreamLimits(
        heartbeat_s=settings.heartbeat_s,
        queue_bytes=settings.session_queue_bytes,
        frame_bytes=settings.frame_max_bytes,
    )
