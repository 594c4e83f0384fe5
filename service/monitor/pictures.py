"""The market of a book as it was at one moment, to work on accounts copied later.

A long calculation goes by one set of marks, while the book follows the stream. What the table
learns of meanwhile (a market that nobody had held, an asset) is added as it then is.
"""

from dataclasses import fields, replace

import numpy as np

from service.contract.map_parts import MapQuestion
from service.monitor.shards import Shards
from service.risk.book import Book
from service.risk.columns import Batch, Floats, Ints, Markets, TierTables, enlarged
from service.risk.shocks import Shock, shock_of


class Picture:
    """What a map of one book goes by."""

    def __init__(self, shards: Shards, asked: MapQuestion) -> None:
        self._asked = asked
        self._table = shards.engine.book.table
        self._limits = {(limit.venue, limit.asset): limit.most for limit in asked.limits}
        self.market_id = shards.engine.market_id
        self._markets = _copied_markets(self._table.columns())
        self._prices = self._table.asset_prices().copy()
        self._look()

    def _look(self) -> None:
        table, asked = self._table, self._asked
        self._tables = _copied_tables(table.tables())
        self.shock: Shock = shock_of(table, asked.symbol, asked.venue, np.array(asked.factors))
        keys = [table.asset_key(asset) for asset in range(len(self._prices))]
        self.event_most: Floats = np.array([self._limits.get(key, np.inf) for key in keys])

    def batch(self, book: Book, accounts: Ints) -> Batch:
        """Copy those pools of some accounts that the shock may move."""
        slots = book.slots_of_all(accounts)
        self._widen()
        if not self.shock.everything:
            slots = slots[_may_move(book, slots, self.shock)]
        return replace(
            book.batch(slots),
            markets=self._markets,
            tables=self._tables,
            asset_price=self._prices,
        )

    def key_of(self, asset: int) -> tuple[str, str]:
        """Return the venue and the name of an asset."""
        return self._table.asset_key(asset)

    def prices_of(self, asset: int) -> Floats:
        """Return an asset's price in USD at each point."""
        moves = self.shock.assets[asset]
        prices: Floats = self._prices[asset] * np.where(moves, self.shock.factor, 1.0)
        return prices

    def _widen(self) -> None:
        """Add the markets and assets that are new; the others stay as they were."""
        markets, prices = self._table.columns(), self._table.asset_prices()
        if len(markets.mark) == len(self._markets.mark) and len(prices) == len(self._prices):
            return
        self._markets = enlarged(self._markets, _copied_markets(markets))
        more = prices.copy()
        more[: len(self._prices)] = self._prices
        self._prices = more
        self._look()


def _may_move(book: Book, slots: Ints, shock: Shock) -> Ints:
    """Return the indices of pools with a position that moves, and of all over several assets."""
    counts = book.pools.legs[slots]
    moves = shock.markets[book.legs.market[book.rows_of(slots)]]
    owners = np.repeat(np.arange(len(slots)), counts)
    moved = np.bincount(owners, moves, len(slots)) > 0.0
    return np.flatnonzero(moved | book.pools.multi[slots])


def _copied_markets(columns: Markets) -> Markets:
    return Markets(**{each.name: getattr(columns, each.name).copy() for each in fields(Markets)})


def _copied_tables(columns: TierTables) -> TierTables:
    each = {field.name: getattr(columns, field.name).copy() for field in fields(TierTables)}
    return TierTables(**each)
