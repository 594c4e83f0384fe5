"""Judging pools of the book by the figures of `risk.evaluate`, whole columns at a time.

Compiled code (`kernels`) judges most pools most of the time; this is what the audit holds it
against, and what judges those that it leaves.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.book import Book
from service.risk.columns import Batch, Bools, Ints
from service.risk.evaluate import assess
from service.risk.levels import NOT_PENDING, Levels, held_back, next_level, step
from service.risk.margin import PoolFigures


@dataclass(frozen=True, slots=True)
class Changed:
    """Pools that are at another level now, or whose wait to fall has begun or ended."""

    slots: Ints
    before: Levels
    level: Levels
    waited: Bools  # fell because the wait was over

    def __len__(self) -> int:
        return len(self.slots)


_NO_LEVELS = np.zeros(0, np.int8)
NOTHING = Changed(np.zeros(0, np.int64), _NO_LEVELS, _NO_LEVELS, np.zeros(0, np.bool_))


def both(first: Changed, second: Changed) -> Changed:
    """Return what two looks found as one."""
    if not (len(first) and len(second)):
        return first if len(first) else second
    return Changed(
        np.concatenate([first.slots, second.slots]),
        np.concatenate([first.before, second.before]),
        np.concatenate([first.level, second.level]),
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

    def changed(self) -> Changed:
        """Return the pools at another level, or with a wait begun or given up."""
        rows = np.flatnonzero(
            (self.level != self.before) | (self.pending_since != self.pending_before)
        )
        return Changed(self.slots[rows], self.before[rows], self.level[rows], self.waited()[rows])

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
        held_back(heading(batch, figures, before), before, figures.most),
        ease_after_ms=batch.pools.ease_after_ms,
        event_time=event_time_ms,
        open_=figures.open,
    )
    return Judgement(slots, batch, figures, before, pending, level, since)


def heading(batch: Batch, figures: PoolFigures, current: Levels) -> Levels:
    """Return where pools that stand at `current` would be by their figures, were all marks good."""
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
