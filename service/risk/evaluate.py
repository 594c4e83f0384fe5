"""A batch in columns to every figure of an answer: one pass that API and monitor share."""

from dataclasses import fields
from typing import TypeVar

import numpy as np

from service.risk import margin
from service.risk.batch import build_batch, warm_up_distinct
from service.risk.closing import filled
from service.risk.columns import Batch, Holdings, Ints, Legs, Pools
from service.risk.growing import spread
from service.risk.levels import held_back
from service.risk.liquidation import LegPrices, solve_prices
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.restore import to_restore
from service.risk.summary import summarise
from service.risk.totals import account_totals
from service.risk.worded import Known, worded

_Columns = TypeVar("_Columns", Pools, Legs, Holdings)
_Rows = TypeVar("_Rows", Legs, Holdings)


def assess(batch: Batch) -> Assessment:
    """Return every figure of every pool and leg at the batch's marks, and the table's levels."""
    return margin.assess(batch)


def prices(batch: Batch, assessment: Assessment) -> LegPrices:
    """Return liquidation prices (below, above, nearest) and bankruptcy prices, with reasons."""
    return solve_prices(batch, assessment)


def warm_up() -> None:
    """Have it compiled, or read from where it was kept: no evaluation waits for that later."""
    batch, _ = build_batch([], MarketTable())
    warm_up_distinct()
    assessment = assess(batch)
    prices(batch, assessment)
    to_restore(batch, assessment)
    level = held_back(assessment.pools.level, assessment.pools.level, assessment.pools.most)
    for shared_from in (0, 1):  # with nobody beside, but in its parts, and whole
        found = summarise(batch, assessment, 0, level, shared_from=shared_from)
    worded(batch, assessment, Known(level, found.restored.deposit, found.totals.settle, False))
    account_totals(batch, assessment, 0)
    filled(batch, assessment, assessment.legs.mark)


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


def copies(batch: Batch, pools: Ints) -> Batch:
    """Return a batch with a pool for each entry, which may name one more than once.

    Rows stand by pool; their columns are new and may be written to.
    """
    many = len(batch.pools.rule)
    return Batch(
        markets=batch.markets,
        tables=batch.tables,
        asset_price=batch.asset_price,
        pools=taken_rows(batch.pools, pools),
        legs=_repeated(batch.legs, pools, many),
        holdings=_repeated(batch.holdings, pools, many),
    )


def _repeated(columns: _Rows, pools: Ints, many: int) -> _Rows:
    order = np.argsort(columns.pool, kind="stable")
    count = np.bincount(columns.pool, minlength=many)
    rows = order[spread((np.cumsum(count) - count)[pools], count[pools])]
    repeated = taken_rows(columns, rows)
    repeated.pool = np.repeat(np.arange(len(pools)), count[pools])
    return repeated


def taken_rows(columns: _Columns, rows: Ints) -> _Columns:
    """Return some rows of columns, in this order."""
    return type(columns)(**{f.name: getattr(columns, f.name)[rows] for f in fields(columns)})


def _placed(columns: _Rows, place: Ints) -> _Rows:
    """Keep the rows of pools that have a place, and renumber their pools."""
    kept = taken_rows(columns, np.flatnonzero(place[columns.pool] >= 0))
    kept.pool = place[kept.pool]
    return kept
