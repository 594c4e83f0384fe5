"""Which pools are to be looked at at which event time: falls that wait, and reminders."""

import heapq

import numpy as np

from service.monitor.reminders import NEVER, Reminders
from service.risk.book import Book
from service.risk.columns import Ints
from service.risk.levels import NOT_PENDING


class Timers:
    """A heap of (due, slot); a timer too many is harmless: the evaluation decides.

    `queued` of a pool is the time it stands in the heap for, so that no evaluation adds it twice.
    """

    def __init__(self, book: Book, reminders: Reminders) -> None:
        self._book, self._reminders = book, reminders
        self._heap: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def watch(self, slots: Ints) -> None:
        """See to it that those of these pools that wait for anything are due in time."""
        if not len(slots):
            return
        pools = self._book.pools
        slots = slots[pools.level[slots] > 0]  # nobody else waits
        if len(slots):
            due = np.minimum(self._falls(slots), self._reminders.due(slots))
            for index in np.flatnonzero((due != pools.queued[slots]) & (due != NEVER)).tolist():
                slot = int(slots[index])
                pools.queued[slot] = due[index]
                heapq.heappush(self._heap, (int(due[index]), slot))

    def _falls(self, slots: Ints) -> Ints:
        """Return when the falls of these pools have waited long enough; NEVER: none waits."""
        since = self._book.pools.pending_since[slots]
        return np.where(since == NOT_PENDING, NEVER, since + self._book.ease_after_ms(slots))

    def is_due(self, event_time_ms: int) -> bool:
        """Whether `pop` would have any."""
        return bool(self._heap) and self._heap[0][0] <= event_time_ms

    def pop(self, event_time_ms: int) -> Ints:
        """Return the pools whose time has come."""
        slots, pools = [], self._book.pools
        while self._heap and self._heap[0][0] <= event_time_ms:
            due, slot = heapq.heappop(self._heap)
            if pools.queued[slot] == due:
                pools.queued[slot] = 0
            if pools.account[slot] >= 0:
                slots.append(slot)
        return np.array(slots, np.int64)

    def rebuild(self) -> None:
        """Begin anew from the book, after its slots have changed."""
        self._heap.clear()
        slots = self._book.live_slots()
        self._book.pools.queued[slots] = 0
        self.watch(slots)
