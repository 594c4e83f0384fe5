"""Liquidation prices below and above the mark, and the bankruptcy price, of every leg of a batch.

One symbol's price is the unknown, all else of the pool is held; legs of one symbol in one pool move
together and share the answer. The search is compiled and goes pool by pool and group by group (see
`groups`, `roots`), so a pool's prices are the same to the last bit in any company. Roots are found
as factors of the mark and then polished by one step of Newton with the slack taken at the price
itself: from differences of prices, never of two large notionals.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Batch, Floats, Int8s
from service.risk.compiled import called, compiled, inlined
from service.risk.groups import (
    Rest,
    begin,
    gather,
    least_slack,
    look_beside,
    look_into_coins,
    polished,
    price_at,
    rest_of,
    rest_slope,
)
from service.risk.levels import LIQUIDATION
from service.risk.margin import Assessment
from service.risk.roots import Curve, Root, Tiers, root_above, root_below, tier_margin
from service.risk.rows import Records
from service.risk.searches import Columns, Scratch, columns_of, scratch_of

FOUND, UNPRICED, ALREADY_LIQUIDATABLE, FULLY_COLLATERALISED, PRICE_INDEPENDENT, UNSOLVED = range(6)
# By reason code; "" where there is a price.
REASONS = (
    "",
    "unpriced",
    "already_liquidatable",
    "fully_collateralised",
    "price_independent",
    "no_closed_form",
)


@dataclass(slots=True)
class LegPrices:
    """One row a leg; NaN where there is no price, with the reason's code beside it."""

    below: Floats
    above: Floats
    liquidation: Floats  # the nearer of the two in relative distance
    reason: NDArray[np.int8]
    bankruptcy: Floats
    bankruptcy_reason: NDArray[np.int8]
    no_equity: Floats  # where equity is 0, no closing fee counted
    distance_pct: Floats


class PriceColumns(NamedTuple):
    """The columns of `LegPrices`, as compiled code writes them."""

    below: Floats
    above: Floats
    liquidation: Floats
    reason: Int8s
    bankruptcy: Floats
    bankruptcy_reason: Int8s
    no_equity: Floats
    distance_pct: Floats


class _UsedUp(NamedTuple):
    """Where a group's price leaves no equity."""

    price: float  # NaN: nowhere
    slope: float  # of equity in t


def solve_prices(batch: Batch, assessment: Assessment) -> LegPrices:
    """Return both liquidation prices and the bankruptcy price of every leg."""
    found = empty_prices(len(batch.legs.pool))
    solve(columns_of(batch, assessment), scratch_of(batch), found)
    return LegPrices(*found)


def price_columns(prices: LegPrices) -> PriceColumns:
    """Return prices as compiled code reads them."""
    return PriceColumns(
        prices.below,
        prices.above,
        prices.liquidation,
        prices.reason,
        prices.bankruptcy,
        prices.bankruptcy_reason,
        prices.no_equity,
        prices.distance_pct,
    )


def no_prices(rows: int) -> PriceColumns:
    """Return the prices of so many legs where nobody asks for any."""
    found = empty_prices(rows)
    for column in found:
        column.fill(0 if column.dtype == np.int8 else np.nan)
    return found


def empty_prices(rows: int) -> PriceColumns:
    """Return room for so many legs."""
    below, above, nearest, bankruptcy, no_equity, distance = np.empty((6, rows))
    reason, bankruptcy_reason = np.empty((2, rows), np.int8)
    return PriceColumns(
        below=below,
        above=above,
        liquidation=nearest,
        reason=reason,
        bankruptcy=bankruptcy,
        bankruptcy_reason=bankruptcy_reason,
        no_equity=no_equity,
        distance_pct=distance,
    )


@compiled
def solve(columns: Columns, scratch: Scratch, found: PriceColumns) -> None:
    """Fill in the prices of all legs."""
    begin(columns, scratch)
    for pool in range(len(columns.wallet)):
        if columns.unpriced[pool]:
            put_no_prices(scratch, found, pool)
        else:
            put_prices(columns, scratch, found, pool, gather(columns, scratch, pool))


@inlined
def put_prices(
    columns: Columns, scratch: Scratch, found: PriceColumns, pool: int, count: int
) -> None:
    """Fill in the prices of a priced pool that stands in so many groups."""
    look_beside(scratch.groups, count)
    if columns.multi[pool]:
        look_into_coins(columns, scratch, pool, count)
    for index in range(count):
        group = scratch.groups[index]
        legs = scratch.members[group.first : group.end]
        _put_liquidation(columns, found, pool, group, legs)
        _put_bankruptcy(columns, found, pool, group, legs)


