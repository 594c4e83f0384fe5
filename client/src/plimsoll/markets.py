"""The condition of markets: frozen records; ratios are fractions, volatility a year.

None is "not known", with a reason beside it; never 0.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from plimsoll.documents import Quality

Condition: TypeAlias = Literal["volatile", "diverged"]
NoFigure: TypeAlias = Literal["warming_up", "stale_marks", "no_mark", "no_index", "not_given"]


@dataclass(frozen=True, slots=True)
class Bands:
    """The service's settings: beyond its limit a condition is outside, and back inside it at or
    below the limit times 1 - `hysteresis`. 0: there is no such band.
    """

    volatility: float
    divergence: float
    hysteresis: float


@dataclass(frozen=True, slots=True)
class MeasuredVolatility:
    """Of the returns, fractions a year: `ewma` without jumps, `total` with them."""

    ewma: float | None
    total: float | None
    samples: int
    reason: NoFigure | None


@dataclass(frozen=True, slots=True)
class MarketRange:
    """Of high and low of each minute, as the volatility a year that ranges so far; jumps in it."""

    annual: float | None
    minutes: int
    reason: NoFigure | None


@dataclass(frozen=True, slots=True)
class MarketDay:
    """Of the marks of the last 18 to 24 hours."""

    high: float | None
    low: float | None
    drawdown: float | None
    rise: float | None
    reason: NoFigure | None


@dataclass(frozen=True, slots=True)
class MarketDivergence:
    """Of the newest mark that came with an index."""

    ratio: float | None
    reason: NoFigure | None


@dataclass(frozen=True, slots=True)
class MarketActivity:
    """As the newest mark says it, in the base coin; the volume is that of the last 24 hours."""

    open_interest: float | None
    day_volume: float | None
    reason: NoFigure | None


@dataclass(frozen=True, slots=True)
class MarketFunding:
    """As the newest mark says it; longs pay shorts where it is above 0."""

    rate: float | None
    interval_h: float
    annual: float | None


@dataclass(frozen=True, slots=True)
class OutsideBand:
    """A condition that is outside its band, and since which event time."""

    condition: Condition
    limit: float
    since: int


@dataclass(frozen=True, slots=True)
class Market:
    """One (venue, symbol) that has marks. What is outside its band stays so until marks say that it
    is back.
    """

    venue: str
    symbol: str
    mark_price: float
    index_price: float | None
    last_price: float | None
    market_id: int
    event_time: int
    age_ms: int
    quality: Quality
    volatility: MeasuredVolatility
    range: MarketRange
    day: MarketDay
    divergence: MarketDivergence
    funding: MarketFunding
    activity: MarketActivity
    outside: list[OutsideBand]


@dataclass(frozen=True, slots=True)
class Markets:
    """Markets by venue and symbol."""

    timestamp: int
    bands: Bands
    markets: list[Market]
