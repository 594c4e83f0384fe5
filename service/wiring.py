"""What the settings say of each room: where the store is, who is let in, what one may cost."""

from dataclasses import dataclass

from service.access.door import Door
from service.push.admission import AdmissionRules
from service.push.connection import StreamLimits
from service.settings import Settings
from service.store.accounts import Accounts
from service.store.acknowledgements import Acknowledgements
from service.store.alert_log import AlertLog
from service.store.api_keys import ApiKeys
from service.store.client import Client, connect, connect_blocking
from service.store.epoch import settle
from service.store.market_stream import Gate, MarketStream
from service.store.questions import Questions

REDIS_URL_DEFAULT = "redis://127.0.0.1:6379/0"


@dataclass(frozen=True, slots=True)
class Store:
    """Everything a process asks of Redis, over two clients: one for commands that wait there."""

    client: Client
    blocking: Client
    market: MarketStream
    accounts: Accounts
    log: AlertLog
    acks: Acknowledgements
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
    acks = Acknowledgements(client, market, settings.shards)
    return Store(client, blocking, market, accounts, log, acks, questions, settings.shards)


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
