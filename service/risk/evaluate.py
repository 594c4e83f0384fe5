"""A batch in columns to every figure of an answer: one pass that API and monitor share."""

from dataclasses import fields
from typing import TypeVar

import numpy as np

from service.risk.columns import Batch, Holdings, Ints, Legs, Pools
from service.risk.levels import table_level
from service.risk.liquidation import LegPrices, solve_prices
from service.risk.margin import (
    Assessment,
    LegFigures,
    PoolFigures,
    leg_figures,
    leg_terms,
    margin_ratio,
    pool_sums,
)
from service.risk.venues import RULE_COLUMNS

_Columns = TypeVar("_Columns", Pools, Legs, Holdings)
_Rows = TypeVar("_Rows", Legs, Holdings)


def assess(batch: Batch) -> Assessment:
    """Return every figure of every pool and leg at the batch's marks, and the table's levels."""
    with np.errstate(all="ignore"):  # what is missing is NaN on purpose and flagged
        terms = leg_terms(batch)
        legs = leg_figures(batch, terms)
        return Assessment(pools=_pool_figures(batch, legs), legs=legs, terms=terms)


def _pool_figures(batch: Batch, legs: LegFigures) -> PoolFigures:
    pools, rows = batch.pools, len(batch.pools.rule)
    wallet, pnl, initial, maintenance = pool_sums(batch, legs)
    equity = wallet + pnl
    open_ = np.bincount(batch.legs.pool, minlength=rows) > 0
    unpriced = ~np.isfinite(equity + initial + maintenance)
    stale = np.isnan(batch.legs.mark) & batch.markets.stale[batch.legs.market]
    level = table_level(
        equity,
        maintenance,
        open_=open_,
        unpriced=unpriced,
        warning=pools.warning,
        margin_call=pools.margin_call,
        strict=RULE_COLUMNS.strict[pools.rule],
    )
    return PoolFigures(
        wallet=wallet,
        unrealised_pnl=pnl,
        equity=equity,
        initial_margin=initial,
        maintenance_margin=maintenance,
        margin_ratio=margin_ratio(maintenance, equity),
        level=level,
        open=open_,
        unpriced=unpriced,
        stale=np.bincount(batch.legs.pool, stale, rows) > 0.0,
    )


def prices(batch: Batch, assessment: Assessment) -> LegPrices:
    """Return liquidation prices (below, above, nearest) and bankruptcy prices, with reasons."""
    return solve_prices(batch, assessment)


def select(batch: Batch, pools: Ints) -> Batch:
    """Return the batch of only these pools, renumbered in this order; rows keep their order."""
    place = np.full(len(batch.pools.rule), -1, dtype=np.int64)
    place[pools] = np.arange(len(pools))
    return Batch(
        markets=batch.markets,
        tables=batch.tables,
        asset_price=batch.asset_price,
        pools=taken_rows(batch.pools, pools),
        legs=_placed(batch.legs, place),
        holdings=_placed(batch.holdings, place),
    )


def taken_rows(columns: _Columns, rows: Ints) -> _Columns:
    """Return some rows of columns, in this order."""
    return type(columns)(**{f.name: getattr(columns, f.name)[rows] for f in fields(columns)})


def _placed(columns: _Rows, place: Ints) -> _Rows:
    """Keep the rows of pools that have a place, and renumber their pools."""
    kept = taken_rows(columns, np.flatnonzero(place[columns.pool] >= 0))
    kept.pool = place[kept.pool]
    return kept
