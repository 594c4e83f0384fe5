"""What an alert tells of its pool: that moment's money, what would restore it, its positions.

All pools of a page are evaluated in one go; what comes out are columns that run parallel to them.
"""

from dataclasses import dataclass

import numpy as np

from service.contract.alerts import (
    ALERT_POSITIONS_MAX,
    AlertPosition,
    PoolName,
    Reduction,
    Side,
    ToRestore,
    pool_name,
)
from service.contract.quality import QUALITY_NAMES, QualityName
from service.risk.book import Book
from service.risk.columns import Batch, Floats, Ints
from service.risk.evaluate import assess, prices
from service.risk.levels import Levels
from service.risk.margin import Assessment
from service.risk.model import Level, PoolKey
from service.risk.restore import owed, shortfall, to_restore
from service.risk.totals import margin_deficit

_SIDES: tuple[Side, Side] = ("short", "long")


class PoolNames(dict[tuple[int, int, bool], PoolName]):
    """Pools' names by settle asset, market (-1: cross) and side: there are few, so each is made
    once."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self._book = book

    def of(self, slots: Ints) -> list[PoolName]:
        """Return the names of these pools."""
        pools, legs = self._book.pools, self._book.legs
        settle, isolated = pools.settle[slots].tolist(), pools.isolated[slots]
        if not isolated.any():
            return [self[asset, -1, False] for asset in settle]
        first = np.where(isolated, pools.leg[slots], 0)  # of a cross pool any leg will do
        market = np.where(isolated, legs.market[first], -1).tolist()
        is_long = (isolated & (legs.contracts[first] > 0.0)).tolist()
        identities = zip(settle, market, is_long, strict=True)
        return [self[identity] for identity in identities]

    def __missing__(self, identity: tuple[int, int, bool]) -> PoolName:
        settle, market, is_long = identity
        table = self._book.table
        asset = table.asset_name(settle)
        key = PoolKey("cross", asset) if market < 0 else table.isolated_key(asset, market, is_long)
        name = self[identity] = pool_name(key)
        return name


@dataclass(frozen=True, slots=True)
class Figures:
    """Columns in the order of an alert's fields: those from `margin_ratio` to `owed`, then the next
    two, the number of positions that are not named, and the quality of the marks."""

    columns: list[list[float]]
    restorations: list[ToRestore | None]
    positions: list[list[AlertPosition]]
    omitted: list[int]
    qualities: list[QualityName]


def figures_of(book: Book, slots: Ints, levels: Levels) -> Figures:
    """Return what is told of these pools, which are at `levels` now."""
    batch = book.batch(slots)
    assessment = assess(batch)
    pools = assessment.pools
    columns = [
        pools.margin_ratio.tolist(),
        pools.equity.tolist(),
        pools.maintenance_margin.tolist(),
        margin_deficit(pools.equity, pools.maintenance_margin).tolist(),
        shortfall(pools.equity).tolist(),
        owed(batch, assessment).tolist(),
    ]
    qualities = [QUALITY_NAMES[quality] for quality in pools.quality.tolist()]
    return Figures(columns, *_of_legs(book, batch, assessment, levels), qualities)


def _of_legs(
    book: Book, batch: Batch, assessment: Assessment, levels: Levels
) -> tuple[list[ToRestore | None], list[list[AlertPosition]], list[int]]:
    solved, restored = prices(batch, assessment), to_restore(batch, assessment, levels)
    pools = len(levels)
    rows, owners = _nearest(batch.legs.pool, solved.distance_pct, pools)
    market_key = book.table.market_key
    symbols = [market_key(market)[1] for market in batch.legs.market[rows].tolist()]
    sides = [_SIDES[is_long] for is_long in (batch.legs.contracts[rows] > 0.0).tolist()]
    shown = (
        assessment.legs.mark,
        solved.liquidation,
        solved.bankruptcy,
        solved.distance_pct,
    )
    positions = list(
        map(AlertPosition, symbols, sides, *(column[rows].tolist() for column in shown))
    )
    reductions = list(map(Reduction, symbols, sides, restored.reduce[rows].tolist()))
    counts = np.bincount(owners, minlength=pools)
    ends = np.cumsum(counts)
    ranges = list(zip((ends - counts).tolist(), ends.tolist(), strict=True))
    needed = (levels > Level.UNPRICED).tolist()
    restorations = [
        ToRestore(deposit, reductions[first:end]) if needs else None
        for needs, deposit, (first, end) in zip(
            needed, restored.deposit.tolist(), ranges, strict=True
        )
    ]
    omitted = np.bincount(batch.legs.pool, minlength=pools) - counts
    return restorations, [positions[first:end] for first, end in ranges], omitted.tolist()


def _nearest(owners: Ints, distance_pct: Floats, pools: int) -> tuple[Ints, Ints]:
    """Return the leg rows that are told, pool by pool, and their pools.

    The nearest to liquidation first; without a price is last.
    """
    if np.array_equal(owners, np.arange(pools)):  # a leg each
        return owners, owners
    nearness = np.where(np.isnan(distance_pct), np.inf, distance_pct)
    rows = np.lexsort((nearness, owners))
    counts = np.bincount(owners, minlength=pools)
    first = np.cumsum(counts) - counts
    rows = rows[np.arange(len(rows)) - first[owners[rows]] < ALERT_POSITIONS_MAX]
    return rows, owners[rows]
