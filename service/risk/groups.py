"""Compiled: the legs of a pool in one market move together, so they are put side by side.

One price is the unknown at a time. Linear groups are solved in t = price / mark, inverse ones in
t = mark / price: either way a leg's notional is (notional at the mark) x t, and its worth in t is

    weight x (side x notional x (t - 1) + PnL - maintenance), side +1 where it gains with t, else -1

The rest of the pool is `still` or, as far as it is money in the market's own base coin, `moving`
with the price. Two sums are solved for, each with a rest of its own: the slack (equity less
maintenance, for the liquidation price) and the PnL alone (equity, for the bankruptcy price).
"""

from typing import Any, NamedTuple

import numpy as np

from service.risk.by_pool import order_by_pool
from service.risk.compiled import called, inlined
from service.risk.rows import Records
from service.risk.searches import HELD, PNL, SLACK, Columns, Scratch
from service.risk.venues import RULE_COLUMNS

_FURTHEST = 1e12  # a root this many times nearer 0 or further than the mark is rounding
_POLISH_MOST = _FURTHEST * 2.0**-50  # relative: what rounding costs there; more is no polish
_STRICT = RULE_COLUMNS.strict
_LEAST = float(np.nextafter(0.0, 1.0))


class Rest(NamedTuple):
    """What a group's pool is worth without the group, in the pool's money, at the mark."""

    still: float
    moving: float  # in proportion to the price


class Gathered(NamedTuple):
    """A pool whose legs stand in so many groups."""

    pool: int
    groups: int


@inlined
def begin(columns: Columns, scratch: Scratch) -> None:
    """Put the legs and holdings of all pools in order; `gather` follows, pool by pool."""
    scratch.group_of[:] = -1
    order_by_pool(columns.pool, scratch.rows, scratch.first)
    order_by_pool(columns.holder, scratch.held, scratch.first_held)


@inlined
def gather(columns: Columns, scratch: Scratch, pool: int) -> int:
    """Put the legs of a priced pool into groups and return how many groups there are.

    Groups stand in the order of their first legs: by market number the order of a sum, and with it
    the last bits of a price, would hang on which market was registered first.
    """
    first, end = scratch.first[pool], scratch.first[pool + 1]
    groups, group_of, count = scratch.groups, scratch.group_of, 0
    for index in range(first, end):
        market = columns.market[scratch.rows[index]]
        if group_of[market] < 0:
            group_of[market] = count
            _open(columns, groups[count], market, scratch.rows[index], columns.multi[pool])
            count += 1
        groups[group_of[market]].end += 1
    place = 0
    for index in range(count):
        legs = groups[index].end
        groups[index].first = groups[index].end = place
        place += legs
    for index in range(first, end):
        row = scratch.rows[index]
        group = groups[group_of[columns.market[row]]]
        _enter(columns, scratch.members[group.end], row)
        group.end += 1
        pnl, weight = columns.unrealised_pnl[row], columns.settle_price[row]
        group.slack += (pnl - columns.maintenance_margin[row]) * weight
        group.pnl += pnl * weight
    for index in range(count):
        group_of[groups[index].market] = -1
    return count


@inlined
def _open(columns: Columns, group: Any, market: int, row: int, multi: bool) -> None:
    group.end, group.market, group.mark = 0, market, columns.mark[row]
    group.slack, group.pnl = 0.0, 0.0
    group.slack_moving, group.pnl_moving = 0.0, 0.0
    based = multi and columns.settle[market] == columns.base[market]
    group.inverse = not columns.linear[market]
    group.coin = group.inverse and based
    group.unsolved = based and not group.inverse


@inlined
def _enter(columns: Columns, leg: Any, row: int) -> None:
    market = columns.market[row]
    table = columns.table[market]
    tier = columns.tier[row] - table * columns.floor.shape[1]
    leg.row, leg.table, leg.tier_at_mark, leg.tier = row, table, tier, tier
    leg.size, leg.entry_price = columns.size[row], columns.entry_price[row]
    leg.linear, leg.weight = columns.linear[market], columns.settle_price[row]
    leg.side = 1.0 if (leg.size > 0.0) == leg.linear else -1.0
    notional = columns.notional[row]
    leg.notional, leg.still = notional, 0.0
    leg.bends, leg.in_tier = False, 0.0
    leg.rate, leg.fixed = columns.fee_rate[row], columns.fixed_fee[row]
    leg.closing_rate, leg.closing_fee = (
        columns.bankruptcy_fee_rate[row],
        columns.bankruptcy_fee[row],
    )
    if columns.on_entry[row]:
        leg.rate, leg.fixed = 0.0, columns.maintenance_margin[row]
    elif columns.by_contracts[table]:
        rebate = columns.rebate[table, tier] / abs(columns.contracts[row])
        leg.rate += columns.rate[table, tier] - rebate
        leg.fixed -= columns.deduction[table, tier]
    else:
        leg.bends = True
        leg.in_tier = notional * columns.rate[table, tier] - columns.deduction[table, tier]


