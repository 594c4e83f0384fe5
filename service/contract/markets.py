"""The condition of the markets: how they move, how far marks are from their index, what is outside
its band."""

from typing import Annotated, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from service.contract.alerts import EpochMs
from service.contract.evaluation import Figure
from service.contract.quality import QualityName

ConditionName: TypeAlias = Literal["volatile", "diverged"]
CONDITION_NAMES: tuple[ConditionName, ...] = get_args(ConditionName)  # by `Condition`
Reason: TypeAlias = Annotated[
    Literal["no_mark", "warming_up", "stale_marks", "no_index", "not_given"] | None,
    Meta(description="Why there is no figure; null: there is."),
]


class MarketVolatility(Struct, rename="camel", gc=False):
    """Of the returns, fractions a year: `ewma` without jumps, `total` with them."""

    ewma: Figure
    total: Figure
    samples: Annotated[int, Meta(description="Returns it is made of; 30 are needed.")]
    reason: Reason


class MarketRange(Struct, rename="camel", gc=False):
    """Of high and low of each minute, as the volatility a year that ranges so far; jumps in it."""

    annual: Figure
    minutes: Annotated[int, Meta(description="That it is made of; 5 are needed.")]
    reason: Reason


class MarketDay(Struct, rename="camel", gc=False):
    """Of the marks of the last 18 to 24 hours."""

    high: Figure
    low: Figure
    drawdown: Annotated[float | None, Meta(description="1 - mark / high.")]
    rise: Annotated[float | None, Meta(description="mark / low - 1.")]
    reason: Reason


class MarketDivergence(Struct, rename="camel", gc=False):
    """Of the newest mark that came with an index."""

    ratio: Annotated[float | None, Meta(description="mark / index - 1.")]
    reason: Reason


class MarketFunding(Struct, rename="camel", gc=False):
    """As the newest mark says it; longs pay shorts where it is above 0."""

    rate: Annotated[float | None, Meta(description="Of one payment, of the notional.")]
    interval_h: float
    annual: float | None


class MarketActivity(Struct, rename="camel", gc=False):
    """As the newest mark says it, in the base coin."""

    open_interest: Figure
    day_volume: Annotated[float | None, Meta(description="Of the last 24 hours.")]
    reason: Reason


class OutsideBand(Struct, rename="camel", gc=False):
    """A condition that is outside its band, and since which event time."""

    condition: ConditionName
    limit: float
    since: EpochMs


class MarketView(Struct, rename="camel"):
    """One (venue, symbol) that has marks. What is outside its band stays so until marks say that it
    is back."""

    venue: str
    symbol: str
    mark_price: float
    index_price: float | None
    last_price: float | None
    market_id: int
    event_time: EpochMs
    age_ms: int
    quality: QualityName
    volatility: MarketVolatility
    range: MarketRange
    day: MarketDay
    divergence: MarketDivergence
    funding: MarketFunding
    activity: MarketActivity
    outside: list[OutsideBand]


class BandsView(Struct, rename="camel", gc=False):
    """The service's settings: beyond its limit a condition is outside, and back inside it at or
    below the limit times 1 - `hysteresis`. 0: there is no such band."""

    volatility: float
    divergence: float
    hysteresis: float


class MarketsView(Struct):
    """Markets by venue and symbol."""

    timestamp: EpochMs
    bands: BandsView
    markets: list[MarketView]
