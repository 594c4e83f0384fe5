"""Who judges pools of the book: those that marks make due, those that are named.

Most are judged by compiled code (`ticks`, `kernels`), which also keeps their bands. What it leaves
(pools over several assets, with something missing, with numbers of extreme size) is judged by
`judging`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.monitor.compiled import (
    COUNTS,
    NOWHERE,
    REMINDED,
    SCRATCH_COLUMNS,
    TOLD_AGAIN,
    WORN,
    Columns,
    Found,
    Marks,
)
from service.monitor.judging import NOTHING, Changed, both, judge
from service.monitor.kernels import settle
from service.monitor.ticks import MANY_CHANGED, tick
from service.monitor.timers import Heap
from service.risk import evaluate, liquidation_map
from service.risk.bands import plain_bands
from service.risk.book import Book
from service.risk.columns import Ints
from service.risk.holders import BLOCK
from service.risk.markets import MarketTable
from service.risk.simulate import whole

ROWS_MAX = 512  # of entries that are judged in one go
_NO_MARKETS, _NO_MARKS = (NOWHERE,), (np.nan,)


class Entries:
    """Entries to be judged one after the other: a row a market that one has moved, at least one."""

    def __init__(self) -> None:
        self.rows = 0
        self.marks = Marks(
            np.empty(ROWS_MAX, np.int64),
            np.empty(ROWS_MAX),
            np.empty(ROWS_MAX, np.int64),
            np.empty(ROWS_MAX, np.bool_),
            np.empty(ROWS_MAX, np.int64),
            np.empty(ROWS_MAX, np.int64),
            np.empty(ROWS_MAX, np.int64),
            np.empty(ROWS_MAX, np.bool_),
        )

    def add(self, markets: Sequence[int], marks: Sequence[float], event_time_ms: int) -> None:
        """Add an entry with the markets it moves, and their marks by now."""
        for market, mark in zip(markets or _NO_MARKETS, marks or _NO_MARKS, strict=True):
            row, to = self.rows, self.marks
            to.market[row], to.mark[row] = market, mark
            to.event_time_ms[row], to.last[row] = event_time_ms, False
            self.rows += 1
        self.marks.last[self.rows - 1] = True

    def has_room(self, markets: int) -> bool:
        """Whether there is room for an entry that moves so many."""
        return self.rows + max(1, markets) <= ROWS_MAX


class Ticked(NamedTuple):
    """What the first `rows` of some entries have come to; the last of them may leave more to do.

    `moved`, `judged` and `blocks` are by row: pools at another level so far, the judge's totals.
    """

    rows: int
    changed: Changed
    moved: list[int]
    judged: list[int]
    blocks: list[int]
    elsewhere: Ints  # pools that are still to be judged
    reminded: Ints  # pools whose reminder may be due, a pool may come twice
    leaves_more: bool


class Judge:
    """Brings pools of a book up to date; levels, waits and bands are written here alone."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.waits = Heap(book)
        self.judged = 0  # pools, since the start
        self.blocks = 0  # of bands that were looked at
        self._found = _room(0)
        self._scratch = np.empty((1, SCRATCH_COLUMNS))

    def tick(self, entries: Entries) -> Ticked:
        """Judge the pools that entries make due, by marks and time, as far as that goes at once."""
        self._book.sync()
        found, marks, judged, blocks = self._emptied(), entries.marks, self.judged, self.blocks
        rows = tick(self._columns(found), found, marks, entries.rows)
        if found.counts[WORN]:
            self._arrange(marks.market[:rows][marks.worn[:rows]])
        changed, elsewhere = self._told(found)
        reminded, told_again = found.counts[REMINDED], found.counts[TOLD_AGAIN]
        return Ticked(
            rows,
            changed,
            marks.moved[:rows].tolist(),
            [judged + count for count in marks.judged[:rows].tolist()],
            [blocks + count for count in marks.blocks[:rows].tolist()],
            elsewhere,
            found.reminded[:reminded].astype(np.int64) if reminded else NOTHING.slots,
            bool(len(elsewhere) or reminded or told_again),
        )

    def settle(self, slots: Ints, event_time_ms: int) -> Changed:
        """Judge these live pools (each named once), whatever their bands say."""
        return self._settled(slots, event_time_ms, write=True)

    def check(self, slots: Ints, event_time_ms: int) -> Changed:
        """Give these pools bands and tell which are not where they should be; levels stay."""
        return self._settled(slots, event_time_ms, write=False)

    def settle_elsewhere(self, slots: Ints, event_time_ms: int, write: bool = True) -> Changed:
        """Judge by `risk.evaluate` those pools that compiled code has left."""
        if not len(slots):
            return NOTHING
        book = self._book
        judged = judge(book, slots, event_time_ms)
        if write:
            book.pools.level[slots] = judged.level
            book.pools.pending_since[slots] = judged.pending_since
        book.holders.set_bands(book.rows_of(slots), *plain_bands(judged.batch))
        return judged.changed()

    def _settled(self, slots: Ints, event_time_ms: int, write: bool) -> Changed:
        self._book.sync()
        found = self._emptied()
        settle(self._columns(found), found, slots, event_time_ms, write)
        changed, elsewhere = self._told(found)
        return both(changed, self.settle_elsewhere(elsewhere, event_time_ms, write))

    def _told(self, found: Found) -> tuple[Changed, Ints]:
        """Return what was found, and what was left to be judged elsewhere."""
        moved, left, judged, blocks, *_ = found.counts.tolist()
        self.judged += judged
        self.blocks += blocks
        changed, elsewhere = NOTHING, NOTHING.slots
        if moved:
            changed = Changed(
                found.slot[:moved].astype(np.int64),
                found.before[:moved].copy(),
                found.level[:moved].copy(),
                found.waited[:moved].copy(),
            )
        if left:
            elsewhere = np.unique(found.elsewhere[:left]).astype(np.int64)
        return changed, elsewhere

    def _arrange(self, markets: Ints) -> None:
        """Put markets in order again of which so many blocks were looked at for nothing."""
        present = self._book.market_rows.rows["mark"]
        for market in set(markets.tolist()):
            self._book.holders.arrange(market, float(present[market]))

    def _columns(self, found: Found) -> Columns:
        book, holders = self._book, self._book.holders
        tables = book.table.tables()
        if len(self._scratch) < book.longest:
            self._scratch = np.empty((book.longest, SCRATCH_COLUMNS))
        return Columns(
            book.pools.hot,
            book.legs.hot,
            book.legs.contracts,
            holders.arena.low,
            holders.arena.high,
            holders.arena.row,
            holders.blocks.low,
            holders.blocks.high,
            holders.segments,
            book.market_rows.rows,
            tables.floor,
            tables.rate,
            tables.deduction,
            tables.rebate,
            book.lines.columns,
            self._scratch,
            self.waits.columns(len(found.slot)),
        )

    def _emptied(self) -> Found:
        """Return room for what may be found: at one entry a pool may be named once a leg, and once
        a time it waits for."""
        needed = max(len(self._book.legs.contracts), len(self._book.pools.account))
        needed += len(self.waits) + MANY_CHANGED
        if len(self._found.slot) < needed:
            self._found = _room(needed + needed // 4)
        self._found.counts[:] = 0
        return self._found


def _room(pools: int) -> Found:
    return Found(
        np.empty(pools, np.int32),
        np.empty(pools, np.int8),
        np.empty(pools, np.int8),
        np.empty(pools, np.bool_),
        np.empty(pools, np.int32),
        np.empty(pools, np.int32),
        np.zeros(COUNTS, np.int64),
        np.empty(pools, np.int32),
        np.empty(pools // BLOCK + 2, np.int32),
    )


def warm_up() -> None:
    """Have everything compiled, or read from where it was kept: no tick waits for that later.

    What evaluates comes last: an API worker that starts beside us has compiled it meanwhile.
    """
    judge, nobody, nothing = Judge(Book(MarketTable())), NOTHING.slots, Entries()
    judge.settle(nobody, 0)
    judge.check(nobody, 0)
    nothing.add((), (), 0)
    judge.tick(nothing)
    judge.waits.push(nobody, nobody)
    evaluate.warm_up()
    liquidation_map.warm_up()
    whole.warm_up()
