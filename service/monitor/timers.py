"""Which pools are to be looked at at which event time: falls that wait, and reminders.

Compiled code notes a fall as it begins to wait, and looks at the pools whose time has come
(`waits`, `ticks`). Everything else is noted here.
"""

import numpy as np

from service.monitor.compiled import Waits
from service.monitor.reminders import NEVER, Reminders
from service.monitor.waits import WAIT, push_all
from service.risk.book import Book
from service.risk.columns import Ints
from service.risk.levels import NOT_PENDING
from service.risk.rows import Records


class Heap:
    """The heap's columns; a time too many is harmless: the evaluation decides."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._heap: Records = np.empty(64, WAIT)
        self._used: Ints = np.zeros(1, np.int64)

    def __len__(self) -> int:
        return int(self._used[0])

    def columns(self, more: int) -> Waits:
        """Return the columns, with room for so many more; what is not used takes no memory."""
        needed = len(self) + more
        if needed > len(self._heap):
            heap: Records = np.empty(needed + needed // 4, WAIT)
            heap[: len(self)] = self._heap[: len(self)]
            self._heap = heap
        pools = self._book.pools
        return Waits(self._heap, self._used, pools.queued, pools.account)

    def push(self, due_ms: Ints, slots: Ints) -> None:
        """Have each of these pools looked at at its time, unless it is already."""
        push_all(self.columns(len(slots)), due_ms, slots)

    def clear(self) -> None:
        self._used[0] = 0


class Timers:
    """Sees to it that pools are looked at in time that compiled code has not noted."""

    def __init__(self, book: Book, reminders: Reminders, heap: Heap) -> None:
        self._book, self._reminders, self._heap = book, reminders, heap

    def watch(self, slots: Ints) -> None:
        """See to it that those of these pools that wait for anything are due in time."""
        pools = self._book.pools
        slots = slots[pools.level[slots] > 0]  # nobody else waits
        if len(slots):
            due = np.minimum(self._falls(slots), self._reminders.due(slots))
            waiting = due != NEVER
            self._heap.push(due[waiting], slots[waiting])

    def _falls(self, slots: Ints) -> Ints:
        """Return when the falls of these pools have waited long enough; NEVER: none waits."""
        since = self._book.pools.pending_since[slots]
        return np.where(since == NOT_PENDING, NEVER, since + self._book.ease_after_ms(slots))

    def rebuild(self) -> None:
        """Begin anew from the book, after its slots have changed."""
        self._heap.clear()
        slots = self._book.live_slots()
        self._book.pools.queued[slots] = 0
        self.watch(slots)
