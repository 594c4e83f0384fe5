"""How likely liquidation and a debt are within a horizon: asked, and answered with every input."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from service.contract.alerts import PoolName, Side
from service.contract.numbers import Fraction, within
from service.contract.positions import MarginMode
from service.errors import Fault

HORIZON_MAX_S = 31 * 86_400
CORRELATION = 0.7

Model: TypeAlias = Literal["double_exponential_jump_diffusion", "likeliest_path_diffusion"]
Figure: TypeAlias = Annotated[float | None, Meta(description="null: see the reason")]
Probability: TypeAlias = (
    Annotated[float, Meta(ge=0.0, le=1.0, description="A model's; null: see the reason.")] | None
)


class LikelihoodQuestion(Struct, rename="camel"):
    """A horizon, and how two markets move together: any two alike."""

    horizon_s: Annotated[float, within(1.0, HORIZON_MAX_S, "Seconds, to 31 days.")]
    correlation: Annotated[
        Fraction, Meta(description="Between the moves of any two markets of a pool.")
    ] = CORRELATION


class VolatilityDocument(Struct, rename="camel"):
    """A caller's own word on how a market moves: `annual`, or the rest."""

    annual: Annotated[float, within(0.0, 1_000.0, "A fraction a year, without jumps.")] | None = (
        None
    )
    diffusion_per_sqrt_s: (
        Annotated[float, within(0.0, 0.2, "Of log price over a second, without jumps.")] | None
    ) = None
    jumps_per_s: Annotated[float, within(0.0, 10.0, "How many.")] = 0.0
    jump_mean: Annotated[float, within(0.0, 1.0, "Mean size in log price.")] = 0.0


class VolatilityAnswer(Struct, rename="camel", gc=False):
    """How a market moves: log price is diffusion and jumps. `samples` are the returns it is made
    of, of `venue`'s streamed marks; `warming_up` until there are 30."""

    source: Literal["stream", "request"]
    venue: str | None
    reason: str | None
    samples: int | None
    diffusion_per_sqrt_s: Figure
    jumps_per_s: Figure
    jump_mean: Figure
    annual: Figure


class PositionLikelihood(Struct, rename="camel", gc=False):
    """A position's pool, everything but its own symbol held. Distances and gaps in log price: to
    the liquidation prices, and from there to where nothing is left; null: never."""

    symbol: str
    side: Side
    margin_mode: MarginMode
    model: Model
    liquidation: Probability
    shortfall: Probability
    owing: Probability
    reason: str | None
    distance_below: float | None
    distance_above: float | None
    gap_below: float | None
    gap_above: float | None
    volatility: VolatilityAnswer


class PoolLikelihood(Struct, rename="camel", gc=False):
    """A pool, its markets moving together. In several markets `distance` is how many of its
    `deviation` (money of the pool over the horizon) liquidation is away."""

    pool: PoolName
    model: Model
    liquidation: Probability
    shortfall: Probability
    owing: Probability
    reason: str | None
    deviation: float | None
    distance: float | None


class Bounds(Struct, rename="camel", gc=False):
    """That it happens to any pool of an account, whatever ties them together; null: a pool's is."""

    at_least: Probability
    at_most: Probability


class AccountLikelihood(Struct, rename="camel"):
    """Of one account within the horizon, by models that are named; marks move, all else is held."""

    horizon_s: float
    correlation: float
    liquidation: Bounds
    shortfall: Bounds
    owing: Bounds
    pools: list[PoolLikelihood]
    positions: list[PositionLikelihood]


def volatility_faults(given: Mapping[str, VolatilityDocument]) -> list[Fault]:
    """Return a fault where a market is said to move in both ways or in neither."""
    for document in given.values():
        whole = document.annual is not None
        parts = document.diffusion_per_sqrt_s is not None
        jumps = document.jumps_per_s != 0.0 or document.jump_mean != 0.0
        if whole == parts or (whole and jumps):
            detail = "give `annual`, or `diffusionPerSqrtS` with the jumps"
            return [Fault("/volatility", "invalid_volatility", detail)]
    return []
