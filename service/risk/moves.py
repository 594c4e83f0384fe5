"""All symbols of a pool moving at once: the least such move that liquidates, or uses equity up.

A move is a factor of every mark, of each market as much of it as `beta` says (at least 0). Coins
held move with the symbol they are the base of. Pools in one market have their answer in their legs'
prices; the legs of others are walked as one group (see `groups`), compiled and pool by pool.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from service.risk.columns import Batch, Bools, Floats, constant
from service.risk.compiled import called, compiled, inlined
from service.risk.groups import Gathered, begin, gather, least_slack, price_at
from service.risk.levels import LIQUIDATION
from service.risk.liquidation import UNSOLVED, LegPrices, PriceColumns, price_columns
from service.risk.margin import Assessment
from service.risk.roots import Curve, Tiers, root_above, root_below
from service.risk.searches import Columns, Scratch, columns_of, scratch_of

_IS_BASE, _PART = range(2)  # columns of `in_asset` as they are used here


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


class MoveColumns(NamedTuple):
    """The columns of `Moves`, as compiled code writes them."""

    liquidation: Floats
    owe: Floats
    unsolved: Bools


class MoveBasis(NamedTuple):
    """What moves are read off, and how much of a move each market makes."""

    prices: PriceColumns
    beta: Floats


class _Move(NamedTuple):
    """The least moves of one pool."""

    liquidation: float
    owe: float


def least_moves(batch: Batch, assessment: Assessment, prices: LegPrices, beta: Floats) -> Moves:
    """Return the least moves of every pool; those that are there already have what they have."""
    found = no_moves(len(batch.pools.rule))
    of_legs = price_columns(prices)
    find_moves(columns_of(batch, assessment), scratch_of(batch), of_legs, beta, found)
    return Moves(*found)


def no_moves(pools: int) -> MoveColumns:
    """Return room for so many pools, each without a move."""
    liquidation, owe = constant(np.nan, 2, pools)
    return MoveColumns(liquidation, owe, np.zeros(pools, np.bool_))


@compiled
def find_moves(
    columns: Columns, scratch: Scratch, prices: PriceColumns, beta: Floats, found: MoveColumns
) -> None:
    begin(columns, scratch)
    basis = MoveBasis(prices, beta)
    for pool in range(len(columns.wallet)):
        if not columns.unpriced[pool]:
            at = Gathered(pool, gather(columns, scratch, pool))
            put_move(columns, scratch, basis, found, at)


@inlined
def put_move(
    columns: Columns, scratch: Scratch, basis: MoveBasis, found: MoveColumns, at: Gathered
) -> None:
    """Fill in the moves of a priced pool; the notes on its legs are used up."""
    pool, count, prices, beta = at.pool, at.groups, basis.prices, basis.beta
    move = _Move(np.nan, np.nan)
    if count == 1:
        row = scratch.members[0].row
        move = _read_off(scratch.groups[0], prices, row, beta)
        found.unsolved[pool] = prices.reason[row] == UNSOLVED
    elif count and _has_a_form(columns, scratch, beta, pool, count):
        move = _walk(columns, scratch, beta, pool, count)
    elif count:
        found.unsolved[pool] = True
    found.liquidation[pool], found.owe[pool] = move.liquidation, move.owe


@called
def _read_off(group: Any, prices: PriceColumns, row: int, beta: Floats) -> _Move:
    """Take the move of a pool in one market from the prices of a leg; none moves a part of 0."""
    mark, part = group.mark, beta[group.market]
    if not part > 0.0:
        return _Move(np.nan, np.nan)
    down = _possible((prices.below[row] - mark) / mark / part, part)
    up = _possible((prices.above[row] - mark) / mark / part, part)
    owe = _possible((prices.no_equity[row] - mark) / mark / part, part)
    return _Move(_lesser(down, up), owe)


@called
def _possible(move: float, part: float) -> float:
    """Return the size of a move; NaN where a price, or a whole move's, would be none."""
    if 1.0 + max(1.0, part) * move > 0.0 and move < np.inf:
        return abs(move)
    return np.nan


