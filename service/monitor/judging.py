"""Evaluating some pools of the book, and writing down what follows: levels, waits and bands."""

from dataclasses import dataclass

import numpy as np

from service.risk.bands import safe_bands
from service.risk.book import Book
from service.risk.columns import Batch, Bools, Ints
from service.risk.evaluate import assess
from service.risk.levels import NOT_PENDING, Levels, cap_stale, next_level, step
from service.risk.margin import PoolFigures


@dataclass(frozen=True, slots=True)
class Judgement:
    """What evaluating pools says: where they were, and where the machine of levels puts them."""

    slots: Ints
    batch: Batch
    figures: PoolFigures
    before: Levels
    pending_before: Ints
    level: Levels
    pending_since: Ints

    def moved(self) -> Ints:
        """Return the indices of pools at another level now."""
        return np.flatnonzero(self.level != self.before)

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
    figures, lines = assess(batch).pools, batch.pools
    before, pending = book.pools.level[slots], book.pools.pending_since[slots]
    heading = next_level(
        figures.level,
        before,
        figures.equity,
        figures.maintenance_margin,
        open_=figures.open,
        unpriced=figures.unpriced,
        warning=lines.warning,
        margin_call=lines.margin_call,
        hysteresis=lines.hysteresis,
    )
    level, since = step(
        before,
        pending,
        cap_stale(heading, before, figures.stale),
        ease_after_ms=lines.ease_after_ms,
        event_time=event_time_ms,
        open_=figures.open,
    )
    return Judgement(slots, batch, figures, before, pending, level, since)


def write_down(book: Book, judged: Judgement) -> None:
    """Make the judgement the book's state, with the bands that hold from here."""
    book.pools.level[judged.slots] = judged.level
    book.pools.pending_since[judged.slots] = judged.pending_since
    write_bands(book, judged)


def write_bands(book: Book, judged: Judgement) -> None:
    """Write the bands that hold for the judged pools at these marks."""
    figures = judged.figures
    bands = safe_bands(
        judged.batch, figures.equity, figures.maintenance_margin, figures.unpriced, judged.level
    )
    book.holders.set_bands(book.rows_of(judged.slots), bands.low, bands.high)
