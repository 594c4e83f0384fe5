"""Closing pools at fill prices: what it leaves, each position's part of it, the price of no loss.

Money of a leg is in its settle asset, money of a pool in the pool's. Prices are found from
differences to a price at hand, never from two large notionals.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from service.risk.columns import Batch, Floats, sums_by
from service.risk.compiled import compiled
from service.risk.legs import LegTerms, notional_at, pnl_at
from service.risk.margin import Assessment
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.venues import RULE_COLUMNS


@dataclass(slots=True)
class Closing:
    """Every pool as if it were closed; NaN where it is unpriced."""

    fills: Floats  # a leg, the price it is closed at
    pnl: Floats  # a leg, realised
    fee: Floats  # a leg
    notional: Floats  # a pool, at the fills
    remainder: Floats  # a pool: wallet and PnL less fees, below zero a shortfall


class Filled(NamedTuple):
    """Legs at supposed prices, each in its settle asset."""

    pnl: Floats
    notional: Floats


def filled(batch: Batch, assessment: Assessment, price: Floats) -> Filled:
    """Return what each leg comes to at a price of its own; NaN where that is."""
    found, terms = Filled(*np.empty((2, len(price)))), assessment.terms
    _fill(terms, batch.legs.entry_price, price, found)
    return found


@compiled
def _fill(terms: LegTerms, entry_price: Floats, price: Floats, found: Filled) -> None:
    for row in range(len(price)):
        linear, size = terms.linear[row], terms.size[row]
        found.pnl[row] = pnl_at(linear, size, entry_price[row], price[row])
        found.notional[row] = notional_at(linear, size, price[row])


def taker_fees(batch: Batch) -> Floats:
    """Return the fee rate of closing each leg: the instrument's, else the venue's default."""
    given = batch.markets.taker_fee[batch.legs.market]
    default = RULE_COLUMNS.default_fee[batch.pools.rule[batch.legs.pool]]
    return np.where(np.isnan(given), default, given)


def close(batch: Batch, assessment: Assessment, fills: Floats, fee_rate: Floats) -> Closing:
    """Return what closing every leg at its fill price, for a share of its notional, leaves."""
    legs, pools = assessment.legs, len(batch.pools.rule)
    pnl, notional = filled(batch, assessment, fills)
    fee = notional * fee_rate
    at, worth = batch.legs.pool, (pnl - fee) * legs.settle_price
    remainder = assessment.pools.wallet + sums_by(at, worth, pools)
    closed = sums_by(at, notional * legs.settle_price, pools)
    return Closing(fills=fills, pnl=pnl, fee=fee, notional=closed, remainder=remainder)


def pool_shares(batch: Batch, assessment: Assessment) -> Floats:
    """Return each leg's share of its pool by maintenance, by notional where nothing is required.

    This is how equity and losses of a pool are allotted to its positions (dYdX shares collateral
    out so); 0 where neither is known.
    """
    legs, at = assessment.legs, batch.legs.pool
    required = np.maximum(0.0, legs.maintenance_margin) * legs.settle_price
    notional = legs.notional * legs.settle_price
    pools = len(batch.pools.rule)
    of_required = sums_by(at, required, pools)[at]
    of_notional = sums_by(at, notional, pools)[at]
    share = np.zeros(len(at))
    np.divide(notional, of_notional, out=share, where=of_notional > 0.0)
    np.divide(required, of_required, out=share, where=of_required > 0.0)
    return share


def price_after(terms: LegTerms, start: Floats, change: Floats) -> Floats:
    """Return the price at which each leg's PnL is `change` more than at `start`; NaN: none is."""
    with np.errstate(all="ignore"):  # no price is inf or below zero on the way
        linear = start + change / terms.size
        inverse = start / (1.0 - change * start / terms.size)
    price = np.where(terms.linear, linear, inverse)
    return np.where((price > 0.0) & np.isfinite(price), price, np.nan)


def allotted_bankruptcy_prices(batch: Batch, assessment: Assessment) -> Floats:
    """Return the price at which each leg alone loses its share of the pool's equity; NaN: none.

    Closing all legs at these prices leaves nothing, neither money nor debt. A pool with one leg has
    its bankruptcy price without fees here.
    """
    equity = assessment.pools.equity[batch.legs.pool] * pool_shares(batch, assessment)
    change = -equity / assessment.legs.settle_price
    return price_after(assessment.terms, assessment.legs.mark, change)


def borrowed(batch: Batch, assessment: Assessment) -> Floats:
    """Return what each pool owes of its negative balances, in its money; an asset's are one."""
    held, assets = batch.holdings, max(1, len(batch.asset_price))
    each, row = np.unique(held.pool * assets + held.asset, return_inverse=True)
    balance = sums_by(row, assessment.worth, len(each))
    return sums_by(each // assets, np.maximum(0.0, -balance), len(batch.pools.rule))


def debt_most(
    batch: Batch, assessment: Assessment, policies: PolicyColumns = POLICY_COLUMNS
) -> Floats:
    """Return how much of a shortfall can be left to the trader, a pool: all (inf), a loan, none."""
    rule = batch.pools.rule
    most, loans_stay = policies.owed_most[rule], policies.loans_stay[rule]
    if np.count_nonzero(loans_stay):
        most[loans_stay] = borrowed(batch, assessment)[loans_stay]
    return most
