"""Accounts with versions, and the changes a monitor takes in.

A write is two steps: the shard's script (JSON, version, change), then a notice in the market stream
that binds the change to a place in the one order. A writer that dies in between leaves a change
without a notice; the owner of the shard sees it by `counters` and appends the notice. `load` gives
accounts as of the change id that the owner has committed, whatever was written since.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import CallInProgress, UnknownAccount, VersionMismatch
from service.store import keys
from service.store.claims import Outcome
from service.store.client import Client
from service.store.commands import Part, ScriptCall, load_script
from service.store.keys import ShardKeys
from service.store.market_stream import MarketStream

ACCOUNTS_A_BATCH = 1_000  # what is on the way at a time: some milliseconds of work for each side
ACCOUNTS_A_CALL = 250  # the server does nothing else during a call
CHANGES_A_TRIM = 2_000  # some milliseconds of the server
ENTRIES_A_READ = 16  # of a shard, of up to a hundred changes each
ACK = "ack"  # the cause of a change that is none: an alert of the account was acknowledged
_MISSING, _OTHER_VERSION, _NOT_OURS = -1, -2, -3


@dataclass(frozen=True, slots=True)
class AccountChange:
    """One write of an account; `doc` is None when it was deleted.

    Of cause ACK `doc` is the seq of an alert that was acknowledged, and the account as it was.
    """

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
        self,
        account_key: str,
        doc: bytes,
        cause: str = "account",
        if_version: int | None = None,
        outcome: Outcome | None = None,
    ) -> int:
        """Store an account and return its new version.

        `if_version` is the version it must have now, 0 for none there; `VersionMismatch` when not.
        With `outcome` it is done only while the call's claim is there, else `CallInProgress`.
        `StoreUnavailable` leaves the outcome open: the same call again is safe, it writes the same
        account under a further version.
        """
        assert doc
        return await self._write(account_key, doc, cause, if_version, outcome)

    async def delete(self, account_key: str, if_version: int | None = None) -> int:
        """Remove an account; return its removal's version; `UnknownAccount` when not there."""
        return await self._write(account_key, b"", "account", if_version)

    async def _write(
        self,
        account_key: str,
        doc: bytes,
        cause: str,
        if_version: int | None,
        outcome: Outcome | None = None,
    ) -> int:
        shard = self.shard_of(account_key)
        expected = "" if if_version is None else if_version
        call = self._put_call(shard, cause, (account_key, doc, expected), outcome)
        change, version = await self._client.run(call.script, call.keys, call.arguments)
        if version == _MISSING:
            raise UnknownAccount("there is no such account")
        if version == _OTHER_VERSION:
            raise VersionMismatch("the account has another version by now")
        if version == _NOT_OURS:
            raise CallInProgress("somebody else carries this call out")
        await self._market.append_changes([(shard, change)])
        return int(version)

    async def put_many(
        self, accounts: Sequence[tuple[str, bytes]], cause: str = "account"
    ) -> list[int]:
        """Store accounts, each atomic by itself; return versions in order; one notice a shard."""
        places: dict[int, list[int]] = defaultdict(list)
        for place, (account_key, _) in enumerate(accounts):
            places[self.shard_of(account_key)].append(place)
        versions, upto = [0] * len(accounts), {}
        for batch in _batches(places):
            calls = [
                self._put_call(shard, cause, list(_items(accounts, found)))
                for shard, found in batch
            ]
            answers = await self._client.batch(calls)
            for (shard, found), answer in zip(batch, answers, strict=True):
                upto[shard], *new = answer
                for place, version in zip(found, new, strict=True):
                    versions[place] = version
        await self._market.append_changes(sorted(upto.items()))
        return versions

    def _put_call(
        self, shard: int, cause: str, items: Sequence[Part], outcome: Outcome | None = None
    ) -> ScriptCall:
        of = self._shards[shard]
        names = (of.accounts, of.versions, of.before, of.changes, of.state, of.history)
        if outcome is None:
            return ScriptCall(self._put, names, (cause, "", "", "", *items))
        claim = outcome.claim
        stored = (claim.record, claim.outcome(outcome.answer), claim.kept_ms)
        return ScriptCall(self._put, (*names, claim.key), (cause, *stored, *items))

    async def get(self, account_key: str) -> tuple[bytes, int] | None:
        """Return an account's JSON and version as stored now, None when it is not there."""
        of = self._shards[self.shard_of(account_key)]
        doc, version = await self._client.batch(
            [("HGET", of.accounts, account_key), ("HGET", of.versions, account_key)], atomic=True
        )
        return None if doc is None else (doc, _version(version))

    async def get_many(self, account_keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        """Return JSON and version, as stored now, of those of the accounts that are there."""
        shards = [self._shards[self.shard_of(key)] for key in account_keys]
        answers = await self._client.batch(
            command
            for key, of in zip(account_keys, shards, strict=True)
            for command in (("HGET", of.versions, key), ("HGET", of.accounts, key))
        )
        found = zip(account_keys, answers[::2], answers[1::2], strict=True)
        return {key: (doc, _version(version)) for key, version, doc in found if doc is not None}

    async def versions(self, account_keys: Sequence[str]) -> list[int]:
        """Return the newest version of each account, which a deletion has too; 0: never there."""
        answers = await self._client.batch(
            [("HGET", self._shards[self.shard_of(key)].versions, key) for key in account_keys]
        )
        return [0 if answer is None else _version(answer) for answer in answers]

    async def load(
        self, shard: int, count: int = 2_000
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
                    (of.accounts, of.versions, of.before, of.state),
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
        found: list[AccountChange] = []
        more = after < upto
        while more and len(found) < count:
            ((page, more),) = await self.next_changes([(shard, after, upto)])
            found += page
            after = found[-1].change_id if found else upto
        return found[:count]

    async def next_changes(
        self, wanted: Sequence[tuple[int, int, int]]
    ) -> list[tuple[list[AccountChange], bool]]:
        """Return by (shard, after, upto) the next changes, and whether there are more behind them.

        All shards are asked in one go: a server that is busy makes us wait once.
        """
        answers = await self._client.batch(
            [
                ("XRANGE", self._shards[shard].changes, f"({after}-0", "+", "COUNT", ENTRIES_A_READ)
                for shard, after, _ in wanted
            ]
        )
        pages = []
        for (_, after, upto), rows in zip(wanted, answers, strict=True):
            page = [one for row in rows for one in _changes(row) if after < one.change_id <= upto]
            more = len(rows) == ENTRIES_A_READ and bool(page) and page[-1].change_id < upto
            pages.append((page, more))
        return pages

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
        """Drop committed changes older or beyond the newest `keep`; return up to which id."""
        of, more = self._shards[shard], 1
        names = (of.changes, of.state, of.versions, of.history)
        while more:
            arguments = (before_ms, keep, CHANGES_A_TRIM)
            cut, more = await self._client.run(self._trim, names, arguments)
        return int(cut)


def _version(stored: bytes) -> int:
    return int(stored.partition(b" ")[0])


def _batches(places: Mapping[int, list[int]]) -> Iterator[list[tuple[int, list[int]]]]:
    """Yield the places of shards, in parts that together are not much more than a batch."""
    batch: list[tuple[int, list[int]]] = []
    accounts = 0
    for shard, found in places.items():
        for start in range(0, len(found), ACCOUNTS_A_CALL):
            batch.append((shard, found[start : start + ACCOUNTS_A_CALL]))
            accounts += len(batch[-1][1])
            if accounts >= ACCOUNTS_A_BATCH:
                yield batch
                batch, accounts = [], 0
    if batch:
        yield batch


def _items(accounts: Sequence[tuple[str, bytes]], places: Sequence[int]) -> Iterator[Part]:
    """Yield what the script takes of each account: key, JSON, the version it must have (any)."""
    for place in places:
        yield from accounts[place]
        yield ""


def _new_rows(flat: Sequence[bytes], seen: set[bytes]) -> list[tuple[str, int, bytes]]:
    rows = []
    for key, version, doc in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        if key not in seen:  # a scan may show an account twice
            seen.add(key)
            rows.append((key.decode(), int(version), doc))
    return rows


def _changes(row: Any) -> list[AccountChange]:
    """Return the changes of an entry; its id is the last one's."""
    identifier, (_, time, *flat) = row
    first = int(identifier[:-2]) - len(flat) // 4 + 1
    time_ms = int(time)
    return [
        AccountChange(change_id, key.decode(), int(version), cause.decode(), doc or None, time_ms)
        for change_id, key, version, cause, doc in zip(
            range(first, first + len(flat) // 4),
            flat[::4],
            flat[1::4],
            flat[2::4],
            flat[3::4],
            strict=True,
        )
    ]
