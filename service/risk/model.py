"""The nouns of the service as frozen records: what a venue lists, what an account holds, levels."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from service.risk.mark_rule import MarkRule, OwnMark

Tiering = Literal["marginal", "whole"]
TierUnit = Literal["notional", "contracts"]
CollateralMode = Literal["single", "multi"]

GENERIC_VENUE = "generic"
USD = "USD"


class Level(IntEnum):
    """How near to its lines a pool is; the order is the order of severity."""

    HEALTHY = 0
    UNPRICED = 1
    WARNING = 2
    MARGIN_CALL = 3
    LIQUIDATION = 4
    BANKRUPT = 5


@dataclass(frozen=True, slots=True)
class Tier:
    """One row of a margin table; `floor` <= size < `cap` in the table's unit.

    `maintenance_rate` is a fraction of notional. `deduction` is taken off the requirement, in
    what the floors count: money (settle asset) or contracts' worth. None means by continuity.
    """

    floor: float
    cap: float  # inf where the table is open at the top
    maintenance_rate: float
    max_leverage: float | None = None
    deduction: float | None = None


@dataclass(frozen=True, slots=True)
class Instrument:
    """A perpetual contract as one venue lists it, under ccxt's unified symbol."""

    symbol: str
    linear: bool
    contract_size: float  # linear: base per contract; inverse: quote per contract
    base: str
    quote: str
    settle: str
    tiers: tuple[Tier, ...]
    venue: str = GENERIC_VENUE
    taker_fee: float | None = None  # fraction; None: the venue's default where it counts a fee
    tiering: Tiering | None = None  # None takes the venue's
    tier_unit: TierUnit = "notional"
    mark_rule: MarkRule | None = None  # its own, for the gate; no evaluation asks for it
    own_mark: OwnMark | None = None  # None: marks are as they come


@dataclass(frozen=True, slots=True)
class Position:
    """One open position; `contracts` is signed: long > 0, short < 0, never 0."""

    symbol: str
    contracts: float
    entry_price: float
    isolated: bool = False
    leverage: float | None = None
    contract_size: float | None = None  # None takes the instrument's
    mark_price: float | None = None  # only an evaluate call's own; a stored account's is dropped
    margin: float | None = None  # isolated wallet, no PnL in it; None: initial at `leverage`
    stop_loss: float | None = None  # a price
    loss_budget: float | None = None  # what the stop may lose, in the settle asset

    @property
    def side(self) -> Literal["long", "short"]:
        return "long" if self.contracts > 0.0 else "short"


@dataclass(frozen=True, slots=True)
class Balance:
    """An amount of one asset, negative when borrowed. Weight and price matter in `multi` only."""

    asset: str
    amount: float
    weight: float = 1.0  # 0..1, applied to positive amounts
    price: float | None = None  # USD, taken where the stream has none


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Lines in units of the margin ratio: 0 <= hysteresis < warning < margin_call < 1.

    And what time does to a level: a fall waits, and while a level lasts its alert is told again.
    """

    warning: float = 0.5
    margin_call: float = 0.8
    hysteresis: float = 0.05
    ease_after_ms: int = 5_000
    repeat_every_ms: int = 0  # 0: an alert is told once
    repeat_until_acknowledged: bool = False  # else for as long as the level lasts


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """The lines of a health check; a measure is over its limit strictly beyond the line."""

    leverage_max: float = 10.0  # notional of a pool / its equity
    position_share_max: float = 0.5  # initial margin of a position / equity of its account
    concentration_max: float = 0.8  # net notional in one coin / gross notional; 2 positions on
    stop_expected: bool = True
    budget_share: float = 0.02  # loss at a stop / equity of its account; its own budget goes first
    bound_factor_max: float = 3.0  # what cross can lose / what isolated could
    buffer_deviations_min: float = 3.0  # distance to liquidation in moves of the horizon
    buffer_horizon_s: float = 86_400.0
    funding_hours_min: float = 168.0
    mark_age_max_ms: float = 10_000.0


@dataclass(frozen=True, slots=True)
class Account:
    """All the engine needs of one account.

    `account_key` is "tenant/id" for stored accounts, the id in an evaluate call.
    """

    account_key: str
    venue: str = GENERIC_VENUE
    collateral_mode: CollateralMode = "single"
    balances: tuple[Balance, ...] = ()
    positions: tuple[Position, ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)
    health: HealthLimits | None = None  # of its own, else those of whoever asks


@dataclass(frozen=True, slots=True)
class Mark:
    """One price report of one (venue, symbol). Prices are finite and > 0; times are epoch ms."""

    symbol: str
    mark_price: float
    venue: str = GENERIC_VENUE
    index_price: float | None = None
    last_price: float | None = None
    funding_rate: float | None = None  # a payment's share of notional, longs to shorts
    timestamp_ms: int | None = None  # the source's own clock
    source: str = ""
    funding_interval_h: float | None = None  # between payments; None: its venue's usual one
    open_interest: float | None = None  # in the base coin
    day_volume: float | None = None  # in the base coin, of the last 24 hours


@dataclass(frozen=True, slots=True)
class PoolKey:
    """The name of a margin pool within its account; sorts as (kind, settle, symbol, side)."""

    kind: Literal["cross", "isolated"]
    settle: str  # the asset its money is counted in; USD for a cross pool in multi mode
    symbol: str = ""  # isolated only
    side: str = ""  # isolated only: "long" or "short"
