"""Every figure of an answer as a column, in the contract's order, and which ones overflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from service.errors import Fault, InvalidInput
from service.risk.aftermath import UNPRICED, Aftermath, aftermath
from service.risk.columns import Batch, Bools, Floats
from service.risk.evaluate import prices
from service.risk.gaps import Gaps, MaxLoss, leg_gaps, max_loss, pool_gaps
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


@dataclass(frozen=True, slots=True)
class Supposed:
    """What a caller supposes of a pool's symbols moving at once; see the contract's request."""

    betas: Mapping[str, float] = field(default_factory=dict)  # 1 where a symbol is not named
    gap_pct: float | None = None  # None: no gap is asked for


@dataclass(slots=True)
class Figures:
    """Columns named like the fields of the `PoolAnswer` (and so on) that they fill."""

    totals: AccountTotals
    solved: LegPrices
    leg_gaps: Gaps
    pool_gaps: Gaps
    max_loss: MaxLoss
    aftermath: Aftermath | None  # None: no gap was asked for
    of_accounts: Columns  # equity .. owed
    of_pools: Columns  # wallet_balance .. owed
    of_legs: Columns  # notional .. liquidation_price
    of_prices: Columns  # liquidation_price_below, .._above, bankruptcy_price, distance_pct


def figures_of(
    batch: Batch, assessment: Assessment, symbols: Sequence[str], accounts: int, supposed: Supposed
) -> Figures:
    """Return every figure of a batch; `symbols` are its legs'.

    Raises InvalidInput where the gap asked for would take a price to 0 or beyond.
    """
    totals, solved = account_totals(batch, assessment, accounts), prices(batch, assessment)
    part, beta = np.ones(len(symbols)), np.ones(len(batch.markets.mark))
    if supposed.betas:
        part[:] = [supposed.betas.get(symbol, 1.0) for symbol in symbols]
        beta[batch.legs.market] = part
    return Figures(
        totals=totals,
        solved=solved,
        leg_gaps=leg_gaps(batch, assessment, solved),
        pool_gaps=pool_gaps(batch, assessment, solved, beta),
        max_loss=max_loss(batch, assessment),
        aftermath=_aftermath(batch, assessment, part, supposed.gap_pct),
        of_accounts=_of_accounts(totals),
        of_pools=_of_pools(batch, assessment),
        of_legs=_of_legs(batch, assessment, solved),
        of_prices=(solved.below, solved.above, solved.bankruptcy, solved.distance_pct),
    )


def _aftermath(
    batch: Batch, assessment: Assessment, part: Floats, gap_pct: float | None
) -> Aftermath | None:
    if gap_pct is None:
        return None
    factor = 1.0 + part * (gap_pct / 100.0)
    if not np.all((factor > 0.0) & np.isfinite(factor)):
        detail = "this move, times the beta of a symbol, leaves a mark no price"
        raise InvalidInput.of(Fault("/gap/movePct", "out_of_range", detail))
    return aftermath(batch, assessment, factor)


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
    if figures.aftermath is not None:
        after = figures.aftermath
        bad |= _infinite((after.equity, after.shortfall), pools)
        bad |= (after.reason == UNPRICED) & ~assessment.pools.unpriced
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
