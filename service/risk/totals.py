"""An account's totals over its pools: in their settle asset when they share one, else in USD.

Sums are sums of pools. What a pool lacks or has to spare is its own, so deficits, shortfalls and
available margin are added up pool by pool: one pool's plenty does not cover another's want.
"""

from typing import NamedTuple

import numpy as np

from service.risk.closing import debt_most
from service.risk.columns import Batch, Floats, Int8s, Ints
from service.risk.compiled import compiled, inlined
from service.risk.margin import Assessment, Sums, above_nothing, least, sums_of

KNOWN, UNPRICED, UNCONVERTED = range(3)
# By reason code; "" where it has totals.
REASONS = ("", "unpriced", "no_conversion_price")
IN_USD = -1  # in `settle`: the totals are in USD


class AccountTotals(NamedTuple):
    """One row an account; money is NaN where a pool is unpriced or cannot be converted."""

    settle: Ints  # the asset the totals are in, or IN_USD
    reason: Int8s
    level: Int8s  # the worst of the pools'
    wallet: Floats
    unrealised_pnl: Floats
    equity: Floats
    initial_margin: Floats
    maintenance_margin: Floats
    margin_ratio: Floats  # NaN where equity <= 0
    health_factor: Floats  # NaN where nothing is required
    available_margin: Floats
    margin_deficit: Floats
    shortfall: Floats
    owed: Floats


class Converted(NamedTuple):
    """Pools as they are added up: whose they are, and what their money is worth."""

    account: Ints
    settle: Ints
    asset_price: Floats
    debt_most: Floats  # see `closing`


class Derived(NamedTuple):
    """What follows from a pool's sums, a row a pool."""

    health_factor: Floats  # NaN where nothing is required
    available_margin: Floats  # not bound as initial margin
    margin_deficit: Floats  # missing to the maintenance margin
    shortfall: Floats  # below zero, before anyone pays
    owed: Floats  # what the venue's policy leaves of it to the trader


def account_totals(batch: Batch, assessment: Assessment, accounts: int) -> AccountTotals:
    """Add up the pools of each of so many accounts; one without pools has zeros in USD."""
    totals, derived = empty_totals(accounts), empty_derived(len(batch.pools.rule))
    converted = converted_of(batch, debt_most(batch, assessment))
    add_up(sums_of(assessment.pools), converted, derived, totals)
    return totals


def converted_of(batch: Batch, most: Floats) -> Converted:
    """Return how a batch's pools are added up; `most` is what can be left to their traders."""
    return Converted(batch.pools.account, batch.pools.settle, batch.asset_price, most)


def empty_derived(pools: int) -> Derived:
    """Return room for so many pools."""
    return Derived(*np.empty((5, pools)))


def empty_totals(accounts: int) -> AccountTotals:
    """Return room for so many accounts."""
    return AccountTotals(
        np.empty(accounts, np.int64), *np.empty((2, accounts), np.int8), *np.empty((11, accounts))
    )


@compiled
def add_up(pools: Sums, by: Converted, derived: Derived, found: AccountTotals) -> None:
    """Write what follows from each pool's sums, and the totals of all accounts."""
    _find_currencies(by, found)
    for pool in range(len(by.account)):
        _derive(pools, by, derived, pool)
        account = by.account[pool]
        factor = 1.0
        if found.settle[account] == IN_USD:
            factor = by.asset_price[by.settle[pool]]
        found.level[account] = max(found.level[account], pools.level[pool])
        if pools.unpriced[pool]:
            found.reason[account] = UNPRICED
        found.wallet[account] += pools.wallet[pool] * factor
        found.unrealised_pnl[account] += pools.unrealised_pnl[pool] * factor
        found.equity[account] += pools.equity[pool] * factor
        found.initial_margin[account] += pools.initial_margin[pool] * factor
        found.maintenance_margin[account] += pools.maintenance_margin[pool] * factor
        found.available_margin[account] += derived.available_margin[pool] * factor
        found.margin_deficit[account] += derived.margin_deficit[pool] * factor
        found.shortfall[account] += derived.shortfall[pool] * factor
        found.owed[account] += derived.owed[pool] * factor
    for account in range(len(found.settle)):
        equity, maintenance = found.equity[account], found.maintenance_margin[account]
        if np.isnan(equity + maintenance) and found.reason[account] == KNOWN:
            found.reason[account] = UNCONVERTED
        found.margin_ratio[account] = maintenance / equity if equity > 0.0 else np.nan
        found.health_factor[account] = equity / maintenance if maintenance > 0.0 else np.nan


@inlined
def _find_currencies(by: Converted, found: AccountTotals) -> None:
    """Put each account's asset, and zeros for sums; an account without pools is told in USD."""
    none = IN_USD - 1
    for account in range(len(found.settle)):
        found.settle[account] = none
        found.reason[account] = found.level[account] = 0
        found.wallet[account] = found.unrealised_pnl[account] = found.equity[account] = 0.0
        found.initial_margin[account] = found.maintenance_margin[account] = 0.0
        found.available_margin[account] = found.margin_deficit[account] = 0.0
        found.shortfall[account] = found.owed[account] = 0.0
    for pool in range(len(by.account)):
        account, settle = by.account[pool], by.settle[pool]
        if found.settle[account] == none:
            found.settle[account] = settle
        elif found.settle[account] != settle:
            found.settle[account] = IN_USD
    for account in range(len(found.settle)):
        if found.settle[account] == none:
            found.settle[account] = IN_USD


@inlined
def _derive(pools: Sums, by: Converted, derived: Derived, pool: int) -> None:
    equity, maintenance = pools.equity[pool], pools.maintenance_margin[pool]
    derived.health_factor[pool] = equity / maintenance if maintenance > 0.0 else np.nan
    derived.available_margin[pool] = above_nothing(equity - pools.initial_margin[pool])
    derived.margin_deficit[pool] = above_nothing(maintenance - equity)
    derived.shortfall[pool] = above_nothing(-equity)
    derived.owed[pool] = least(derived.shortfall[pool], by.debt_most[pool])


def margin_deficit(equity: Floats, maintenance_margin: Floats) -> Floats:
    """Return what is missing to the maintenance margin."""
    return np.maximum(0.0, maintenance_margin - equity)


def worth_of(batch: Batch, totals: AccountTotals) -> Floats:
    """Return what each pool's money is worth in the currency of its account's totals."""
    in_usd = totals.settle[batch.pools.account] == IN_USD
    return np.where(in_usd, batch.asset_price[batch.pools.settle], 1.0)
