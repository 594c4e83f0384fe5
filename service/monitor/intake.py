"""Accounts as they change: from the stream into the book, and whom a round looks at for that."""

import logging
from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from service.contract.alerts import Cause
from service.contract.stored import read_statements
from service.errors import ServiceError
from service.monitor.rounds import Round
from service.monitor.stats import EngineStats
from service.risk.book import Book
from service.risk.columns import Statements
from service.store.accounts import AccountChange

_log = logging.getLogger(__name__)

_KNOWN_CAUSES: Mapping[str, Cause] = {cause: cause for cause in get_args(Cause)}


class Intake:
    """Puts accounts into a book; `touched` are those whose states may be named anew."""

    def __init__(self, book: Book, stats: EngineStats, touched: set[int]) -> None:
        self._book, self._stats, self._touched = book, stats, touched

    def resettle(self, markets: Sequence[int], work: Round) -> None:
        """Sort the positions of markets that settle in another asset now into their pools anew."""
        if not markets:
            return
        slots = np.concatenate([self._book.holders_of(market) for market in markets])
        owners = np.unique(self._book.pools.account[slots]).astype(np.int64)
        if len(owners):
            keys = [self._book.keys[owner] for owner in owners.tolist()]
            self._put(keys, self._book.statements_of(owners), work)

    def replace(self, changes: Sequence[AccountChange], work: Round) -> None:
        """Apply one change each of some accounts."""
        keys: list[str] = []
        documents: list[bytes] = []
        for change in changes:
            index = self._book.enter(change.account_key)
            self._book.accounts.version[index] = change.version
            if change.cause != work.cause:
                work.causes[index] = _KNOWN_CAUSES.get(change.cause, "account")
            if change.doc is None:
                work.gone += [(index, state) for state in self._book.remove(index)]
            else:
                keys.append(change.account_key)
                documents.append(change.doc)
        if documents:
            given, unread = read_statements(documents)
            self.say_unread({keys[place]: error for place, error in unread.items()})
            self._put([key for at, key in enumerate(keys) if at not in unread], given, work)

    def say_unread(self, errors: Mapping[str, ServiceError]) -> None:
        """Count and log accounts that cannot be read; nobody else waits for them."""
        self._stats.unreadable += len(errors)
        for key, error in errors.items():
            _log.error("%s cannot be read: %s", key, error)

    def _put(self, keys: Sequence[str], given: Statements, work: Round) -> None:
        places = self._book.put_statements(keys, given)
        for index, states in places:
            work.gone += [(index, state) for state in states]
        slots = self._book.slots_of_all(np.array([index for index, _ in places], np.int64))
        work.slots.append(slots)
        risen = slots[self._book.pools.level[slots] != 0]  # their states may be named anew
        self._touched.update(self._book.pools.account[risen].tolist())
