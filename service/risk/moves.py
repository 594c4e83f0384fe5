"""All symbols of a pool moving at once: the least such move that liquidates, or uses equity up.

A move is a factor of every mark, of each market as much of it as `beta` says (at least 0). Coins
held move with the symbol they are the base of. Pools in one market have their answer in their legs'
prices; the others are solved as one group of `groups` whose legs are the pool's.
"""

from dataclasses import dataclass, replace

import numpy as np

from service.risk.columns import Batch, Bools, Floats, Ints, sums_by
from service.risk.groups import Groups, Rest, by_group, own_slope, price_at, rest_slope
from service.risk.liquidation import UNSOLVED, LegPrices
from service.risk.margin import Assessment, holding_values
from service.risk.roots import nearest_roots, slack_curve
from service.risk.venues import RULE_COLUMNS


def moved(batch: Batch, factor: Floats) -> Batch:
    """Return the batch with each market's price times its factor; coins go with their first one."""
    markets, legs, holdings = batch.markets, batch.legs, batch.holdings
    coin = np.ones(len(batch.asset_price))
    rows = np.unique(legs.market)[::-1]
    coin[markets.base[rows]] = factor[rows]
    return replace(
        batch,
        markets=replace(markets, mark=markets.mark * factor),
        legs=replace(legs, mark=legs.mark * factor[legs.market]),
        holdings=replace(holdings, price=holdings.price * coin[holdings.asset]),
        asset_price=batch.asset_price * coin,
    )


@dataclass(slots=True)
class Moves:
    """The least move either way, a pool; NaN where there is none."""

    liquidation: Floats
    owe: Floats
    unsolved: Bools


def least_moves(batch: Batch, assessment: Assessment, prices: LegPrices, beta: Floats) -> Moves:
    """Return the least moves of every pool; those that are there already have what they have."""
    with np.errstate(all="ignore"):  # what has no root is NaN on the way
        moves = _moves_of_one_market(batch, assessment, prices, beta)
        _put_moves_of_several(batch, assessment, beta, moves)
    return moves


def _moves_of_one_market(
    batch: Batch, assessment: Assessment, prices: LegPrices, beta: Floats
) -> Moves:
    """Read the moves of pools in one market off their legs' prices; NaN for the others."""
    at, many = batch.legs.pool, len(batch.pools.rule)
    found = Moves(np.full(many, np.nan), np.full(many, np.nan), np.zeros(many, dtype=np.bool_))
    mark, part = assessment.legs.mark, beta[batch.legs.market]
    down, up, none_left = (
        _possible((price - mark) / mark / part, part)
        for price in (prices.below, prices.above, prices.no_equity)
    )
    alone = ~_several(batch)[at]
    rows = np.flatnonzero(alone & (part > 0.0))
    found.liquidation[at[rows]] = np.fmin(down, up)[rows]
    found.owe[at[rows]] = none_left[rows]
    found.unsolved[at[rows]] = prices.reason[rows] == UNSOLVED
    return found


def _possible(move: Floats, part: Floats) -> Floats:
    """Return the size of a move; NaN where a price, or a whole move's, would be none."""
    possible = (1.0 + np.maximum(1.0, part) * move > 0.0) & np.isfinite(move)
    return np.where(possible, np.abs(move), np.nan)


def _several(batch: Batch) -> Bools:
    """Whether a pool has legs in more than one market."""
    many = len(batch.pools.rule)
    lowest = np.full(many, np.iinfo(np.int64).max)
    highest = np.full(many, -1, dtype=np.int64)
    np.minimum.at(lowest, batch.legs.pool, batch.legs.market)
    np.maximum.at(highest, batch.legs.pool, batch.legs.market)
    several: Bools = lowest < highest
    return several


