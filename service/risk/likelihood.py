"""How likely is it that a position is liquidated, and that it leaves a shortfall, within a horizon?

The answer is a model's and says so: `MODEL` with every input beside every figure. The mark of one
symbol moves as `volatility` describes and `first_passage` solves; everything else of the pool is
held, nobody adds or closes anything, volatility stays what it is. The pool is closed at the first
instant at which the mark is at or beyond a liquidation price, at that mark. A mark that moves
without jumps is met at the liquidation price itself, so a shortfall takes a jump: from inside the
liquidation price to beyond the bankruptcy price in one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.risk import liquidation, volatility
from service.risk.closing import debt_most
from service.risk.columns import Batch, Bools, Floats
from service.risk.first_passage import Passage, leaving_probability
from service.risk.liquidation import LegPrices
from service.risk.margin import Assessment
from service.risk.volatility import Volatility

MODEL: Final = "double_exponential_jump_diffusion"

FOUND, UNPRICED, UNSOLVED, NO_MARK, TOO_FEW_MARKS, STALE_MARKS = range(6)
# By reason code: why there is no figure; "" where there is.
REASONS = ("", "unpriced", "no_closed_form", *volatility.REASONS[1:])


@dataclass(slots=True)
class Likelihood:
    """One row a leg; probabilities are NaN where `reason` is not FOUND. The rest are the inputs.

    Distances are in log price, inf where there is no such price on that side; 0 where the pool is
    to be liquidated already.
    """

    liquidation: Floats
    shortfall: Floats  # that closing leaves equity below 0
    owing: Floats  # the same, 0 where the venue never asks a trader for it
    reason: NDArray[np.int8]
    horizon_s: float
    lower: Floats  # to the liquidation price below the mark
    upper: Floats  # to the one above
    lower_gap: Floats  # from there to the bankruptcy price
    upper_gap: Floats
    volatility: Volatility


def leg_likelihood(
    batch: Batch,
    assessment: Assessment,
    prices: LegPrices,
    volatility_of: Volatility,
    horizon_s: float,
) -> Likelihood:
    """Return the probabilities of every leg; `volatility_of` has a row a leg (of its market).

    At horizon 0 only what is so already is likely: then 0 or 1. A pool that is to be liquidated
    already is (1), and its shortfall is what closing at the mark leaves (0 or 1).
    """
    assert horizon_s >= 0.0
    already = prices.reason == liquidation.ALREADY_LIQUIDATABLE
    bankrupt = assessment.pools.equity[batch.legs.pool] < 0.0
    reason = _reasons(prices, volatility_of, already)
    lower, lower_gap = _distances(assessment.legs.mark, prices.below, prices.bankruptcy, 1.0)
    upper, upper_gap = _distances(assessment.legs.mark, prices.above, prices.bankruptcy, -1.0)
    figures = np.full((2, len(reason)), np.nan)
    figures[:, already] = np.array([np.ones(len(reason)), bankrupt])[:, already]
    rows = np.flatnonzero((reason == FOUND) & ~already)
    if horizon_s > 0.0:
        passage = Passage(
            lower[rows],
            upper[rows],
            lower_gap[rows],
            upper_gap[rows],
            diffusion=volatility_of.diffusion_per_sqrt_s[rows] * np.sqrt(horizon_s),
            jumps=volatility_of.jumps_per_s[rows] * horizon_s,
            jump_mean=volatility_of.jump_mean[rows],
        )
        figures[:, rows] = leaving_probability(passage)
    else:
        figures[:, rows] = 0.0
    protected = debt_most(batch, assessment)[batch.legs.pool] <= 0.0
    return Likelihood(
        liquidation=figures[0],
        shortfall=figures[1],
        owing=np.where(protected & (reason == FOUND), 0.0, figures[1]),
        reason=reason,
        horizon_s=horizon_s,
        lower=np.where(already, 0.0, lower),
        upper=np.where(already, 0.0, upper),
        lower_gap=lower_gap,
        upper_gap=upper_gap,
        volatility=volatility_of,
    )


def _reasons(prices: LegPrices, volatility_of: Volatility, already: Bools) -> NDArray[np.int8]:
    """What is so already needs no volatility to be known."""
    reason = np.where(already, FOUND, _OF_VOLATILITY[volatility_of.state])
    reason = np.where(prices.reason == liquidation.UNSOLVED, UNSOLVED, reason)
    return np.where(prices.reason == liquidation.UNPRICED, UNPRICED, reason).astype(np.int8)


# By `Volatility.state`.
_OF_VOLATILITY = np.array([FOUND, NO_MARK, TOO_FEW_MARKS, STALE_MARKS])


def _distances(
    mark: Floats, limit: Floats, bankruptcy: Floats, side: float
) -> tuple[Floats, Floats]:
    """Return how far the liquidation price is on one side (1: below), and bankruptcy beyond it.

    Where nothing is required, or fees make the bankruptcy price the nearer one, the pool is taken
    to be closed there.
    """
    with np.errstate(all="ignore"):  # what is unpriced is NaN, what is endlessly far inf
        to_limit, to_bankruptcy = (
            np.where(np.isnan(price), np.inf, side * np.log(mark / price))
            for price in (limit, bankruptcy)
        )
        to_bankruptcy = np.where(to_bankruptcy > 0.0, to_bankruptcy, np.inf)
        nearer = np.minimum(to_limit, to_bankruptcy)
        return nearer, np.where(np.isinf(to_bankruptcy), np.inf, to_bankruptcy - nearer)