@called
def look_beside(groups: Records, count: int) -> None:
    """Sum up, for each group, what the other groups of its pool are worth.

    They are summed by themselves, not as the pool less the group: a group that grew large would
    take the others' last digits with it.
    """
    slack, pnl = 0.0, 0.0
    for index in range(count):
        group = groups[index]
        group.slack_beside, group.pnl_beside = slack, pnl
        slack, pnl = slack + group.slack, pnl + group.pnl
    slack, pnl = 0.0, 0.0
    for index in range(count - 1, -1, -1):
        group = groups[index]
        group.slack_beside, group.pnl_beside = group.slack_beside + slack, group.pnl_beside + pnl
        slack, pnl = slack + group.slack, pnl + group.pnl


@inlined
def look_into_coins(columns: Columns, scratch: Scratch, pool: int, count: int) -> None:
    """Sum up, for each group of a multi pool, what the pool has in the market's base coin.

    That is its balance there, and what other groups that settle in that coin are worth.
    """
    groups, in_asset = scratch.groups, scratch.in_asset
    first, end = scratch.first_held[pool], scratch.first_held[pool + 1]
    for index in range(first, end):
        row = scratch.held[index]
        in_asset[columns.asset[row], HELD] += columns.worth[row]
    for index in range(count):
        settle = columns.settle[groups[index].market]
        in_asset[settle, SLACK] += groups[index].slack
        in_asset[settle, PNL] += groups[index].pnl
    for index in range(count):
        group = groups[index]
        base, settle = columns.base[group.market], columns.settle[group.market]
        own_slack, own_pnl = (group.slack, group.pnl) if settle == base else (0.0, 0.0)
        group.slack_moving = in_asset[base, HELD] + in_asset[base, SLACK] - own_slack
        group.pnl_moving = in_asset[base, HELD] + in_asset[base, PNL] - own_pnl
    for index in range(first, end):
        in_asset[columns.asset[scratch.held[index]], HELD] = 0.0
    for index in range(count):
        settle = columns.settle[groups[index].market]
        in_asset[settle, SLACK] = in_asset[settle, PNL] = 0.0


@called
def rest_of(group: Any, total: float, moving: float) -> Rest:
    """Part what the pool is worth without the group into still and moving money."""
    # An inverse contract that settles in another coin than its base: still / t + moving x t.
    if group.inverse and not group.coin and moving != 0.0:
        group.unsolved = True
    return Rest(total - moving, moving)


@called
def rest_slope(group: Any, rest: Rest) -> float:
    """Return d/dt of the rest of the pool (of rest x t where the group settles in the coin)."""
    if group.coin:
        return rest.still
    return 0.0 if group.inverse else rest.moving


@called
def price_at(group: Any, t: float) -> float:
    """Return the price that t stands for; NaN where it is none, or only rounding makes it one."""
    if not 1.0 / _FURTHEST < t < _FURTHEST:
        return np.nan
    return float(group.mark / t if group.inverse else group.mark * t)


@called
def polished(group: Any, rest: Rest, price: float, own: float, slope: float) -> float:
    """Return the price after a step of Newton; `own` is what the group is worth at the price."""
    if group.inverse:
        t = group.mark / price
        slack = own + (rest.still * t if group.coin else rest.still) + rest.moving
        step = slack / (-slope * t / price)
    else:
        t = price / group.mark
        slack = own + rest.still + rest.moving * t
        step = slack / (slope / group.mark)
    return price - step if abs(step) <= _POLISH_MOST * price else price


@inlined
def least_slack(columns: Columns, pool: int) -> float:
    """Return the slack under which a pool is to be liquidated: 0 where 0 itself is not, by rule."""
    return 0.0 if _STRICT[columns.rule[pool]] else _LEAST
