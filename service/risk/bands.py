"""Safe bands: how far each mark may move before anything that decides a pool's level can change.

Inside one tier a pool's equity and maintenance are straight lines in x (x = price, or 1 / price for
an inverse contract), one term a market. So is g = ratio x equity - maintenance for each line of the
level table, and a level can only change where one of four g changes its sign: the lines that rise
above the current level, those that hold it less the hysteresis, and equity itself. The slack |g| is
shared out over the pool's markets so that all may move by the same fraction at once, each against
us; moves the other way are free. A band also ends where the tier does, so jumps of a table, given
deductions and kinks need no care of their own.

What is not such a sum (multi-asset pools: a price times a price) gets no band: it is due at every
mark. A guard far above any rounding and far below any price step keeps the float evaluation and the
band from disagreeing: near a line a pool is due, and the exact evaluation decides.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.columns import Batch, Bools, Floats, Ints, sums_by
from service.risk.levels import Levels
from service.risk.model import Level
from service.risk.tiers import rebate_rate, size_in_tier, tier_at
from service.risk.venues import RULE_COLUMNS, by_mode

GUARD = 1e-10  # of the pool's gross size; rounding is below 1e-13 of it
REACH = 4.0  # no band is wider than a quarter to four times the mark, so the guard covers all of it
_EDGE = 1e-12  # relative distance kept from a tier's border


@dataclass(frozen=True, slots=True)
class Bands:
    """Closed intervals by leg of the batch; low = +inf, high = -inf: due at every mark."""

    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class _Moves:
    """By leg: its mark as x, and what one unit of x does to equity and to maintenance."""

    x: Floats
    equity: Floats
    maintenance: Floats
    low: Floats  # x at the tier's borders
    high: Floats


@dataclass(frozen=True, slots=True)
class _Lines:
    """Four functions a pool: g = ratio x equity - counted x maintenance.

    All are (lines, pools) but for `counted`, which is (lines,).
    """

    ratio: Floats
    counted: Floats
    side: Floats  # sign of g
    slack: Floats  # |g| less the guard


def safe_bands(
    batch: Batch, equity: Floats, maintenance: Floats, unpriced: Bools, level: Levels
) -> Bands:
    """Return a band by leg; figures and the level after the evaluation are by pool."""
    with np.errstate(all="ignore"):
        moves = _moves(batch)
        groups, first = _groups(batch)
        lines = _lines(batch, moves, equity, maintenance, level)
        low, high = _shared_out(batch, moves, groups, first, lines)
        np.maximum.at(low, groups, moves.low)
        np.minimum.at(high, groups, moves.high)
        low, high = low[groups] * (1.0 + _EDGE), high[groups] * (1.0 - _EDGE)
        linear = batch.markets.linear[batch.legs.market]
        low, high = np.where(linear, low, 1.0 / high), np.where(linear, high, 1.0 / low)
    return _settled(batch, unpriced, low, high)


def _settled(batch: Batch, unpriced: Bools, low: Floats, high: Floats) -> Bands:
    """Take back what is not proven; free the legs of pools whose level waits for another mark."""
    pool, market, many = batch.legs.pool, batch.legs.market, len(unpriced)
    missing = np.isnan(batch.markets.mark[market]) | (batch.markets.table[market] < 0)
    multi = batch.pools.multi[pool]
    waiting = (sums_by(pool, missing.astype(np.float64), many) > 0.0)[pool] & ~missing & ~multi
    proven = np.isfinite(low) & np.isfinite(high) & ~multi & ~unpriced[pool]
    low = np.where(proven, low, np.where(waiting, 0.0, np.inf))
    high = np.where(proven, high, np.where(waiting, np.inf, -np.inf))
    return Bands(low, high)


def _moves(batch: Batch) -> _Moves:
    legs, markets = batch.legs, batch.markets
    marks = markets.mark[legs.market]
    linear = markets.linear[legs.market]
    x = np.where(linear, marks, 1.0 / marks)
    per_contract = np.where(
        np.isnan(legs.contract_size), markets.contract_size[legs.market], legs.contract_size
    )
    size = np.abs(legs.contracts) * per_contract
    rule, isolated = batch.pools.rule[legs.pool], batch.pools.isolated[legs.pool]
    table = np.maximum(markets.table[legs.market], 0)
    tier = tier_at(batch.tables, table, size_in_tier(batch.tables, table, legs.contracts, size * x))
    fee = markets.taker_fee[legs.market]
    fee = np.where(np.isnan(fee), RULE_COLUMNS.default_fee[rule], fee)
    fee = np.where(by_mode(RULE_COLUMNS.fee_on_notional, isolated, rule), fee, 0.0)
    fixed = by_mode(RULE_COLUMNS.on_entry, isolated, rule)
    rate = batch.tables.rate.reshape(-1)[tier] + fee
    rate = np.where(fixed, 0.0, rate - rebate_rate(batch.tables, tier, legs.contracts))
    low, high = _tier_borders(batch, tier, size)
    free = fixed | batch.tables.by_contracts[table]
    sign = np.sign(legs.contracts) * np.where(linear, 1.0, -1.0)
    return _Moves(
        x,
        sign * size,
        size * rate,
        np.where(free, 0.0, low),
        np.where(free, np.inf, high),
    )


def _tier_borders(batch: Batch, tier: Ints, size: Floats) -> tuple[Floats, Floats]:
    """Return the x at which the leg's notional leaves its tier, a little inside."""
    floors, width = batch.tables.floor.reshape(-1), batch.tables.floor.shape[1]
    above = np.minimum(tier + 1, len(floors) - 1)
    cap = np.where((tier + 1) % width == 0, np.inf, floors[above])
    return floors[tier] / size * (1.0 + _EDGE), cap / size * (1.0 - _EDGE)


