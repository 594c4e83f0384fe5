"""Every figure of an answer as a column, in the contract's order, and which ones overflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from service.risk.columns import Batch, Bools, Floats
from service.risk.evaluate import prices
from service.risk.liquidation import LegPrices
from service.risk.margin import Assessment
from service.risk.restore import owed, shortfall
from service.risk.totals import (
    AccountTotals,
    account_totals,
    available_margin,
    health_factor,
    margin_deficit,
)

Columns: TypeAlias = tuple[Floats, ...]


@dataclass(slots=True)
class Figures:
    """Columns named like the fields of the `PoolAnswer` (and so on) that they fill."""

    totals: AccountTotals
    solved: LegPrices
    of_accounts: Columns  # equity .. owed
    of_pools: Columns  # wallet_balance .. owed
    of_legs: Columns  # notional .. liquidation_price
    of_prices: Columns  # liquidation_price_below, .._above, bankruptcy_price, distance_pct


def figures_of(batch: Batch, assessment: Assessment, accounts: int) -> Figures:
    """Return every figure of a batch."""
    totals, solved = account_totals(batch, assessment, accounts), prices(batch, assessment)
    return Figures(
        totals,
        solved,
        _of_accounts(totals),
        _of_pools(batch, assessment),
        _of_legs(batch, assessment, solved),
        (solved.below, solved.above, solved.bankruptcy, solved.distance_pct),
    )


def _of_accounts(totals: AccountTotals) -> Columns:
    return (
        totals.equity,
        totals.wallet,
        totals.unrealised_pnl,
        totals.initial_margin,
        totals.maintenance_margin,
        totals.margin_ratio,
        totals.health_factor,
        totals.available_margin,
        totals.margin_deficit,
        totals.shortfall,
        totals.owed,
    )


def _of_pools(batch: Batch, assessment: Assessment) -> Columns:
    pools = assessment.pools
    return (
        pools.wallet,
        pools.unrealised_pnl,
        pools.equity,
        pools.initial_margin,
        pools.maintenance_margin,
        pools.margin_ratio,
        health_factor(pools.equity, pools.maintenance_margin),
        available_margin(pools.equity, pools.initial_margin),
        margin_deficit(pools.equity, pools.maintenance_margin),
        shortfall(pools.equity),
        owed(batch, assessment),
    )


def _of_legs(batch: Batch, assessment: Assessment, solved: LegPrices) -> Columns:
    legs = assessment.legs
    return (
        legs.notional,
        legs.unrealised_pnl,
        legs.initial_margin,
        legs.maintenance_margin,
        assessment.pools.margin_ratio[batch.legs.pool],
        legs.leverage,
        solved.liquidation,
    )


def overflown(batch: Batch, assessment: Assessment, figures: Figures) -> Bools:
    """Return the accounts with a figure that has all it needs and is no finite number."""
    pools, legs = len(batch.pools.rule), batch.legs.pool
    bad = _unpriced_for_nothing(batch, assessment) | _infinite(figures.of_pools, pools)
    bad_legs = _infinite((*figures.of_legs, *figures.of_prices), len(legs))
    bad |= np.bincount(legs, bad_legs, pools) > 0.0
    accounts = len(figures.totals.equity)
    by_pool = np.bincount(batch.pools.account, bad, accounts) > 0.0
    return by_pool | _infinite(figures.of_accounts, accounts)


def _infinite(columns: Sequence[Floats], rows: int) -> Bools:
    found = np.zeros(rows, dtype=np.bool_)
    for column in columns:
        found |= np.isinf(column)
    return found


def _unpriced_for_nothing(batch: Batch, assessment: Assessment) -> Bools:
    """Return the pools that are unpriced though every mark, instrument and price is there."""
    legs, holdings, rows = assessment.legs, batch.holdings, len(batch.pools.rule)
    lacking = np.isnan(legs.mark) | np.isnan(legs.settle_price)
    lacking |= batch.markets.table[batch.legs.market] < 0
    explained = np.bincount(batch.legs.pool, lacking, rows) > 0.0
    price = batch.asset_price[holdings.asset]
    lacking = np.isnan(price) & np.isnan(holdings.price) & batch.pools.multi[holdings.pool]
    explained |= np.bincount(holdings.pool, lacking, rows) > 0.0
    return assessment.pools.unpriced & ~explained
