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

from service.risk.by_pool import order_by_pool
from service.risk.columns import Batch, Floats
from service.risk.compiled import called, compiled, inlined
from service.risk.groups import (
    GROUP,
    MEMBER,
    Columns,
    Rest,
    Scratch,
    gather,
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
from service.risk.rows import Int8s, Records
from service.risk.venues import RULE_COLUMNS

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
_STRICT = RULE_COLUMNS.strict
_LEAST = float(np.nextafter(0.0, 1.0))


@dataclass(slots=True)
class LegPrices:
    """One row a leg; NaN where there is no price, with the reason's code beside it."""

    below: Floats
    above: Floats
    liquidation: Floats  # the nearer of the two in relative distance
    reason: NDArray[np.int8]
    bankruptcy: Floats
    bankruptcy_reason: NDArray[np.int8]
    distance_pct: Floats


class _Found(NamedTuple):
    """The columns of `LegPrices`."""

    below: Floats
    above: Floats
    liquidation: Floats
    reason: Int8s
    bankruptcy: Floats
    bankruptcy_reason: Int8s
    distance_pct: Floats


def solve_prices(batch: Batch, assessment: Assessment) -> LegPrices:
    """Return both liquidation prices and the bankruptcy price of every leg."""
    rows = len(batch.legs.pool)
    below, above, nearest, bankruptcy, distance = np.empty((5, rows))
    reason, bankruptcy_reason = np.empty((2, rows), np.int8)
    found = _Found(
        below=below,
        above=above,
        liquidation=nearest,
        reason=reason,
        bankruptcy=bankruptcy,
        bankruptcy_reason=bankruptcy_reason,
        distance_pct=distance,
    )
    _solve(_columns(batch, assessment), _scratch(batch), found)
    return LegPrices(*found)


def _columns(batch: Batch, assessment: Assessment) -> Columns:
    legs, terms, pools = assessment.legs, assessment.terms, assessment.pools
    given, markets, tables = batch.legs, batch.markets, batch.tables
    return Columns(
        pool=given.pool,
        market=given.market,
        contracts=given.contracts,
        entry_price=given.entry_price,
        mark=legs.mark,
        size=legs.size,
        notional=legs.notional,
        unrealised_pnl=legs.unrealised_pnl,
        maintenance_margin=legs.maintenance_margin,
        settle_price=legs.settle_price,
        tier=legs.tier,
        on_entry=terms.on_entry,
        fee_rate=terms.fee_rate,
        fixed_fee=terms.fixed_fee,
        bankruptcy_fee_rate=terms.bankruptcy_fee_rate,
        bankruptcy_fee=terms.bankruptcy_fee,
        wallet=pools.wallet,
        unpriced=pools.unpriced,
        level=pools.level,
        rule=batch.pools.rule,
        multi=batch.pools.multi,
        linear=markets.linear,
        table=markets.table,
        base=markets.base,
        settle=markets.settle,
        by_contracts=tables.by_contracts,
        floor=tables.floor,
        rate=tables.rate,
        deduction=tables.deduction,
        rebate=tables.rebate,
        holder=batch.holdings.pool,
        asset=batch.holdings.asset,
        worth=assessment.worth,
    )


def _scratch(batch: Batch) -> Scratch:
    rows, pools, held = len(batch.legs.pool), len(batch.pools.rule), len(batch.holdings.pool)
    return Scratch(
        rows=np.empty(rows, np.int64),
        first=np.empty(pools + 1, np.int64),
        held=np.empty(held, np.int64),
        first_held=np.empty(pools + 1, np.int64),
        group_of=np.empty(len(batch.markets.mark), np.int64),
        in_asset=np.zeros((len(batch.asset_price), 3)),
        members=np.empty(rows, MEMBER),
        groups=np.empty(rows, GROUP),
    )


@compiled
def _solve(columns: Columns, scratch: Scratch, found: _Found) -> None:
    """Fill in the prices of all legs."""
    scratch.group_of[:] = -1
    order_by_pool(columns.pool, scratch.rows, scratch.first)
    order_by_pool(columns.holder, scratch.held, scratch.first_held)
    for pool in range(len(columns.wallet)):
        if columns.unpriced[pool]:
            _put_nothing(scratch, found, pool)
            continue
        count = gather(columns, scratch, pool)
        look_beside(scratch.groups, count)
        if columns.multi[pool]:
            look_into_coins(columns, scratch, pool, count)
        for index in range(count):
            group = scratch.groups[index]
            legs = scratch.members[group.first : group.end]
            _put_liquidation(columns, found, pool, group, legs)
            _put_bankruptcy(columns, found, pool, group, legs)


@inlined
def _put_nothing(scratch: Scratch, found: _Found, pool: int) -> None:
    """Say of the legs of a pool that it is unpriced."""
    for index in range(scratch.first[pool], scratch.first[pool + 1]):
        row = scratch.rows[index]
        found.below[row] = found.above[row] = found.liquidation[row] = np.nan
        found.bankruptcy[row] = found.distance_pct[row] = np.nan
        found.reason[row] = found.bankruptcy_reason[row] = UNPRICED


@inlined
def _put_liquidation(columns: Columns, found: _Found, pool: int, group: Any, legs: Records) -> None:
    rest = rest_of(group, columns.wallet[pool] + group.slack_beside, group.slack_moving)
    below, above, nearest, reason = np.nan, np.nan, np.nan, FULLY_COLLATERALISED
    if columns.level[pool] >= LIQUIDATION:
        reason = ALREADY_LIQUIDATABLE
    elif group.unsolved:
        reason = UNSOLVED
    else:
        tiers = Tiers(columns.floor, columns.rate, columns.deduction)
        slope = rest_slope(group, rest)
        for index in range(len(legs)):
            leg = legs[index]
            slope += (leg.side - leg.rate) * leg.notional * leg.weight
        least = 0.0 if _STRICT[columns.rule[pool]] else _LEAST
        curve = Curve(group.slack + rest.still + rest.moving, slope, least)
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
def _put_bankruptcy(columns: Columns, found: _Found, pool: int, group: Any, legs: Records) -> None:
    """Equity, less the closing fee where the venue counts one, is one line in t: one root."""
    rest = rest_of(group, columns.wallet[pool] + group.pnl_beside, group.pnl_moving)
    slope, fees = rest_slope(group, rest), 0.0
    for index in range(len(legs)):
        leg = legs[index]
        rate = columns.bankruptcy_fee_rate[leg.row]
        slope += (leg.side - rate) * leg.notional * leg.weight
        fees += (leg.notional * rate + columns.bankruptcy_fee[leg.row]) * leg.weight
    start = group.pnl - fees + rest.still + rest.moving
    price = price_at(group, 1.0 - start / slope)
    own = 0.0
    for index in range(len(legs)):
        leg = legs[index]
        pnl, notional = _leg_at(leg, price)
        fee = notional * columns.bankruptcy_fee_rate[leg.row] + columns.bankruptcy_fee[leg.row]
        own += (pnl - fee) * leg.weight
    price = polished(group, rest, price, own, slope)
    reason = FULLY_COLLATERALISED if slope != 0.0 else PRICE_INDEPENDENT
    if group.unsolved:
        price, reason = np.nan, UNSOLVED
    elif not np.isnan(price):
        reason = FOUND
    for index in range(len(legs)):
        row = legs[index].row
        found.bankruptcy[row], found.bankruptcy_reason[row] = price, reason


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
