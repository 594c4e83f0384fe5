"""What a process asks of the store, put together by the settings."""

from dataclasses import dataclass

from service.errors import InvalidInput
from service.risk.mark_rule import DOOR, MarkRule
from service.settings import Settings
from service.store.accounts import Accounts
from service.store.acknowledgements import Acknowledgements
from service.store.alert_log import AlertLog
from service.store.client import Client, connect, connect_blocking
from service.store.epoch import settle
from service.store.funds import Funds
from service.store.market_stream import Gate, MarketStream
from service.store.questions import Questions
from service.tracing import INSTALL, Tracer, is_available

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
    funds: Funds
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
    funds = Funds(client, settings.shards)
    return Store(client, blocking, market, accounts, log, acks, questions, funds, settings.shards)


def gate_of(settings: Settings, band: float | None = None) -> Gate:
    """Return the rules by which marks are let into the market stream.

    With `band` those of another door than the API's.
    """
    rule = MarkRule(
        band=settings.mark_band if band is None else band,
        confirm_s=settings.mark_confirm_s,
        confirm_marks=settings.mark_confirm_marks,
        implausible_factor=settings.mark_implausible_factor,
        implausible_s=settings.mark_implausible_s,
        warmup_marks=settings.mark_warmup_marks,
        max_age_s=settings.mark_max_age_s,
        sources_min=settings.mark_sources_min,
        allows=tuple((dict(DOOR.allows or ()) | settings.mark_allows).items()),
    )
    return Gate(settings.event_time, rule, int(settings.mark_max_ahead_s * 1_000.0))


def tracer_of(settings: Settings, part: str) -> Tracer | None:
    """Return what makes traces, None where none are wanted; raises InvalidInput."""
    if settings.otlp_endpoint is None:
        return None
    if not is_available():
        raise InvalidInput(INSTALL)
    return Tracer(settings.otlp_endpoint, part, settings.trace_share)