@called
def _lesser(one: float, other: float) -> float:
    return other if np.isnan(one) or other < one else one


@inlined
def _has_a_form(columns: Columns, scratch: Scratch, beta: Floats, pool: int, count: int) -> bool:
    """Whether t, the factor of a price that makes the whole move, or its inverse makes one line.

    So it does only where all contracts are linear and settle in what stands still, or all are
    inverse, count in their coin and move alike.
    """
    groups, in_asset, first = scratch.groups, scratch.in_asset, scratch.groups[0]
    for index in range(count):
        in_asset[columns.base[groups[index].market], _IS_BASE] = 1.0
    alike = True
    for index in range(count):
        group = groups[index]
        alike &= group.inverse == first.inverse
        alike &= not group.inverse or beta[group.market] == beta[first.market]
        in_a_coin = in_asset[columns.settle[group.market], _IS_BASE] > 0.0
        alike &= not (columns.multi[pool] and (group.inverse or in_a_coin))
    for index in range(count):
        in_asset[columns.base[groups[index].market], _IS_BASE] = 0.0
    return alike


@inlined
def _walk(columns: Columns, scratch: Scratch, beta: Floats, pool: int, count: int) -> _Move:
    """Walk a pool in several markets; its first group stands for all, at a mark of 1.

    An inverse pool moves by t itself: its legs' equal parts come in when t becomes a move.
    """
    groups, slack, pnl, most = scratch.groups, 0.0, 0.0, 0.0
    for index in range(count):
        group = groups[index]
        most = max(most, beta[group.market])
        slack, pnl = slack + group.slack, pnl + group.pnl
        for place in range(group.first, group.end):
            _move(scratch.members[place], 1.0 if group.inverse else beta[group.market])
    whole, legs = groups[0], scratch.members[: groups[count - 1].end]
    whole.mark = 1.0
    slope = equity_slope = _coins(columns, scratch, beta, pool, count)
    for index in range(len(legs)):
        leg = legs[index]
        slope += (leg.side - leg.rate) * leg.notional * leg.weight
        equity_slope += leg.side * leg.notional * leg.weight
    # Where equity is used up no tier matters: one line.
    used_up = 1.0 - (columns.wallet[pool] + pnl) / equity_slope
    owe, liquidation = _size_of_move(whole, used_up, most), np.nan
    if columns.level[pool] < LIQUIDATION:
        tiers = Tiers(columns.floor, columns.rate, columns.deduction, columns.continuous)
        curve = Curve(columns.wallet[pool] + slack, slope, least_slack(columns, pool))
        below = _size_of_move(whole, root_below(legs, tiers, curve).t, most)
        above = _size_of_move(whole, root_above(legs, tiers, curve).t, most)
        liquidation = _lesser(below, above)
    return _Move(liquidation, owe)


@called
def _move(leg: Any, part: float) -> None:
    """Part a leg's notional into what goes with t and what does not."""
    whole = leg.notional
    leg.notional = whole * part
    leg.still = whole - leg.notional
    leg.bends = leg.bends and part > 0.0


@inlined
def _coins(columns: Columns, scratch: Scratch, beta: Floats, pool: int, count: int) -> float:
    """Return what a pool holds in bases of its markets, each times its first market's part."""
    groups, in_asset, coins = scratch.groups, scratch.in_asset, 0.0
    if columns.multi[pool]:
        for index in range(count - 1, -1, -1):
            market = groups[index].market
            in_asset[columns.base[market], _PART] = beta[market]
        for index in range(scratch.first_held[pool], scratch.first_held[pool + 1]):
            row = scratch.held[index]
            coins += columns.worth[row] * in_asset[columns.asset[row], _PART]
        for index in range(count):
            in_asset[columns.base[groups[index].market], _PART] = 0.0
    return coins


@called
def _size_of_move(whole: Any, t: float, most: float) -> float:
    """Return the size of the move that t stands for; NaN where there is none."""
    move = price_at(whole, t) - 1.0
    return _possible(move / most if whole.inverse else move, most)
