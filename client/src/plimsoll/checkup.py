"""What a health check finds, and how likely liquidation and a debt are: frozen records.

Every probability is a model's, which is named with all its inputs; None is "not known", with a
reason beside it.
"""

from dataclasses import dataclass
from typing import Literal

from plimsoll.alerts import CrossPool, IsolatedPool
from plimsoll.documents import HealthLimits, Level, MarginMode, Side


@dataclass(frozen=True, slots=True)
class Change:
    """One change that clears a finding by itself, the smallest that does."""

    action: Literal[
        "deposit",
        "reduce",
        "reduce_pool",
        "reduce_coin",
        "set_stop",
        "isolate",
        "post_mark",
        "put_instrument",
        "price_collateral",
    ]
    amount: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing over a limit: of a position where there is a `symbol`, else of its pool."""

    code: Literal[
        "leverage_above_limit",
        "position_too_large",
        "concentrated",
        "no_stop_loss",
        "stop_loss_passed",
        "stop_loss_beyond_liquidation",
        "stop_loss_above_budget",
        "isolated_would_bound_loss",
        "buffer_thin",
        "funding_eats_margin",
        "market_volatile",
        "market_diverged",
        "mark_stale",
        "mark_missing",
        "instrument_missing",
        "collateral_unpriced",
    ]
    severity: Literal["info", "warning", "critical"]
    pool: CrossPool | IsolatedPool
    symbol: str | None
    side: Side | None
    measured: float | None
    limit: float | None
    unit: Literal["ratio", "price", "money", "standard_deviations", "hours", "milliseconds", "none"]
    changes: list[Change]
    figures: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Health:
    """The health check of a stored account; the worst findings come first."""

    id: str
    timestamp: int
    version: int
    level: Level
    limits: HealthLimits
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class MarketVolatility:
    """How a market moves; `samples` are the returns of `venue`'s marks that it is made of."""

    source: Literal["stream", "request"]
    venue: str | None
    reason: str | None
    samples: int | None
    diffusion_per_sqrt_s: float | None
    jumps_per_s: float | None
    jump_mean: float | None
    annual: float | None


Model = Literal["double_exponential_jump_diffusion", "likeliest_path_diffusion"]


@dataclass(frozen=True, slots=True)
class PositionLikelihood:
    """Of a position's pool, all but its symbol held; distances and gaps in log price."""

    symbol: str
    side: Side
    margin_mode: MarginMode
    model: Model
    liquidation: float | None
    shortfall: float | None
    owing: float | None
    reason: str | None
    distance_below: float | None
    distance_above: float | None
    gap_below: float | None
    gap_above: float | None
    volatility: MarketVolatility


@dataclass(frozen=True, slots=True)
class PoolLikelihood:
    """Of a pool, its markets moving together."""

    pool: CrossPool | IsolatedPool
    model: Model
    liquidation: float | None
    shortfall: float | None
    owing: float | None
    reason: str | None
    deviation: float | None
    distance: float | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """That it happens to any pool of an account, whatever ties them together."""

    at_least: float | None
    at_most: float | None


@dataclass(frozen=True, slots=True)
class AccountLikelihood:
    """Of one account within the horizon."""

    horizon_s: float
    correlation: float
    liquidation: Bounds
    shortfall: Bounds
    owing: Bounds
    pools: list[PoolLikelihood]
    positions: list[PositionLikelihood]


@dataclass(frozen=True, slots=True)
class Size:
    """The largest isolated position; `bound_by` is what a larger one would break."""

    timestamp: int
    symbol: str
    side: Side
    venue: str
    instrument_venue: str
    settle: str
    entry_price: float
    stop_price: float
    bound_by: Literal["budget", "capital"]
    contracts: float
    leverage: float
    margin: float
    loss_at_stop: float
    liquidation_price: float | None
