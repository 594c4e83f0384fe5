"""Reminders: an alert told again while its level lasts, by the rule of its account.

A reminder is due so long after the alert or the reminder before it, in event time, and written at
the first entry that is as late as that: one, however many were missed in a silence. A rule that
ends with an acknowledgement hears of it in the stream, as of a change of the account; what counts
is the alert itself or the newest of its reminders. So every run over a stream writes the same ones.
"""

from collections.abc import Iterable

import numpy as np

from service.risk.book import Book
from service.risk.columns import Ints
from service.store.accounts import AccountChange

NEVER = np.iinfo(np.int64).max


class Reminders:
    """What the book's columns say of pools that are to be told of again."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def due(self, slots: Ints) -> Ints:
        """Return when each of these pools is told of again, in event time; NEVER: it is not."""
        pools = self._book.pools
        lines = self._book.lines.columns[pools.lines[slots]]
        every, ends = lines["repeat_every_ms"], lines["repeat_until_acknowledged"]
        lasts = (pools.level[slots] > 0) & (every > 0) & ~(ends & pools.acknowledged[slots])
        last = np.maximum(pools.since[slots], pools.reminded_at[slots])
        return np.where(lasts, last + every, NEVER)

    def of(self, slots: Ints, event_time_ms: int) -> Ints:
        """Return those of these pools whose reminder is due."""
        return slots[self.due(slots) <= event_time_ms]

    def note(self, slots: Ints, seqs: Ints, event_time_ms: int) -> None:
        """Let these pools know that they were told of again, by the alerts of these seqs."""
        self._book.pools.reminded_seq[slots] = seqs
        self._book.pools.reminded_at[slots] = event_time_ms

    def acknowledge(self, acks: Iterable[AccountChange]) -> list[int]:
        """Note what was acknowledged; return the accounts that have a pool of which it is true."""
        book, accounts = self._book, []
        for ack in acks:
            account = book.find(ack.account_key)
            if account is None or ack.doc is None:
                continue
            slots, seq = book.slots_of(account), int(ack.doc)
            told = (book.pools.level_seq[slots] == seq) | (book.pools.reminded_seq[slots] == seq)
            meant = slots[told & (book.pools.level[slots] > 0)]
            if len(meant):
                book.pools.acknowledged[meant] = True
                accounts.append(account)
        return accounts
