"""One shard's accounts in plain Python, taken step by step beside the real store."""

import random
from collections.abc import Iterator

from service.store.alert_log import Commit, ShardState
from tests.store.stores import Store, own

Accounts = dict[str, tuple[int, bytes]]  # account key -> version, JSON


async def loaded(store: Store, shard: int) -> Accounts:
    """What `load` gives, each account once."""
    rows = [row async for chunk in store.accounts.load(shard) for row in chunk]
    accounts = {key: (version, doc) for key, version, doc in rows}
    assert len(accounts) == len(rows)
    return accounts


class ShardModel:
    """The owner of shard 0: every change there was, and how many are committed."""

    shard = 0

    def __init__(self, store: Store, state: ShardState) -> None:
        self.changes: list[tuple[str, int, bytes | None]] = []  # account key, version, JSON
        self.committed = 0
        self._store = store
        self._state = state
        self._number = state.number
        candidates = [f"default/{number}" for number in range(100)]
        self._names = dict(
            zip("abc", [name for name in candidates if self.owns(name)], strict=False)
        )

    @classmethod
    async def owner(cls, store: Store) -> "ShardModel":
        return cls(store, await own(store, cls.shard))

    def owns(self, account_key: str) -> bool:
        return self._store.accounts.shard_of(account_key) == self.shard

    def accounts_at(self, upto: int) -> dict[str, tuple[int, bytes | None]]:
        """The newest version of each account after the first `upto` changes, deleted ones too."""
        return {key: (version, doc) for key, version, doc in self.changes[:upto]}

    def committed_accounts(self) -> Accounts:
        at = self.accounts_at(self.committed)
        return {key: (version, doc) for key, (version, doc) in at.items() if doc is not None}

    def drained(self, after: int, upto: int) -> list[tuple[str, int]]:
        """For each account with changes in (after, upto] its newest change id."""
        newest = {self.changes[number - 1][0]: number for number in range(after + 1, upto + 1)}
        return sorted(newest.items())

    def write(self, account_key: str, doc: bytes | None) -> int:
        """Note a write and return the version that it must get."""
        version = self.accounts_at(len(self.changes)).get(account_key, (0, None))[0] + 1
        self.changes.append((account_key, version, doc))
        return version

    def random_steps(self, seed: int, count: int) -> Iterator[str]:
        chance = random.Random(seed)
        steps = ["put a", "put b", "put c", "delete a", "delete b", "commit one", "commit all"]
        return (chance.choice(steps) for _ in range(count))

    async def take(self, step: str) -> None:
        """Do a step in the store and here; both must agree on its outcome."""
        verb, _, name = step.partition(" ")
        if verb == "commit":
            waiting = len(self.changes) - self.committed
            await self.commit(self.committed + (min(waiting, 1) if name == "one" else waiting))
            return
        key = self._names[name]
        present = self.accounts_at(len(self.changes)).get(key, (0, None))[1] is not None
        if verb == "put":
            doc = b"doc %d" % len(self.changes)
            assert await self._store.accounts.put(key, doc) == self.write(key, doc)
        elif present:
            assert await self._store.accounts.delete(key) == self.write(key, None)

    async def commit(self, upto: int) -> None:
        self._number += 1
        drained = self.drained(self.committed, upto)
        commit = Commit(self._state.token, self._number, 0, upto, 0, drained=drained)
        assert await self._store.log.commit([(self.shard, commit)]) == ["committed"]
        self.committed = upto
