"""An account's totals over its pools: in their settle asset when they share one, else in USD.

Sums are sums of pools. What a pool lacks or has to spare is its own, so deficits, shortfalls and
available margin are added up pool by pool: one pool's plenty does not cover another's want.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Batch, Floats, Ints, sums_by
from service.risk.margin import Assessment, margin_ratio
from service.risk.restore import owed, shortfall

KNOWN, UNPRICED, UNCONVERTED = range(3)
# By reason code: why an account has no totals; "" where it has.
REASONS = ("", "unpriced", "no_conversion_price")
IN_USD = -1  # in `settle`: the totals are in USD


@dataclass(slots=True)
class AccountTotals:
    """One row an account; money is NaN where a pool is unpriced or cannot be converted."""

    settle: Ints  # the asset the totals are in, or IN_USD
    reason: NDArray[np.int8]
    level: NDArray[np.int8]  # the worst of the pools'
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


def account_totals(batch: Batch, assessment: Assessment, accounts: int) -> AccountTotals:
    """Add up the pools of each of so many accounts; one without pools has zeros in USD."""
    pools, account = assessment.pools, batch.pools.account
    settle, factor = currency(batch, accounts)

    def total(money: Floats) -> Floats:
        return sums_by(account, money * factor, accounts)

    equity, maintenance = total(pools.equity), total(pools.maintenance_margin)
    unpriced = sums_by(account, pools.unpriced.astype(np.float64), accounts) > 0.0
    reason = np.where(np.isnan(equity + maintenance), UNCONVERTED, KNOWN)
    level = np.zeros(accounts, dtype=np.int8)
    np.maximum.at(level, account, pools.level)
    return AccountTotals(
        settle=settle,
        reason=np.where(unpriced, UNPRICED, reason).astype(np.int8),
        level=level,
        wallet=total(pools.wallet),
        unrealised_pnl=total(pools.unrealised_pnl),
        equity=equity,
        initial_margin=total(pools.initial_margin),
        maintenance_margin=maintenance,
        margin_ratio=margin_ratio(maintenance, equity),
        health_factor=health_factor(equity, maintenance),
        available_margin=total(available_margin(pools.equity, pools.initial_margin)),
        margin_deficit=total(margin_deficit(pools.equity, pools.maintenance_margin)),
        shortfall=total(shortfall(pools.equity)),
        owed=total(owed(batch, assessment)),
    )


def health_factor(equity: Floats, maintenance_margin: Floats) -> Floats:
    """Return equity over maintenance; NaN where nothing is required."""
    factor = np.full_like(equity, np.nan)
    np.divide(equity, maintenance_margin, out=factor, where=maintenance_margin > 0.0)
    return factor


def available_margin(equity: Floats, initial_margin: Floats) -> Floats:
    """Return what is not bound as initial margin."""
    return np.maximum(0.0, equity - initial_margin)


def margin_deficit(equity: Floats, maintenance_margin: Floats) -> Floats:
    """Return what is missing to the maintenance margin."""
    return np.maximum(0.0, maintenance_margin - equity)


def currency(batch: Batch, accounts: int) -> tuple[Ints, Floats]:
    """Return the asset of each account's totals (or IN_USD), and each pool's money in it."""
    account, settle = batch.pools.account, batch.pools.settle
    lowest = np.full(accounts, np.iinfo(np.int64).max)
    highest = np.full(accounts, -1, dtype=np.int64)
    np.minimum.at(lowest, account, settle)
    np.maximum.at(highest, account, settle)
    shared = lowest == highest
    factor = np.where(shared[account], 1.0, batch.asset_price[settle])
    return np.where(shared, lowest, IN_USD), factor