@inlined
def put_no_prices(scratch: Scratch, found: PriceColumns, pool: int) -> None:
    """Say of the legs of a pool that it is unpriced."""
    for index in range(scratch.first[pool], scratch.first[pool + 1]):
        row = scratch.rows[index]
        found.below[row] = found.above[row] = found.liquidation[row] = np.nan
        found.bankruptcy[row] = found.no_equity[row] = found.distance_pct[row] = np.nan
        found.reason[row] = found.bankruptcy_reason[row] = UNPRICED


@inlined
def _put_liquidation(
    columns: Columns, found: PriceColumns, pool: int, group: Any, legs: Records
) -> None:
    rest = rest_of(group, columns.wallet[pool] + group.slack_beside, group.slack_moving)
    below, above, nearest, reason = np.nan, np.nan, np.nan, FULLY_COLLATERALISED
    if columns.level[pool] >= LIQUIDATION:
        reason = ALREADY_LIQUIDATABLE
    elif group.unsolved:
        reason = UNSOLVED
    else:
        tiers = Tiers(columns.floor, columns.rate, columns.deduction, columns.continuous)
        slope = rest_slope(group, rest)
        for index in range(len(legs)):
            leg = legs[index]
            slope += (leg.side - leg.rate) * leg.notional * leg.weight
        start = group.slack + rest.still + rest.moving
        curve = Curve(start, slope, least_slack(columns, pool))
        root = root_below(legs, tiers, curve)
        below = _slack_price(tiers, group, legs, rest, root)
        root = root_above(legs, tiers, curve)
        above = _slack_price(tiers, group, legs, rest, root)
        if group.inverse:
            below, above = above, below
        nearest = _nearest(group.mark, below, above)
        if not np.isnan(nearest):
            reason = FOUND
    for index in range(len(legs)):
        row = legs[index].row
        found.below[row], found.above[row] = below, above
        found.liquidation[row], found.reason[row] = nearest, reason
        found.distance_pct[row] = 100.0 * abs(nearest - group.mark) / group.mark


@inlined
def _put_bankruptcy(
    columns: Columns, found: PriceColumns, pool: int, group: Any, legs: Records
) -> None:
    """Put where equity is used up: with the closing fee where the venue counts one, and without."""
    rest = rest_of(group, columns.wallet[pool] + group.pnl_beside, group.pnl_moving)
    used = _used_up(group, legs, rest, 1.0)
    none_left, reason = used.price, FULLY_COLLATERALISED if used.slope != 0.0 else PRICE_INDEPENDENT
    if not np.isnan(used.price):
        reason = FOUND
    if group.unsolved:
        reason = UNSOLVED
    elif _counts_fees(legs):
        none_left = _used_up(group, legs, rest, 0.0).price
    for index in range(len(legs)):
        row = legs[index].row
        found.bankruptcy[row], found.bankruptcy_reason[row] = used.price, reason
        found.no_equity[row] = none_left


@called
def _counts_fees(legs: Records) -> bool:
    counted = False
    for index in range(len(legs)):
        counted |= legs[index].closing_rate != 0.0 or legs[index].closing_fee != 0.0
    return counted


@called
def _used_up(group: Any, legs: Records, rest: Rest, counted: float) -> _UsedUp:
    """Equity, less a share `counted` of the closing fees, is one line in t: return its root."""
    slope, fees = rest_slope(group, rest), 0.0
    for index in range(len(legs)):
        leg = legs[index]
        rate = leg.closing_rate * counted
        slope += (leg.side - rate) * leg.notional * leg.weight
        fees += (leg.notional * rate + leg.closing_fee * counted) * leg.weight
    start = group.pnl - fees + rest.still + rest.moving
    price = price_at(group, 1.0 - start / slope)
    own = 0.0
    for index in range(len(legs)):
        leg = legs[index]
        pnl, notional = _leg_at(leg, price)
        fee = notional * leg.closing_rate + leg.closing_fee
        own += (pnl - fee * counted) * leg.weight
    price = np.nan if group.unsolved else polished(group, rest, price, own, slope)
    return _UsedUp(price, slope)


@called
def _nearest(mark: float, below: float, above: float) -> float:
    return above if np.isnan(below) or above - mark < mark - below else below


@called
def _slack_price(tiers: Tiers, group: Any, legs: Records, rest: Rest, root: Root) -> float:
    """Turn a root into a price, polished inside its segment; a jump's border stays as it is."""
    price, own = price_at(group, root.t), 0.0
    if root.jump:
        return price
    for index in range(len(legs)):
        leg = legs[index]
        pnl, notional = _leg_at(leg, price)
        required = notional * leg.rate + leg.fixed
        if leg.bends:
            required += tier_margin(tiers, leg, notional)
        own += (pnl - required) * leg.weight
    return polished(group, rest, price, own, root.slope)


@called
def _leg_at(leg: Any, price: float) -> tuple[float, float]:
    """Return PnL and notional of a leg at a price."""
    moved = leg.size * (price - leg.entry_price)
    if leg.linear:
        return moved, abs(leg.size * price)
    return moved / leg.entry_price / price, abs(leg.size / price)
