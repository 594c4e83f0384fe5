"""How far a price may jump: to liquidation, to a debt, and what can be lost at most.

A gap is instantaneous: nothing is closed or paid in on the way. A position's is the move of its
symbol alone, against it: down for a long, up for a short. A pool's is a move of all its symbols at
once, the smaller of the two directions. A debt is what `restore.owed` would answer there, before
any fee for closing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.risk.closing import debt_most
from service.risk.columns import Batch, Bools, Floats
from service.risk.falls import worst_falls
from service.risk.liquidation import UNSOLVED as NO_PRICE_SOLVED
from service.risk.liquidation import LegPrices
from service.risk.margin import Assessment
from service.risk.model import Level
from service.risk.moves import least_moves
from service.risk.policy import POLICY_COLUMNS, PolicyColumns

FOUND, UNPRICED, NO_POSITION, NO_ADVERSE_MOVE, PROTECTED, UNSOLVED, UNBOUNDED = range(7)
# By reason code; "" where there is a figure.
REASONS = (
    "",
    "unpriced",
    "no_position",
    "no_adverse_move",
    "protected",
    "no_closed_form",
    "unbounded",
)
Codes = NDArray[np.int8]


@dataclass(slots=True)
class Gaps:
    """A row a leg, or a pool; percent of the mark, 0 where it is so already, NaN with a reason."""

    liquidation_pct: Floats
    liquidation_reason: Codes
    owe_pct: Floats
    owe_reason: Codes


@dataclass(slots=True)
class MaxLoss:
    """A row a pool, in its money: NaN with a reason where there is no most."""

    money: Floats
    reason: Codes


def leg_gaps(
    batch: Batch,
    assessment: Assessment,
    prices: LegPrices,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Gaps:
    """Return the adverse move of each leg's symbol alone that liquidates, that leaves a debt."""
    pools, at = assessment.pools, batch.legs.pool
    mark, long = assessment.legs.mark, assessment.legs.size > 0.0
    side = np.where(long, 1.0, -1.0)
    liquidation = 100.0 * side * (mark - np.where(long, prices.below, prices.above)) / mark
    owe = 100.0 * side * (mark - prices.no_equity) / mark
    owe[owe < 0.0] = np.nan
    unsolved = prices.reason == NO_PRICE_SOLVED
    return _gaps(
        liquidation,
        owe,
        already=pools.level[at] >= Level.LIQUIDATION,
        short=pools.equity[at] < 0.0,
        unpriced=pools.unpriced[at],
        unsolved=unsolved,
        protected=debt_most(batch, assessment, policies)[at] <= 0.0,
    )


def _gaps(
    liquidation: Floats,
    owe: Floats,
    *,
    already: Bools,
    short: Bools,
    unpriced: Bools,
    unsolved: Bools,
    protected: Bools,
) -> Gaps:
    """Put a reason where there is no figure; where it is so already the figure is 0."""

    def judged(gap: Floats, done: Bools) -> tuple[Floats, Codes]:
        gap = np.where(done, 0.0, gap)
        reason = np.where(np.isnan(gap), np.where(unsolved, UNSOLVED, NO_ADVERSE_MOVE), FOUND)
        reason = np.where(unpriced, UNPRICED, reason)
        return np.where(unpriced, np.nan, gap), reason.astype(np.int8)

    liquidation_pct, liquidation_reason = judged(liquidation, already)
    owe_pct, owe_reason = judged(owe, short)
    return Gaps(
        liquidation_pct,
        liquidation_reason,
        np.where(protected, np.nan, owe_pct),
        np.where(protected & ~unpriced, PROTECTED, owe_reason).astype(np.int8),
    )


def pool_gaps(
    batch: Batch,
    assessment: Assessment,
    prices: LegPrices,
    beta: Floats | None = None,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Gaps:
    """Return the move of all symbols of a pool that liquidates it, and that leaves a debt.

    `beta`: how much of the move each market makes, at least 0; None: all make the same.
    """
    pools = assessment.pools
    part = np.ones(len(batch.markets.mark)) if beta is None else beta
    assert np.all(part >= 0.0)
    moves = least_moves(batch, assessment, prices, part)
    found = _gaps(
        100.0 * moves.liquidation,
        100.0 * moves.owe,
        already=pools.level >= Level.LIQUIDATION,
        short=pools.equity < 0.0,
        unpriced=pools.unpriced,
        unsolved=moves.unsolved,
        protected=debt_most(batch, assessment, policies) <= 0.0,
    )
    for gap, reason in (
        (found.liquidation_pct, found.liquidation_reason),
        (found.owe_pct, found.owe_reason),
    ):
        gap[~pools.open], reason[~pools.open] = np.nan, NO_POSITION
    return found


def max_loss(
    batch: Batch, assessment: Assessment, policies: PolicyColumns = POLICY_COLUMNS
) -> MaxLoss:
    """Return the most that a pool can lose of its wallet, whatever its symbols' prices become.

    Each symbol goes where the pool has least of it: to nothing, or without bound. No more is lost
    than the wallet where the venue leaves no debt, and what may be left as a debt besides.
    """
    pools = assessment.pools
    falls = worst_falls(batch, assessment)
    at_most = pools.wallet + debt_most(batch, assessment, policies)
    money = np.maximum(0.0, np.minimum(falls.most - pools.unrealised_pnl, at_most))
    reason = np.where(np.isinf(money), UNBOUNDED, FOUND)
    reason = np.where(falls.unsolved, UNSOLVED, reason)
    reason = np.where(pools.unpriced, UNPRICED, reason)
    return MaxLoss(np.where(reason == FOUND, money, np.nan), reason.astype(np.int8))
