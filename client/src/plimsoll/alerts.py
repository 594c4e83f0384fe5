"""What a subscription yields: alerts as they are logged, and snapshots where the log cannot say."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from plimsoll.documents import Level, Quality, Side

Transition: TypeAlias = Literal["raised", "escalated", "eased", "resolved", "unpriced", "repeat"]
Cause: TypeAlias = Literal[
    "mark", "account", "instrument", "funding", "deposit", "withdrawal", "fee", "pnl", "time"
]


@dataclass(frozen=True, slots=True)
class CrossPool:
    """All cross positions that share collateral; `settle` is what its money is counted in."""

    kind: Literal["cross"]
    settle: str


@dataclass(frozen=True, slots=True)
class IsolatedPool:
    """One isolated position."""

    kind: Literal["isolated"]
    symbol: str
    side: Side
    settle: str


@dataclass(frozen=True, slots=True)
class Reduction:
    """Closing this much of this position alone restores the pool; None: not even all of it does."""

    symbol: str
    side: Side
    contracts: float | None


@dataclass(frozen=True, slots=True)
class ToRestore:
    """What makes the pool HEALTHY: a deposit in its settle asset, or any one of the reductions."""

    deposit: float | None
    reduce: list[Reduction]


@dataclass(frozen=True, slots=True)
class AlertPosition:
    """A position of the pool at the moment of the alert."""

    symbol: str
    side: Side
    mark_price: float | None
    liquidation_price: float | None
    bankruptcy_price: float | None
    distance_pct: float | None


@dataclass(frozen=True, slots=True)
class Alert:
    """One change of one pool's level. Money is in the pool's settle asset.

    `id` is the same however often an alert is sent: a bot that must act once remembers it. `seq`
    counts by account without gaps.
    """

    id: str
    epoch: str
    account_id: str
    seq: int
    pool: CrossPool | IsolatedPool
    level: Level
    previous_level: Level
    transition: Transition
    cause: Cause
    margin_ratio: float | None
    equity: float | None
    maintenance_margin: float | None
    margin_deficit: float | None
    shortfall: float | None
    owed: float | None
    to_restore: ToRestore | None
    positions: list[AlertPosition]
    market_id: int
    account_version: int
    event_time: int
    timestamp: int
    repeat_of: str | None = None
    positions_omitted: int = 0
    quality: Quality = "good"


@dataclass(frozen=True, slots=True)
class PoolState:
    """The level of one pool that is not HEALTHY; `since` is the event time of its last alert."""

    pool: CrossPool | IsolatedPool
    level: Level
    seq: int = 0
    since: int | None = None
    pending_since: int | None = None
    reminded_at: int | None = None
    reminded_seq: int = 0
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account that is not HEALTHY: its worst level and the pools that make it so."""

    account_id: str
    level: Level
    pools: list[PoolState]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every account of the subscription that is not HEALTHY now; all others are.

    It comes first where a subscription begins without a cursor. With `history_lost` it stands in
    for alerts that happened after the cursor and that nobody can send any more.
    """

    accounts: list[AccountState]
    history_lost: bool
    epoch: str


Event: TypeAlias = Alert | Snapshot
