"""What the service works out: frozen records, money in the asset that the record names.

None is "has no value", with a reason beside it where there is one; never 0. Ratios are fractions,
times epoch milliseconds.
"""

from dataclasses import dataclass, field
from typing import Literal

from plimsoll.alerts import Alert, PoolState, ToRestore
from plimsoll.checkup import AccountLikelihood, Finding
from plimsoll.documents import Level, MarginMode, Quality, Side


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was sent: where (a JSON pointer), which (for programs), why."""

    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class PositionRisk:
    """One position; money in its pool's settle asset."""

    symbol: str
    side: Side
    contracts: float
    margin_mode: MarginMode
    instrument_venue: str | None
    mark_venue: str | None
    mark_source: Literal["request", "position", "stream"] | None
    mark_price: float | None
    mark_age_ms: int | None
    stale: bool
    quality: Quality
    notional: float | None
    unrealized_pnl: float | None
    initial_margin: float | None
    maintenance_margin: float | None
    margin_ratio: float | None
    leverage: float | None
    liquidation_price: float | None
    liquidation_price_reason: str | None
    liquidation_price_below: float | None
    liquidation_price_above: float | None
    bankruptcy_price: float | None
    bankruptcy_price_reason: str | None
    distance_pct: float | None
    gap_to_liquidation_pct: float | None
    gap_to_liquidation_reason: str | None
    gap_to_owe_pct: float | None
    gap_to_owe_reason: str | None


@dataclass(frozen=True, slots=True)
class AfterGap:
    """What the asked gap leaves of a pool, and who pays; all others add up to `shortfall`."""

    level: Level
    reason: str | None
    equity: float | None
    shortfall: float | None
    fund: float | None
    deleveraged: float | None
    socialised: float | None
    owed: float | None
    venue: float | None


@dataclass(frozen=True, slots=True)
class PoolRisk:
    """One margin pool, what is liquidated as one; money in `settle`."""

    kind: MarginMode
    settle: str
    symbol: str | None
    side: Side | None
    level: Level
    reason: str | None
    stale: bool
    quality: Quality
    wallet_balance: float | None
    unrealized_pnl: float | None
    equity: float | None
    initial_margin: float | None
    maintenance_margin: float | None
    margin_ratio: float | None
    health_factor: float | None
    available_margin: float | None
    margin_deficit: float | None
    shortfall: float | None
    owed: float | None
    max_loss: float | None
    max_loss_reason: str | None
    gap_to_liquidation_pct: float | None
    gap_to_liquidation_reason: str | None
    gap_to_owe_pct: float | None
    gap_to_owe_reason: str | None
    after_gap: AfterGap | None
    to_restore: ToRestore


@dataclass(frozen=True, slots=True)
class AccountRisk:
    """One account; its totals are in `currency`."""

    id: str
    level: Level
    currency: str
    totals_reason: str | None
    stale: bool
    quality: Quality
    equity: float | None
    wallet_balance: float | None
    unrealized_pnl: float | None
    initial_margin: float | None
    maintenance_margin: float | None
    margin_ratio: float | None
    health_factor: float | None
    available_margin: float | None
    margin_deficit: float | None
    shortfall: float | None
    owed: float | None
    to_restore: ToRestore
    pools: list[PoolRisk]
    positions: list[PositionRisk]
    findings: list[Finding] | None
    likelihood: AccountLikelihood | None


@dataclass(frozen=True, slots=True)
class StoredAccountRisk(AccountRisk):
    """A stored account evaluated now, and the pools that the monitor has not at HEALTHY."""

    timestamp: int
    version: int
    monitored: list[PoolState]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The accounts that could be evaluated, in the order asked, and what was wrong with others."""

    timestamp: int
    accounts: list[AccountRisk]
    problems: list[Fault]


@dataclass(frozen=True, slots=True)
class RankedAccount:
    """One account of a list by level; `margin_ratio` is its worst pool's."""

    id: str
    level: Level
    margin_ratio: float | None


@dataclass(frozen=True, slots=True)
class RankedAccounts:
    """Accounts at or beyond a level, worst first; no cursor: these were all."""

    accounts: list[RankedAccount]
    cursor: str | None
    counts: dict[Level, int] | None


@dataclass(frozen=True, slots=True)
class WrittenAccount:
    """What a write made."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class AdjustedAccount:
    """The balance after an adjustment."""

    id: str
    version: int
    asset: str
    amount: float


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item of a list; `errors` says why it was refused."""

    index: int
    status: Literal["ok", "refused"]
    id: str | None = None
    version: int | None = None
    market_id: int | None = None
    errors: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a list; of a very long one `results` has the refused items alone."""

    accepted: int
    refused: int
    results: list[ItemResult]


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """Part of the log; not `recovered`: it no longer reaches back to `since`. `more`: ask again."""

    alerts: list[Alert]
    cursor: str
    recovered: bool
    more: bool


@dataclass(frozen=True, slots=True)
class AcknowledgedAlert:
    """An alert that was acknowledged, and when that was done first (epoch ms)."""

    id: str
    acknowledged_at: int


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """The body of every answer of 400 and above, RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[Fault] = field(default_factory=list)
    results: list[ItemResult] = field(default_factory=list)
