"""The market stream and the log in the reference's words: what goes in, and what comes of it."""

from dataclasses import dataclass

from service.risk.model import Account, Instrument, Level, Mark, PoolKey
from service.risk.quality import Verdict


@dataclass(frozen=True, slots=True)
class Quality:
    """What the marks of a symbol are worth from now on."""

    venue: str
    symbol: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Change:
    """An account as it is from now on; None: deleted."""

    account_key: str
    account: Account | None
    cause: str = "account"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Ack:
    """An alert of an account was acknowledged."""

    account_key: str
    seq: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the market stream; a payload of None is the clock's."""

    market_id: int
    event_time_ms: int
    payload: Mark | Quality | Instrument | tuple[Change | Ack, ...] | None


@dataclass(frozen=True, slots=True)
class Logged:
    """One alert: all that two runs must agree on."""

    market_id: int
    event_time_ms: int
    account_key: str
    seq: int
    pool: PoolKey
    level: Level
    previous: Level
    transition: str
    cause: str
    version: int
    repeat_of: int = 0  # the seq of the alert that is told again