def _groups(batch: Batch) -> tuple[Ints, Ints]:
    """Number the (pool, market) pairs; return each leg's, and a leg of each.

    Legs of one pool in one market move together.
    """
    pair = batch.legs.pool * len(batch.markets.mark) + batch.legs.market
    _, first, groups = np.unique(pair, return_index=True, return_inverse=True)
    return groups.astype(np.int64), first


def _lines(
    batch: Batch, moves: _Moves, equity: Floats, maintenance: Floats, level: Levels
) -> _Lines:
    """Return the four lines that could move each pool's level, as seen from where it is."""
    pools, many = batch.pools, len(level)
    rises = (pools.warning, pools.margin_call, np.ones(many))
    held = (Level.WARNING, Level.MARGIN_CALL, Level.LIQUIDATION)
    ratio = np.ones((4, many))
    for index, (rise, line) in enumerate(zip(rises, held, strict=True)):
        ratio[index] = rise - np.where(level >= line, pools.hysteresis, 0.0)
    counted = np.array([1.0, 1.0, 1.0, 0.0])
    g = ratio * equity - counted[:, np.newaxis] * maintenance
    gross = _gross(batch, moves, many) + np.abs(equity) + np.abs(maintenance)
    return _Lines(ratio, counted, np.sign(g), np.abs(g) - GUARD * gross)


def _shared_out(
    batch: Batch, moves: _Moves, groups: Ints, first: Ints, lines: _Lines
) -> tuple[Floats, Floats]:
    """Return the x-interval by group in which no line's slack is used up; NaN: none is proven."""
    many = len(batch.pools.rule)
    pool, x = batch.legs.pool[first], moves.x[first]
    equity = sums_by(groups, moves.equity, len(first))
    maintenance = sums_by(groups, moves.maintenance, len(first))
    low, high = x / REACH, x * REACH
    for ratio, counted, side, slack in zip(
        lines.ratio, lines.counted, lines.side, lines.slack, strict=True
    ):
        slope = ratio[pool] * equity - counted * maintenance
        weight = sums_by(pool, np.abs(slope) * x, many)
        share = slack / weight
        share = np.where(share > 0.0, share, np.nan)[pool]  # not provably on one side: no band
        adverse = slope * side[pool]
        low = np.where(adverse > 0.0, np.maximum(low, x * (1.0 - share)), low)
        high = np.where(adverse < 0.0, np.minimum(high, x * (1.0 + share)), high)
        low, high = np.where(np.isnan(share), np.nan, low), np.where(np.isnan(share), np.nan, high)
    return low, high


def _gross(batch: Batch, moves: _Moves, many: int) -> Floats:
    """Return a bound of the magnitudes that were added up for each pool."""
    entry = batch.legs.entry_price
    entry = np.where(batch.markets.linear[batch.legs.market], entry, 1.0 / entry)
    size = np.abs(moves.equity)
    legs = sums_by(batch.legs.pool, size * (moves.x + entry), many)
    return legs + sums_by(batch.holdings.pool, np.abs(batch.holdings.amount), many)
