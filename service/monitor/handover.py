"""Shards that come in while the monitor runs: from a book of their own into the main one.

A shard that was just taken stands where its former owner committed it, the main book further on. So
new shards are taken in by a second book, a nursery: it recovers them exactly as a start does,
commits their alerts as it finds them, and follows the stream until it is where the main book is.
From then on the two go in step, entry for entry, and account after account is copied over, a few at
a time. A copied account is judged by both books, to the same end, since a judgement depends on
nothing but the account, its levels and the stream; only the nursery tells of it. When all accounts
of a shard are copied its ledger changes sides between two entries, and the main book tells. Nothing
of it goes through the store, nothing stands still meanwhile, and a crash at any moment leaves what
a crash always leaves: shards as they were committed.
"""

import time
from collections import deque
from collections.abc import Sequence

import numpy as np

from service.monitor.engine import Engine
from service.monitor.shards import Shards

COPY_ACCOUNTS = 500  # at a time: some milliseconds
STEP_S = 0.02  # no step begins another slice after so long
LOOKED_UP = 10_000  # accounts of a shard, found in one go


def adopt(engine: Engine, source: Engine, accounts: Sequence[int]) -> None:
    """Take over accounts, by their indices in an engine at the same market id, as they are."""
    assert source.market_id == engine.market_id
    theirs, mine = source.book, engine.book
    keys = [theirs.keys[account] for account in accounts]
    indices = np.array([mine.enter(key) for key in keys], np.int64)
    them = np.array(accounts, np.int64)
    for name in ("seq", "version"):
        getattr(mine.accounts, name)[indices] = getattr(theirs.accounts, name)[them]
    with_pools = np.flatnonzero(theirs.accounts.pools[them])
    if len(with_pools):
        names = [keys[row] for row in with_pools.tolist()]
        versions = theirs.accounts.version[them[with_pools]].tolist()
        states = theirs.marked_states(them[with_pools])
        named = {theirs.keys[account]: found for account, found in states.items()}
        engine.load(names, versions, theirs.statements_of(them[with_pools]), named)


class Handover:
    """From a nursery that has caught up to the main book; `step` belongs to the main task."""

    def __init__(self, nursery: Shards, main: Shards) -> None:
        self._nursery, self._main = nursery, main
        self._left = deque(nursery.ledgers)
        self._copied = 0  # accounts of the nursery below this, of the first shard left, are copied
        self._next: list[int] = []  # are to be copied next, the first of them last

    @property
    def done(self) -> bool:
        return not self._left

    async def step(self) -> None:
        """Follow to where the main book is and bring it a few more accounts."""
        await self._nursery.follow_to(self._main.engine.market_id)
        if self._nursery.engine.market_id > self._main.engine.market_id:
            return  # they were committed further on than we are: the main book comes there too
        if self._main.residents.leaving:
            return  # perhaps from the last time we had the same shards
        copied, started = [], time.monotonic()
        while self._left and time.monotonic() - started < STEP_S:
            shard = self._left[0]
            if shard not in self._nursery.ledgers:
                self._give_up(shard)
            elif not self._copy(shard):
                continue
            else:
                copied.append(shard)
            self._left.popleft()
            self._copied, self._next = 0, []
        await self._move(copied)

    def _copy(self, shard: int) -> bool:
        """Copy some accounts; return whether all are copied."""
        nursery, main = self._nursery, self._main
        if shard not in main.guests:
            main.guests[shard] = nursery.ledgers[shard].drained_to
        if not self._next:
            self._next = nursery.residents.of(shard, self._copied, LOOKED_UP)[::-1]
        part = self._next[-COPY_ACCOUNTS:][::-1]
        del self._next[-COPY_ACCOUNTS:]
        adopt(main.engine, nursery.engine, part)
        main.residents.count()
        if part:
            self._copied = part[-1] + 1
        return not self._next and not nursery.residents.of(shard, self._copied, 1)

    async def _move(self, shards: Sequence[int]) -> None:
        """Let the main book tell of these shards from here on; nothing is followed meanwhile."""
        await self._nursery.commit_last(shards)
        for shard in shards:
            ledger = self._nursery.ledgers.pop(shard, None)
            if ledger is None:  # refused
                self._give_up(shard)
                continue
            assert self._main.guests.pop(shard) == ledger.drained_to
            self._main.ledgers[shard] = ledger

    def _give_up(self, shard: int) -> None:
        if self._main.guests.pop(shard, None) is not None:
            self._main.residents.leave(shard)
