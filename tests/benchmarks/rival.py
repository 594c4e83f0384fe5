"""The strongest rival: a compiled scan of the ticked symbol's positions that keeps running sums.

At every mark it takes each of the symbol's positions from its last contribution to the new one in
its pool's equity and maintenance, and then holds the pools of all of them against the lines. It
knows what the benchmark's books hold (one thresholds set, marginal tiers by notional, requirement
on mark, no fees) and nothing else, and it never computes a sum anew.
"""

from typing import Any

import numpy as np

from service.monitor.kernels import heading_of
from service.risk.book import Book
from service.risk.columns import Floats, Ints
from service.risk.compiled import compiled
from service.risk.legs import tier_of
from service.risk.levels import NOT_PENDING


class Rival:
    """Its own columns, filled from a book; levels begin as the book's."""

    def __init__(self, book: Book) -> None:
        rows = np.argsort(book.legs.market[: book.positions], kind="stable")
        markets = len(book.table.columns().mark)
        self._ends = np.cumsum(np.bincount(book.legs.market[rows], minlength=markets)).tolist()
        self._pool = book.legs.pool[rows].astype(np.int64)
        self._size, self._entry = book.legs.size[rows].copy(), book.legs.entry_price[rows].copy()
        self._table, self._linear = book.table.tables(), book.table.columns().linear
        self._pnl, self._required = np.zeros(len(rows)), np.zeros(len(rows))
        pools = len(book)
        self._equity, self._maintenance = book.pools.wallet[:pools].copy(), np.zeros(pools)
        self.level = book.pools.level[:pools].copy()
        self.pending = np.full(pools, NOT_PENDING)
        self._lines = book.lines.columns

    def tick(self, market: int, mark: float, event_time_ms: int) -> int:
        """Take one mark; returns how many pools changed their level."""
        part = slice(self._ends[market - 1] if market else 0, self._ends[market])
        _add_up(
            (self._pool[part], self._size[part], self._entry[part]),
            (self._pnl[part], self._required[part], self._equity, self._maintenance),
            (self._table.floor, self._table.rate, self._table.deduction),
            (market, bool(self._linear[market]), mark),
        )
        figures = (self._equity, self._maintenance, self.level, self.pending)
        return int(_step(self._pool[part], figures, self._lines, event_time_ms))


@compiled
def _add_up(
    legs: tuple[Ints, Floats, Floats],
    sums: tuple[Floats, Floats, Floats, Floats],
    tiers: tuple[Floats, Floats, Floats],
    now: tuple[int, bool, float],
) -> None:
    pool, sizes, entries = legs
    pnls, requirements, equity, maintenance = sums
    floor, rate, deduction = tiers
    table, linear, mark = now
    for index in range(len(pool)):
        size, entry = sizes[index], entries[index]
        pnl = size * (mark - entry)
        notional = abs(size) * mark
        if not linear:
            pnl, notional = pnl / entry / mark, abs(size) / mark
        tier = tier_of(floor, table, notional)
        required = notional * rate[table, tier] - deduction[table, tier]
        equity[pool[index]] += pnl - pnls[index]
        maintenance[pool[index]] += required - requirements[index]
        pnls[index], requirements[index] = pnl, required


@compiled
def _step(pool: Ints, figures: tuple[Any, Any, Any, Any], lines: Any, event_time_ms: int) -> int:
    equity, maintenance, levels, pending = figures
    moved = 0
    for index in range(len(pool)):
        slot = pool[index]
        before, since = levels[slot], pending[slot]
        heading = heading_of(lines[0], before, equity[slot], maintenance[slot], 0)
        level, wait = heading, NOT_PENDING
        if heading < before:
            begun = event_time_ms if since == NOT_PENDING else since
            if event_time_ms - begun < lines[0].ease_after_ms:
                level, wait = before, begun
        levels[slot], pending[slot] = level, wait
        moved += level != before
    return moved
