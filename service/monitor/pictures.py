"""The market of a book as it was at one moment, to work on accounts copied later.

A long calculation goes by one set of marks, while the book follows the stream. What the table
learns of meanwhile (a market that nobody had held, an asset) is added as it then is.
"""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from service.contract.map_parts import FundLimit
from service.monitor.shards import Shards
from service.risk.columns import Batch, Floats, Ints, Markets, TierTables, enlarged


class Picture:
    """What a question about one book goes by; `version` rises with what the table learns."""

    def __init__(self, shards: Shards, limits: Sequence[FundLimit]) -> None:
        self.book = shards.engine.book
        self.table = self.book.table
        self.market_id = shards.engine.market_id
        self.version = 0
        self._limits = {(limit.venue, limit.asset): limit.most for limit in limits}
        self._markets = _copied_markets(self.table.columns())
        self.prices: Floats = self.table.asset_prices().copy()  # USD, an asset
        self._look()

    def _look(self) -> None:
        self._tables = _copied_tables(self.table.tables())
        keys = [self.table.asset_key(asset) for asset in range(len(self.prices))]
        # What a fund pays a pool at most, an asset (inf: no limit).
        self.event_most: Floats = np.array([self._limits.get(key, np.inf) for key in keys])

    def batch(self, slots: Ints) -> Batch:
        """Copy some pools of the book."""
        return replace(
            self.book.batch(slots),
            markets=self._markets,
            tables=self._tables,
            asset_price=self.prices,
        )

    def widen(self) -> None:
        """Add the markets and assets that are new; the others stay as they were."""
        markets, prices = self.table.columns(), self.table.asset_prices()
        if len(markets.mark) == len(self._markets.mark) and len(prices) == len(self.prices):
            return
        self._markets = enlarged(self._markets, _copied_markets(markets))
        more = prices.copy()
        more[: len(self.prices)] = self.prices
        self.prices = more
        self.version += 1
        self._look()


def _copied_markets(columns: Markets) -> Markets:
    return Markets(**{each.name: getattr(columns, each.name).copy() for each in fields(Markets)})


def _copied_tables(columns: TierTables) -> TierTables:
    each = {field.name: getattr(columns, field.name).copy() for field in fields(TierTables)}
    return TierTables(**each)
