"""How far a price may jump: to liquidation, to a debt, and what can be lost at most.

A gap is instantaneous: nothing is closed or paid in on the way. A position's is the move of its
symbol alone, against it: down for a long, up for a short. A pool's is a move of all its symbols at
once, the smaller of the two directions. A debt is what `restore.owed` would answer there, before
any fee for closing.
"""

from typing import NamedTuple

import numpy as np

from service.risk.closing import debt_most
from service.risk.columns import Batch, Floats, Int8s
from service.risk.compiled import compiled, inlined
from service.risk.falls import FallColumns, worst_falls
from service.risk.levels import LIQUIDATION
from service.risk.liquidation import UNSOLVED as NO_PRICE_SOLVED
from service.risk.liquidation import LegPrices, PriceColumns, price_columns
from service.risk.margin import Assessment, Sums, above_nothing, least, sums_of
from service.risk.moves import MoveColumns, least_moves
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.searches import Columns, columns_of

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


class Gaps(NamedTuple):
    """A row a leg, or a pool; percent of the mark, 0 where it is so already, NaN with a reason."""

    liquidation_pct: Floats
    liquidation_reason: Int8s
    owe_pct: Floats
    owe_reason: Int8s


class MaxLoss(NamedTuple):
    """A row a pool, in its money: NaN with a reason where there is no most."""

    money: Floats
    reason: Int8s


class _Gap(NamedTuple):
    """One gap: a percentage, or why there is none."""

    pct: float
    reason: int


def empty_gaps(rows: int) -> Gaps:
    """Return room for so many legs, or pools."""
    liquidation, owe = np.empty((2, rows))
    liquidation_reason, owe_reason = np.empty((2, rows), np.int8)
    return Gaps(liquidation, liquidation_reason, owe, owe_reason)


def empty_losses(pools: int) -> MaxLoss:
    """Return room for so many pools."""
    return MaxLoss(np.empty(pools), np.empty(pools, np.int8))


def leg_gaps(
    batch: Batch,
    assessment: Assessment,
    prices: LegPrices,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Gaps:
    """Return the adverse move of each leg's symbol alone that liquidates, that leaves a debt."""
    found, pools = empty_gaps(len(batch.legs.pool)), sums_of(assessment.pools)
    columns, debt = columns_of(batch, assessment), debt_most(batch, assessment, policies)
    put_leg_gaps(columns, pools, price_columns(prices), debt, found)
    return found


@compiled
def put_leg_gaps(
    columns: Columns, pools: Sums, prices: PriceColumns, debt: Floats, found: Gaps
) -> None:
    """Write the gaps of all legs; `debt` is what can be left of a shortfall, a pool."""
    for row in range(len(columns.pool)):
        pool, mark, long = columns.pool[row], columns.mark[row], columns.size[row] > 0.0
        side = 100.0 if long else -100.0
        nearest = prices.below[row] if long else prices.above[row]
        owe = side * (mark - prices.no_equity[row]) / mark
        owe = np.nan if owe < 0.0 else owe
        liquidation = side * (mark - nearest) / mark
        unsolved = prices.reason[row] == NO_PRICE_SOLVED
        _put_gaps(found, row, _Pool(pools, debt, pool), _Unjudged(liquidation, owe, unsolved))


class _Unjudged(NamedTuple):
    """The gaps of a row as they are found; NaN where there is none."""

    liquidation: float
    owe: float
    unsolved: bool


class _Pool(NamedTuple):
    """The pool that a row's gaps go by."""

    pools: Sums
    debt: Floats
    row: int


@inlined
def _put_gaps(found: Gaps, row: int, pool: _Pool, gaps: _Unjudged) -> None:
    """Put a reason where there is no figure; where it is so already the figure is 0."""
    pools, unpriced = pool.pools, pool.pools.unpriced[pool.row]
    already = pools.level[pool.row] >= LIQUIDATION
    gap = _judged(gaps.liquidation, already, gaps.unsolved, unpriced)
    found.liquidation_pct[row], found.liquidation_reason[row] = gap.pct, gap.reason
    gap = _judged(gaps.owe, pools.equity[pool.row] < 0.0, gaps.unsolved, unpriced)
    if pool.debt[pool.row] <= 0.0 and not unpriced:
        gap = _Gap(np.nan, PROTECTED)
    found.owe_pct[row], found.owe_reason[row] = gap.pct, gap.reason


@inlined
def _judged(pct: float, already: bool, unsolved: bool, unpriced: bool) -> _Gap:
    if unpriced:
        return _Gap(np.nan, UNPRICED)
    if already:
        return _Gap(0.0, FOUND)
    if np.isnan(pct):
        return _Gap(np.nan, UNSOLVED if unsolved else NO_ADVERSE_MOVE)
    return _Gap(pct, FOUND)


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
    found, pools = empty_gaps(len(batch.pools.rule)), sums_of(assessment.pools)
    part = np.ones(len(batch.markets.mark)) if beta is None else beta
    assert np.all(part >= 0.0)
    moves = least_moves(batch, assessment, prices, part)
    debt = debt_most(batch, assessment, policies)
    put_pool_gaps(pools, MoveColumns(moves.liquidation, moves.owe, moves.unsolved), debt, found)
    return found


@compiled
def put_pool_gaps(pools: Sums, moves: MoveColumns, debt: Floats, found: Gaps) -> None:
    """Write the gaps of all pools."""
    for pool in range(len(pools.equity)):
        liquidation, owe = 100.0 * moves.liquidation[pool], 100.0 * moves.owe[pool]
        gaps = _Unjudged(liquidation, owe, moves.unsolved[pool])
        _put_gaps(found, pool, _Pool(pools, debt, pool), gaps)
        if not pools.open[pool]:
            found.liquidation_pct[pool] = found.owe_pct[pool] = np.nan
            found.liquidation_reason[pool] = found.owe_reason[pool] = NO_POSITION


def max_loss(
    batch: Batch, assessment: Assessment, policies: PolicyColumns = POLICY_COLUMNS
) -> MaxLoss:
    """Return the most that a pool can lose of its wallet, whatever its symbols' prices become.

    Each symbol goes where the pool has least of it: to nothing, or without bound. No more is lost
    than the wallet where the venue leaves no debt, and what may be left as a debt besides.
    """
    falls, found = worst_falls(batch, assessment), empty_losses(len(batch.pools.rule))
    debt = debt_most(batch, assessment, policies)
    put_losses(sums_of(assessment.pools), FallColumns(falls.most, falls.unsolved), debt, found)
    return found


@compiled
def put_losses(pools: Sums, falls: FallColumns, debt: Floats, found: MaxLoss) -> None:
    """Write what all pools can lose."""
    for pool in range(len(pools.equity)):
        lost = falls.most[pool] - pools.unrealised_pnl[pool]
        money = above_nothing(least(lost, pools.wallet[pool] + debt[pool]))
        reason = UNBOUNDED if np.isinf(money) else FOUND
        if falls.unsolved[pool]:
            reason = UNSOLVED
        if pools.unpriced[pool]:
            reason = UNPRICED
        found.money[pool] = money if reason == FOUND else np.nan
        found.reason[pool] = reason
