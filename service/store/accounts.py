"""Accounts with versions, and the changes a monitor takes in.

A write is two steps: the shard's script (JSON, version, change), then a notice in the market stream
that binds the change to a place in the one order. A writer that dies in between leaves a change
without a notice; the owner of the shard sees it by `counters` and appends the notice. `load` gives
accounts as of the change id that the owner has committed, whatever was written since.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import UnknownAccount, VersionMismatch
from service.store import keys
from service.store.client import Client
from service.store.commands import Part, ScriptCall, load_script
from service.store.keys import ShardKeys
from service.store.market_stream import MarketStream

ACCOUNTS_A_BATCH = 4_000  # bounds what is on the way at a time
_MISSING, _OTHER_VERSION = -1, -2


@dataclass(frozen=True, slots=True)
class AccountChange:
    """One write of an account; `doc` is None when it was deleted."""

    change_id: int
    account_key: str
    version: int
    cause: str
    doc: bytes | None
    time_ms: int


@dataclass(frozen=True, slots=True)
class ShardCounter:
    """How many changes a shard has, and up to which its owner has committed."""

    shard: int
    changes: int
    committed: int


class Accounts:
    """Reads and writes accounts of all shards."""

    def __init__(self, client: Client, market: MarketStream, shards: int) -> None:
        self._client = client
        self._market = market
        self._shards = [ShardKeys(shard) for shard in range(shards)]
        self._put = load_script("put_accounts")
        self._read = load_script("read_accounts")
        self._trim = load_script("trim_changes")

    def shard_of(self, account_key: str) -> int:
        """Return the shard an account lives in."""
        return keys.shard_of(account_key, len(self._shards))

    async def put(
        self, account_key: str, doc: bytes, cause: str = "account", if_version: int | None = None
    ) -> int:
        """Store an account and return its new version.

        `if_version` is the version it must have now, 0 for none there; `VersionMismatch` when not.
        `StoreUnavailable` leaves the outcome open: the same call again is safe, it writes the same
        account under a further version.
        """
        assert doc
        return await self._write(account_key, doc, cause, if_version)

    async def delete(self, account_key: str, if_version: int | None = None) -> int:
        """Remove an account; return its removal's version; `UnknownAccount` when not there."""
        return await self._write(account_key, b"", "account", if_version)

    async def _write(self, account_key: str, doc: bytes, cause: str, if_version: int | None) -> int:
        shard = self.shard_of(account_key)
        item = (account_key, doc, cause, "" if if_version is None else if_version)
        call = self._put_call(shard, [item])
        change, version = await self._client.run(call.script, call.keys, call.arguments)
        if version == _MISSING:
            raise UnknownAccount("there is no such account")
        if version == _OTHER_VERSION:
            raise VersionMismatch("the account has another version by now")
        await self._market.append_changes([(shard, change)])
        return int(version)

    async def put_many(
        self, accounts: Sequence[tuple[str, bytes]], cause: str = "account"
    ) -> list[int]:
        """Store accounts, each atomic by itself; return versions in order; one notice a shard."""
        versions: list[int] = []
        upto: dict[int, int] = {}
        for start in range(0, len(accounts), ACCOUNTS_A_BATCH):
            versions += await self._put_batch(
                accounts[start : start + ACCOUNTS_A_BATCH], cause, upto
            )
        await self._market.append_changes(sorted(upto.items()))
        return versions

    async def _put_batch(
        self, accounts: Sequence[tuple[str, bytes]], cause: str, upto: dict[int, int]
    ) -> list[int]:
        by_shard: dict[int, list[int]] = defaultdict(list)
        for index, (account_key, _) in enumerate(accounts):
            by_shard[self.shard_of(account_key)].append(index)
        calls = [
            self._put_call(shard, [(*accounts[index], cause, "") for index in indexes])
            for shard, indexes in by_shard.items()
        ]
        answers = await self._client.batch(calls)
        versions = [0] * len(accounts)
        for (shard, indexes), answer in zip(by_shard.items(), answers, strict=True):
            upto[shard], *new = answer
            for index, version in zip(indexes, new, strict=True):
                versions[index] = version
        return versions

    def _put_call(self, shard: int, items: Sequence[Sequence[Part]]) -> ScriptCall:
        of = self._shards[shard]
        names = (of.accounts, of.versions, of.last, of.before, of.changes, of.state)
        return ScriptCall(self._put, names, [part for item in items for part in item])

    async def get(self, account_key: str) -> tuple[bytes, int] | None:
        """Return an account's JSON and version as stored now, None when it is not there."""
        of = self._shards[self.shard_of(account_key)]
        doc, version = await self._client.batch(
            [("HGET", of.accounts, account_key), ("HGET", of.versions, account_key)], atomic=True
        )
        return None if doc is None else (doc, int(version))

    async def load(
        self, shard: int, count: int = 1_000
    ) -> AsyncIterator[list[tuple[str, int, bytes]]]:
        """Yield chunks of (account key, version, JSON) as of the committed change id.

        Only the owner may call it: a commit meanwhile would move what it reads. Writes meanwhile do
        not matter.
        """
        of = self._shards[shard]
        seen: set[bytes] = set()
        for step in ("accounts", "before"):
            cursor = b"0"
            while True:
                cursor, *flat = await self._client.run(
                    self._read,
                    (of.accounts, of.versions, of.before, of.last, of.state),
                    (step, cursor, count),
                )
                chunk = _new_rows(flat, seen)
                if chunk:
                    yield chunk
                if cursor == b"0":
                    break

    async def changes(
        self, shard: int, after: int, upto: int, count: int = 1_000
    ) -> list[AccountChange]:
        """Return the first `count` changes with after < change id <= upto, oldest first."""
        if after >= upto:
            return []
        rows = await self._client.call(
            "XRANGE", self._shards[shard].changes, f"({after}-0", f"{upto}-0", "COUNT", count
        )
        return [_change(row) for row in rows]

    async def counters(self) -> list[ShardCounter]:
        """Return the counters of every shard."""
        answers = await self._client.batch(
            [("HMGET", of.state, "changes", "changeId") for of in self._shards]
        )
        return [
            ShardCounter(shard, int(changes or 0), int(committed or 0))
            for shard, (changes, committed) in enumerate(answers)
        ]

    async def trim_changes(self, shard: int, before_ms: int, keep: int) -> int:
        """Drop committed changes older or beyond the newest `keep`; return the highest id gone."""
        of = self._shards[shard]
        return int(await self._client.run(self._trim, (of.changes, of.state), (before_ms, keep)))


def _new_rows(flat: Sequence[bytes], seen: set[bytes]) -> list[tuple[str, int, bytes]]:
    rows = []
    for key, version, doc in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        if key not in seen:  # a scan may show an account twice
            seen.add(key)
            rows.append((key.decode(), int(version), doc))
    return rows


def _change(row: Any) -> AccountChange:
    identifier, (_, key, _, version, _, cause, _, doc, _, time) = row
    return AccountChange(
        int(identifier[:-2]), key.decode(), int(version), cause.decode(), doc or None, int(time)
    )
