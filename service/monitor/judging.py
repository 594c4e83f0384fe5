"""Judging pools of the book: those a mark makes due, those that are named, those that should rest.

Most are judged by compiled code (`kernels`), which also keeps their bands. What it leaves (pools
over several assets, with something missing, with numbers of extreme size) is judged by the figures
of `risk.evaluate`, which are also what the audit holds all of it against.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from service.monitor.compiled import (
    SCRATCH_COLUMNS,
    Columns,
    Found,
)
from service.monitor.kernels import settle, tick
from service.risk import evaluate, liquidation_map
from service.risk.bands import plain_bands
from service.risk.book import Book
from service.risk.columns import Batch, Bools, Ints
from service.risk.evaluate import assess
from service.risk.holders import BLOCK
from service.risk.levels import NOT_PENDING, Levels, cap_stale, next_level, step
from service.risk.margin import PoolFigures
from service.risk.markets import MarketTable


@dataclass(frozen=True, slots=True)
class Changed:
    """Pools that are at another level now, or whose wait to fall has begun or ended."""

    slots: Ints
    before: Levels
    waited: Bools  # fell because the wait was over

    def __len__(self) -> int:
        return len(self.slots)


NOTHING = Changed(np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.bool_))


def both(first: Changed, second: Changed) -> Changed:
    """Return what two looks found as one."""
    if not (len(first) and len(second)):
        return first if len(first) else second
    return Changed(
        np.concatenate([first.slots, second.slots]),
        np.concatenate([first.before, second.before]),
        np.concatenate([first.waited, second.waited]),
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What `risk.evaluate` leads to: where pools were, and where the machine of levels goes."""

    slots: Ints
    batch: Batch
    figures: PoolFigures
    before: Levels
    pending_before: Ints
    level: Levels
    pending_since: Ints

    def changed(self) -> Ints:
        """Return the indices of pools at another level, or with a wait begun or given up."""
        return np.flatnonzero(
            (self.level != self.before) | (self.pending_since != self.pending_before)
        )

    def waited(self) -> Bools:
        """Whether a pool fell because its waiting ended."""
        waiting = (self.pending_before != NOT_PENDING) & (self.batch.pools.ease_after_ms > 0)
        ended: Bools = waiting & (self.level < self.before) & self.figures.open
        return ended


def judge(book: Book, slots: Ints, event_time_ms: int) -> Judgement:
    """Evaluate live pools at the marks as they are; nothing is written."""
    batch = book.batch(slots)
    figures = assess(batch).pools
    before, pending = book.pools.level[slots], book.pools.pending_since[slots]
    level, since = step(
        before,
        pending,
        cap_stale(heading(batch, figures, before), before, figures.stale),
        ease_after_ms=batch.pools.ease_after_ms,
        event_time=event_time_ms,
        open_=figures.open,
    )
    return Judgement(slots, batch, figures, before, pending, level, since)


def heading(batch: Batch, figures: PoolFigures, current: Levels) -> Levels:
    """Return where pools that stand at `current` would be by their figures, were none stale."""
    lines = batch.pools
    return next_level(
        figures.level,
        current,
        figures.equity,
        figures.maintenance_margin,
        open_=figures.open,
        unpriced=figures.unpriced,
        warning=lines.warning,
        margin_call=lines.margin_call,
        hysteresis=lines.hysteresis,
    )


class Judge:
    """Brings pools of a book up to date; levels, waits and bands are written here alone."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.judged = 0  # pools, since the start
        self.blocks = 0  # of bands that were looked at
        self._found = _room(0)
        self._scratch = np.empty((1, SCRATCH_COLUMNS))

    def tick(self, markets: Iterable[int], event_time_ms: int) -> Changed:
        """Judge the pools whose bands do not hold the present marks of these markets."""
        self._book.sync()
        columns, found = self._columns(), self._emptied()
        arranged = []
        for market in markets:
            if market < len(columns.segments) and tick(columns, found, market, event_time_ms):
                arranged.append(market)
        changed = self._told(found, event_time_ms, write=True)
        for market in arranged:
            self._book.holders.arrange(market, float(columns.markets["mark"][market]))
        return changed

    def settle(self, slots: Ints, event_time_ms: int) -> Changed:
        """Judge these live pools (each named once), whatever their bands say."""
        return self._settled(slots, event_time_ms, write=True)

    def check(self, slots: Ints, event_time_ms: int) -> Changed:
        """Give these pools bands and tell which are not where they should be; levels stay."""
        return self._settled(slots, event_time_ms, write=False)

    def _settled(self, slots: Ints, event_time_ms: int, write: bool) -> Changed:
        self._book.sync()
        found = self._emptied()
        settle(self._columns(), found, slots, event_time_ms, write)
        return self._told(found, event_time_ms, write)

    def _told(self, found: Found, event_time_ms: int, write: bool) -> Changed:
        """Return what was found, after what was left has been judged by `risk.evaluate`."""
        moved, elsewhere, judged, blocks = found.counts.tolist()
        self.judged += judged
        self.blocks += blocks
        changed = NOTHING
        if moved:
            slots = found.slot[:moved].astype(np.int64)
            changed = Changed(slots, found.before[:moved].copy(), found.waited[:moved].copy())
        if elsewhere:
            slots = np.unique(found.elsewhere[:elsewhere])
            changed = both(changed, self._judged_elsewhere(slots, event_time_ms, write))
        return changed

    def _judged_elsewhere(self, slots: Ints, event_time_ms: int, write: bool) -> Changed:
        book, slots = self._book, slots.astype(np.int64)
        judged = judge(book, slots, event_time_ms)
        if write:
            book.pools.level[slots] = judged.level
            book.pools.pending_since[slots] = judged.pending_since
        book.holders.set_bands(book.rows_of(slots), *plain_bands(judged.batch))
        changed = judged.changed()
        return Changed(slots[changed], judged.before[changed], judged.waited()[changed])

    def _columns(self) -> Columns:
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
        )

    def _emptied(self) -> Found:
        """Return room for what may be found: a pool may be named once a leg."""
        needed = max(len(self._book.legs.contracts), len(self._book.pools.account))
        if len(self._found.slot) < needed:
            self._found = _room(needed)
        self._found.counts[:] = 0
        return self._found


def _room(pools: int) -> Found:
    return Found(
        np.empty(pools, np.int32),
        np.empty(pools, np.int8),
        np.empty(pools, np.bool_),
        np.empty(pools, np.int32),
        np.zeros(4, np.int64),
        np.empty(pools, np.int32),
        np.empty(pools // BLOCK + 2, np.int32),
    )


def warm_up() -> None:
    """Have everything compiled, or read from where it was kept: no tick waits for that later.

    What evaluates comes last: an API worker that starts beside us has compiled it meanwhile.
    """
    judge = Judge(Book(MarketTable()))
    nobody = np.zeros(0, np.int64)
    judge.settle(nobody, 0)
    judge.check(nobody, 0)
    judge.tick((0,), 0)
    evaluate.warm_up()
    liquidation_map.warm_up()
