"""The legs of a pool in one market move together: group them, and say what moves with them.

One price is the unknown at a time. Linear groups are solved in t = price / mark, inverse ones in
t = mark / price: either way a leg's notional is (notional at the mark) x t. The rest of the pool is
`still` or, as far as it is money in the market's own base coin, `moving` with the price.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.columns import Batch, Bools, Floats, Ints, sums_by
from service.risk.margin import Assessment, holding_values

_FURTHEST = 1e12  # a root this many times nearer 0 or further than the mark is rounding
_POLISH_MOST = _FURTHEST * 2.0**-50  # relative: what rounding costs there; more is no polish


@dataclass(slots=True)
class Groups:
    """A row a (pool, market) of the priced pools, ordered by pool; `legs` are leg rows by group."""

    legs: Ints
    group_of: Ints  # of each entry of `legs`
    first: Ints  # into `legs`
    count: Ints
    pool: Ints
    market: Ints
    mark: Floats
    inverse: Bools  # t = mark / price
    coin: Bools  # inverse, and what it settles in is money worth the price itself (multi mode)
    unsolved: Bools  # the pool's value is no line in either t


@dataclass(slots=True)
class Rest:
    """What a group's pool is worth without the group, in the pool's money, at the mark."""

    still: Floats
    moving: Floats  # in proportion to the price


def group_legs(batch: Batch, assessment: Assessment) -> Groups:
    """Group the legs of every pool that is priced.

    Groups of a pool stand in the order of their first legs: by market number the order of a sum,
    and with it the last bits of a price, would hang on which market was registered first.
    """
    rows = np.flatnonzero(~assessment.pools.unpriced[batch.legs.pool])
    key = batch.legs.pool[rows] * (len(batch.markets.mark) + 1) + batch.legs.market[rows]
    _, head, group = np.unique(key, return_index=True, return_inverse=True)
    rows = rows[np.lexsort((head[group], batch.legs.pool[rows]))]
    pool, market = batch.legs.pool[rows], batch.legs.market[rows]
    starts = np.ones(len(rows), dtype=np.bool_)
    starts[1:] = (pool[1:] != pool[:-1]) | (market[1:] != market[:-1])
    first = np.flatnonzero(starts)
    market = market[first]
    pool = pool[first]
    inverse = ~batch.markets.linear[market]
    based = batch.pools.multi[pool] & (batch.markets.settle[market] == batch.markets.base[market])
    return Groups(
        legs=rows,
        group_of=np.cumsum(starts) - 1,
        first=first,
        count=np.diff(np.append(first, len(rows))),
        pool=pool,
        market=market,
        mark=assessment.legs.mark[rows[first]],
        inverse=inverse,
        coin=inverse & based,
        unsolved=~inverse & based,
    )


def rest_of_pool(batch: Batch, assessment: Assessment, groups: Groups, worth: Floats) -> Rest:
    """Return what stands beside each group; `worth` is each leg's contribution to its pool.

    The others are summed by themselves, not as the pool less the group: a group that grew large
    would take the others' last digits with it.
    """
    own = sums_by(groups.group_of, worth[groups.legs], len(groups.first))
    others = _sums_of_others(own, groups.pool)
    total = assessment.pools.wallet[groups.pool] + others
    if not batch.pools.multi.any():
        return Rest(total, np.zeros_like(total))
    moving = _moving(batch, groups, own)
    # An inverse contract that settles in another coin than its base: still / t + moving x t.
    groups.unsolved |= groups.inverse & ~groups.coin & (moving != 0.0)
    return Rest(total - moving, moving)


def _sums_of_others(values: Floats, segment: Ints) -> Floats:
    return _sums_before(values, segment) + _sums_before(values[::-1], segment[::-1])[::-1]


def _sums_before(values: Floats, segment: Ints) -> Floats:
    """Return the sum of the earlier values of the same segment, by doubling strides."""
    total = np.zeros_like(values)
    same = segment[1:] == segment[:-1]
    total[1:] = np.where(same, values[:-1], 0.0)
    stride = 1
    while same.any():
        total[stride:] += np.where(same, total[:-stride], 0.0)
        stride *= 2
        same = segment[stride:] == segment[:-stride]
    return total


def _moving(batch: Batch, groups: Groups, own: Floats) -> Floats:
    """Sum, a group, what its pool has in the market's base coin besides the group itself."""
    markets, pools, assets = batch.markets, batch.pools, len(batch.asset_price) + 1
    settle, base = markets.settle[groups.market], markets.base[groups.market]
    held = np.flatnonzero(pools.multi[batch.holdings.pool])
    keys = batch.holdings.pool[held] * assets + batch.holdings.asset[held]
    wanted = groups.pool * assets + base
    moving = _looked_up(keys, holding_values(batch)[held], wanted)
    moving += _looked_up(groups.pool * assets + settle, own, wanted)
    moving -= np.where(settle == base, own, 0.0)
    return np.where(pools.multi[groups.pool], moving, 0.0)


def _looked_up(keys: Ints, values: Floats, wanted: Ints) -> Floats:
    """Return the sum of the values under each wanted key, 0 where there is none."""
    if not len(keys):
        return np.zeros(len(wanted))
    known, place = np.unique(keys, return_inverse=True)
    sums = sums_by(place, values, len(known))
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[found] == wanted, sums[found], 0.0)


def by_group(groups: Groups, values: Floats) -> Floats:
    """Sum values of sorted legs by group."""
    return sums_by(groups.group_of, values, len(groups.first))


def own_slope(
    assessment: Assessment, groups: Groups, rate: Floats, beta: Floats | None = None
) -> Floats:
    """Return d/dt of each group's PnL less `rate` of its notional, in the pool's money.

    `beta`: how much of the group's move each leg makes; None: all of it.
    """
    legs, at = assessment.legs, groups.legs
    side = np.sign(legs.size[at]) * np.where(assessment.terms.linear[at], 1.0, -1.0)
    slope = (side - rate) * legs.notional[at] * legs.settle_price[at]
    return by_group(groups, slope if beta is None else slope * beta)


def rest_slope(groups: Groups, rest: Rest) -> Floats:
    """Return d/dt of the rest of the pool (of rest x t where the group settles in the coin)."""
    return np.where(groups.coin, rest.still, np.where(groups.inverse, 0.0, rest.moving))


def price_at(groups: Groups, t: Floats) -> Floats:
    """Return the price that t stands for; NaN where it is none, or only rounding makes it one."""
    plausible = (t > 1.0 / _FURTHEST) & (t < _FURTHEST)
    return np.where(plausible, np.where(groups.inverse, groups.mark / t, groups.mark * t), np.nan)


def polished(groups: Groups, rest: Rest, price: Floats, own: Floats, slope: Floats) -> Floats:
    """Return the price after a step of Newton; `own` is what the group is worth at the price."""
    t = np.where(groups.inverse, groups.mark / price, price / groups.mark)
    still = np.where(groups.coin, rest.still * t, rest.still)
    slack = own + still + np.where(groups.inverse, rest.moving, rest.moving * t)
    step = slack / np.where(groups.inverse, -slope * t / price, slope / groups.mark)
    return np.where(np.abs(step) <= _POLISH_MOST * price, price - step, price)
