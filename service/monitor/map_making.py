"""A shard's part of a liquidation map, a thousand accounts after the other."""

import asyncio

import numpy as np

from service.contract.map_parts import MapCell, MapPart, MapQuestion
from service.monitor.pictures import Picture
from service.monitor.shards import Shards
from service.risk.book import Book
from service.risk.columns import Batch, Floats, Ints
from service.risk.liquidation_map import FIELDS, Found, walk
from service.risk.shocks import Shock, shock_of


class MapMaking:
    """A map of one book."""

    def __init__(self, shards: Shards, asked: MapQuestion) -> None:
        self._asked = asked
        self.picture = Picture(shards, asked.limits)
        self._look()

    def _look(self) -> None:
        asked, table = self._asked, self.picture.table
        self._version = self.picture.version
        self.shock: Shock = shock_of(table, asked.symbol, asked.venue, np.array(asked.factors))

    def begin(self) -> "MapSums":
        """Return a part with nothing in it."""
        return MapSums(self, len(self._asked.factors))

    def batch(self, accounts: Ints) -> Batch:
        """Copy those pools of some accounts that the shock may move."""
        book = self.picture.book
        slots = book.slots_of_all(accounts)
        self.picture.widen()
        if self._version != self.picture.version:
            self._look()
        if not self.shock.everything:
            slots = slots[_may_move(book, slots, self.shock)]
        return self.picture.batch(slots)

    def prices_of(self, asset: int) -> Floats:
        """Return an asset's price in USD at each point."""
        moves = self.shock.assets[asset]
        prices: Floats = self.picture.prices[asset] * np.where(moves, self.shock.factor, 1.0)
        return prices


def _may_move(book: Book, slots: Ints, shock: Shock) -> Ints:
    """Return the indices of pools with a position that moves, and of all over several assets."""
    counts = book.pools.legs[slots]
    moves = shock.markets[book.legs.market[book.rows_of(slots)]]
    owners = np.repeat(np.arange(len(slots)), counts)
    moved = np.bincount(owners, moves, len(slots)) > 0.0
    return np.flatnonzero(moved | book.pools.multi[slots])


class MapSums:
    """What the pieces of a shard add up to."""

    def __init__(self, making: MapMaking, points: int) -> None:
        self._making = making
        self._accounts = self._pools = self._unpriced = 0
        self._liquidated, self._short = np.zeros((2, points), np.int64)
        self._sums: dict[int, Floats] = {}  # by asset

    async def add(self, accounts: Ints) -> None:
        """Walk some accounts, in another thread."""
        self._accounts += len(accounts)
        making = self._making
        batch = making.batch(accounts)
        if len(batch.pools.rule):
            most = making.picture.event_most
            self._add(await asyncio.to_thread(walk, batch, making.shock, most))
        else:
            await asyncio.sleep(0)

    def _add(self, found: Found) -> None:
        self._pools += found.pools
        self._unpriced += found.unpriced
        self._liquidated += found.accounts
        self._short += found.accounts_short
        for asset, sums in zip(found.assets.tolist(), found.sums, strict=True):
            if asset in self._sums:
                self._sums[asset] += sums
            else:
                self._sums[asset] = sums

    def told(self) -> MapPart:
        """Return it as it is answered; money that nothing is ever liquidated in is left out."""
        making, picture = self._making, self._making.picture
        cells = [
            MapCell(*picture.table.asset_key(asset), making.prices_of(asset).tolist(), _flat(sums))
            for asset, sums in self._sums.items()
            if sums.any()
        ]
        return MapPart(
            picture.market_id,
            self._accounts,
            self._pools,
            self._unpriced,
            self._liquidated.tolist(),
            self._short.tolist(),
            cells,
        )


def _flat(sums: Floats) -> list[float]:
    assert sums.shape[1] == FIELDS
    values: list[float] = sums.ravel().tolist()
    return values
