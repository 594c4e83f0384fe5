"""Liquidation prices below and above the mark, and the bankruptcy price, of every leg of a batch.

One symbol's price is the unknown, all else of the pool is held; legs of one symbol in one pool move
together and share the answer. Roots are found as factors of the mark and then polished by one step
of Newton with the slack taken at the price itself: from differences of prices, never of two large
notionals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Batch, Floats, Ints
from service.risk.groups import (
    Groups,
    Rest,
    by_group,
    group_legs,
    own_slope,
    polished,
    price_at,
    rest_of_pool,
    rest_slope,
)
from service.risk.margin import Assessment
from service.risk.model import Level
from service.risk.roots import Roots, nearest_roots, slack_curve
from service.risk.tiers import rebate_rate
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


def solve_prices(batch: Batch, assessment: Assessment) -> LegPrices:
    """Return both liquidation prices and the bankruptcy price of every leg."""
    rows = len(batch.legs.pool)
    prices = LegPrices(
        below=np.full(rows, np.nan),
        above=np.full(rows, np.nan),
        liquidation=np.full(rows, np.nan),
        reason=np.full(rows, UNPRICED, dtype=np.int8),
        bankruptcy=np.full(rows, np.nan),
        bankruptcy_reason=np.full(rows, UNPRICED, dtype=np.int8),
        no_equity=np.full(rows, np.nan),
        distance_pct=np.full(rows, np.nan),
    )
    with np.errstate(all="ignore"):  # what has no price is NaN on the way and gets a reason
        groups = group_legs(batch, assessment)
        if len(groups.first):
            _put_liquidation(batch, assessment, groups, prices)
            _put_bankruptcy(batch, assessment, groups, prices)
    return prices


def _put_liquidation(
    batch: Batch, assessment: Assessment, groups: Groups, prices: LegPrices
) -> None:
    legs, at, of = assessment.legs, groups.legs, groups.group_of
    worth = (legs.unrealised_pnl - legs.maintenance_margin) * legs.settle_price
    rest = rest_of_pool(batch, assessment, groups, worth)
    curve = slack_curve(batch, assessment, groups, rest)
    strict = RULE_COLUMNS.strict[batch.pools.rule[groups.pool]]
    curve.least = np.where(strict, 0.0, np.nextafter(0.0, 1.0))
    nearer_zero, further = (
        _slack_root(batch, assessment, groups, rest, roots)
        for roots in nearest_roots(batch.tables, groups, curve)
    )
    already = assessment.pools.level[groups.pool] >= Level.LIQUIDATION
    none = already | groups.unsolved
    below = np.where(none, np.nan, np.where(groups.inverse, further, nearer_zero))
    above = np.where(none, np.nan, np.where(groups.inverse, nearer_zero, further))
    nearest = _nearest(groups.mark, below, above)
    reason = np.where(np.isnan(nearest), FULLY_COLLATERALISED, FOUND)
    reason = np.where(groups.unsolved, UNSOLVED, reason)
    reason = np.where(already, ALREADY_LIQUIDATABLE, reason)
    prices.below[at], prices.above[at] = below[of], above[of]
    prices.liquidation[at], prices.reason[at] = nearest[of], reason[of]
    prices.distance_pct[at] = (100.0 * np.abs(nearest - groups.mark) / groups.mark)[of]


def _nearest(mark: Floats, below: Floats, above: Floats) -> Floats:
    nearest = np.where(mark - below <= above - mark, below, above)
    return np.where(np.isnan(below), above, np.where(np.isnan(above), below, nearest))


def _slack_root(
    batch: Batch, assessment: Assessment, groups: Groups, rest: Rest, roots: Roots
) -> Floats:
    """Turn factors into prices, polished inside their segment; a jump's border stays as it is."""
    legs, terms, at = assessment.legs, assessment.terms, groups.legs
    price = price_at(groups, roots.t)
    tables, on_entry = batch.tables, terms.on_entry[at]
    held = tables.by_contracts[batch.markets.table[batch.legs.market[at]]]
    tier = np.where(held, legs.tier[at], roots.tier)
    pnl, notional = _leg_at(batch, assessment, at, price[groups.group_of])
    rate = tables.rate.reshape(-1)[tier] + terms.fee_rate[at]
    required = notional * (rate - rebate_rate(tables, tier, batch.legs.contracts[at]))
    required += terms.fixed_fee[at] - tables.deduction.reshape(-1)[tier]
    required = np.where(on_entry, legs.maintenance_margin[at], required)
    own = by_group(groups, (pnl - required) * legs.settle_price[at])
    better = polished(groups, rest, price, own, roots.slope)
    return np.where(roots.jump, price, better)


def _leg_at(batch: Batch, assessment: Assessment, at: Ints, price: Floats) -> tuple[Floats, Floats]:
    """Return PnL and notional of sorted legs at a price each."""
    size, linear = assessment.legs.size[at], assessment.terms.linear[at]
    entry = batch.legs.entry_price[at]
    moved = size * (price - entry)
    pnl = np.where(linear, moved, moved / entry / price)
    return pnl, np.abs(np.where(linear, size * price, size / price))


def _put_bankruptcy(
    batch: Batch, assessment: Assessment, groups: Groups, prices: LegPrices
) -> None:
    """Put where equity is used up: with the closing fee where the venue counts one, and without."""
    at, of, terms = groups.legs, groups.group_of, assessment.terms
    rate, fee = terms.bankruptcy_fee_rate[at], terms.bankruptcy_fee[at]
    price, slope = _equity_root(batch, assessment, groups, rate, fee)
    reason = np.where(np.isnan(price), FULLY_COLLATERALISED, FOUND)
    reason = np.where(np.isnan(price) & (slope == 0.0), PRICE_INDEPENDENT, reason)
    reason = np.where(groups.unsolved, UNSOLVED, reason)
    prices.bankruptcy[at], prices.bankruptcy_reason[at] = price[of], reason[of]
    if rate.any() or fee.any():
        none = np.zeros(len(at))
        price, _ = _equity_root(batch, assessment, groups, none, none)
    prices.no_equity[at] = price[of]


def _equity_root(
    batch: Batch, assessment: Assessment, groups: Groups, rate: Floats, fee: Floats
) -> tuple[Floats, Floats]:
    """Equity less fees (rate and amount a sorted leg) is one line in t: its root, its slope."""
    legs, at, of = assessment.legs, groups.legs, groups.group_of
    worth = legs.unrealised_pnl * legs.settle_price
    rest = rest_of_pool(batch, assessment, groups, worth)
    weight = legs.settle_price[at]
    slope = own_slope(assessment, groups, rate) + rest_slope(groups, rest)
    start = by_group(groups, worth[at] - (legs.notional[at] * rate + fee) * weight)
    start += rest.still + rest.moving
    price = price_at(groups, 1.0 - start / slope)
    pnl, notional = _leg_at(batch, assessment, at, price[of])
    own = by_group(groups, (pnl - notional * rate - fee) * weight)
    price = polished(groups, rest, price, own, slope)
    return np.where(groups.unsolved, np.nan, price), slope
