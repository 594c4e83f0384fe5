"""Which shard each account of a book belongs to: by index, because a book counts its accounts so.

An account of a shard that its monitor does not own (any more, or not yet) is a shadow: it is judged
like the others, and nobody is told.
"""

from array import array
from collections import deque
from collections.abc import Collection

import numpy as np

from service.monitor.engine import Engine
from service.risk.columns import Ints
from service.store.keys import shard_of


class Residents:
    """The accounts of a book by shard; `leave` and `forget` clear out a shard bit by bit."""

    def __init__(self, engine: Engine, shards: int) -> None:
        self._engine = engine
        self._shards = shards
        self._shard: array[int] = array("H")  # by account; as far as they were looked at
        self._leaving: deque[int] = deque()
        self._at = 0  # accounts of the first leaving shard below this are gone

    def shard_of(self, account: int) -> int:
        if account >= len(self._shard):
            self.count()
        return self._shard[account]

    def shards_of(self, accounts: Ints) -> Ints:
        """Return the shard of each of these accounts."""
        self.count()
        found: Ints = np.frombuffer(self._shard, np.uint16)[accounts].astype(np.int64)
        return found

    def count(self) -> None:
        """Look at the accounts that are new."""
        keys = self._engine.book.keys
        new = range(len(self._shard), len(keys))
        self._shard.extend(shard_of(keys[account], self._shards) for account in new)

    def held(self, shards: Collection[int]) -> int:
        """Return how many accounts of these shards are in the book and have a pool."""
        self.count()
        has_pools = self._engine.book.accounts.pools[: len(self._shard)] > 0
        if len(shards) < self._shards:
            counted = np.zeros(self._shards, np.bool_)
            counted[list(shards)] = True
            has_pools &= counted[np.frombuffer(self._shard, np.uint16)]
        return int(np.count_nonzero(has_pools))

    def of(self, shard: int, first: int, count: int) -> list[int]:
        """Return the first `count` accounts of a shard from `first` on, gone ones too."""
        self.count()
        found = np.flatnonzero(np.array(self._shard[first:], np.uint16) == shard)[:count]
        return [first + int(place) for place in found]

    def all_of(self, shard: int) -> Ints:
        """Return all accounts of a shard, gone ones too."""
        self.count()
        return np.flatnonzero(np.frombuffer(self._shard, np.uint16) == shard)

    @property
    def leaving(self) -> bool:
        return bool(self._leaving)

    def leave(self, shard: int) -> None:
        """Let the accounts of a shard be forgotten."""
        self._leaving.append(shard)

    def forget(self, count: int) -> None:
        """Take up to `count` accounts of a leaving shard out of the book."""
        if not self._leaving:
            return
        part = self.of(self._leaving[0], self._at, count)
        self._engine.book.drop(np.array(part, np.int64))
        if self._engine.book.wasteful:
            self._engine.compact()
        if len(part) < count:
            self._leaving.popleft()
            self._at = 0
        else:
            self._at = part[-1] + 1