def _put_moves_of_several(batch: Batch, assessment: Assessment, beta: Floats, moves: Moves) -> None:
    groups, part = _whole_pools(batch, assessment, beta)
    if not len(groups.first):
        return
    coins = _coins(batch, beta, groups)
    rest = Rest(assessment.pools.wallet[groups.pool] - coins, coins)
    # An inverse pool moves by t itself: its legs' equal parts come in when t becomes a move.
    each = np.where(groups.inverse[groups.group_of], 1.0, part)
    curve = slack_curve(batch, assessment, groups, rest, each)
    strict = RULE_COLUMNS.strict[batch.pools.rule[groups.pool]]
    curve.least = np.where(strict, 0.0, np.nextafter(0.0, 1.0))
    # Where equity is used up no tier matters: one line.
    slope = own_slope(assessment, groups, np.zeros(len(part)), each)
    slope += rest_slope(groups, rest)
    t = 1.0 - assessment.pools.equity[groups.pool] / slope
    moves.owe[groups.pool] = _size_of_move(groups, part, t)
    down, up = (
        _size_of_move(groups, part, roots.t) for roots in nearest_roots(batch.tables, groups, curve)
    )
    moves.liquidation[groups.pool] = np.fmin(down, up)
    moves.unsolved[groups.pool] = groups.unsolved


def _whole_pools(batch: Batch, assessment: Assessment, beta: Floats) -> tuple[Groups, Floats]:
    """Group the legs of each priced pool with several markets; with each sorted leg's part.

    t is the factor of a price that makes the whole move. It is one line only where all contracts
    are linear and settle in what stands still, or all are inverse, count in their coin and move
    alike; other pools have no closed form.
    """
    wanted = _several(batch) & ~assessment.pools.unpriced
    at = np.flatnonzero(wanted[batch.legs.pool])
    at = at[np.argsort(batch.legs.pool[at], kind="stable")]
    pool, market = batch.legs.pool[at], batch.legs.market[at]
    starts = np.ones(len(at), dtype=np.bool_)
    starts[1:] = pool[1:] != pool[:-1]
    first = np.flatnonzero(starts)
    group_of = np.cumsum(starts) - 1
    inverse = ~batch.markets.linear[market]
    part = beta[market]
    groups = Groups(
        legs=at,
        group_of=group_of,
        first=first,
        count=np.diff(np.append(first, len(at))),
        pool=pool[first],
        market=market[first],
        mark=np.ones(len(first)),
        inverse=inverse[first],
        coin=np.zeros(len(first), dtype=np.bool_),
        unsolved=np.zeros(len(first), dtype=np.bool_),
    )
    alike = (inverse == inverse[first][group_of]) & (~inverse | (part == part[first][group_of]))
    alike &= ~(batch.pools.multi[pool] & (inverse | _settles_in_a_coin(batch, at)))
    groups.unsolved = by_group(groups, (~alike).astype(np.float64)) > 0.0
    return groups, part


def _size_of_move(groups: Groups, part: Floats, t: Floats) -> Floats:
    """Return the size of the move that t stands for; NaN where there is none."""
    most = np.zeros(len(groups.first))
    np.maximum.at(most, groups.group_of, part)
    move = (price_at(groups, t) - 1.0) / np.where(groups.inverse, most, 1.0)
    return np.where(groups.unsolved, np.nan, _possible(move, most))


def _settles_in_a_coin(batch: Batch, rows: Ints) -> Bools:
    """Whether a leg of multi mode settles in the base of one of its pool's markets."""
    assets = len(batch.asset_price) + 1
    pool, market = batch.legs.pool[rows], batch.legs.market[rows]
    bases = np.unique(pool * assets + batch.markets.base[market])
    found: Bools = np.isin(pool * assets + batch.markets.settle[market], bases)
    return found


def _coins(batch: Batch, beta: Floats, groups: Groups) -> Floats:
    """Return what each group's pool holds in bases of its markets, each times its market's part."""
    held = np.flatnonzero(batch.pools.multi[batch.holdings.pool])
    many = len(batch.pools.rule)
    if not len(held):
        return np.zeros(len(groups.pool))
    assets = len(batch.asset_price) + 1
    key = batch.legs.pool * assets + batch.markets.base[batch.legs.market]
    known, row = np.unique(key, return_index=True)
    wanted = batch.holdings.pool[held] * assets + batch.holdings.asset[held]
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    part = np.where(known[at] == wanted, beta[batch.legs.market[row[at]]], 0.0)
    return sums_by(batch.holdings.pool[held], holding_values(batch)[held] * part, many)[groups.pool]
