"""The shards' alert logs, and the commits that write them.

A commit carries where its owner stands in the input and all that follows from it: levels, seqs,
alerts. It is one step in one slot, so that after a crash either all of it happened or nothing. It
is numbered: sent again (because the reply was lost) it is recognised, and it is refused once
another owner holds the shard. Alerts count 1, 2, 3 ... in each shard; that count is the offset a
reader resumes from.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from service.store import keys
from service.store.client import Client
from service.store.commands import Part, ScriptCall, load_script
from service.store.keys import ShardKeys
from service.store.market_stream import pairs

Outcome = Literal["committed", "repeated", "lease_lost", "out_of_step"]


@dataclass(frozen=True, slots=True)
class ShardState:
    """What a new owner goes on from.

    `token` is its own, the rest as the last commit left it (zeros before the first).
    """

    token: int
    number: int
    market_id: int
    change_id: int
    offset: int
    changes: int  # account changes there are


@dataclass(frozen=True, slots=True)
class LogBlock:
    """Alerts that become one log entry: a JSON list; `account_keys` says whose each is."""

    account_keys: Sequence[str]
    alerts: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """One step of a shard. `number` is the last one's + 1; `offset` is the log's before it.

    `drained`: for each account with changes in it, its newest change id up to `change_id`.
    `levels`: JSON by account, b"" removes.
    """

    token: int
    number: int
    market_id: int
    change_id: int
    offset: int
    drained: Sequence[tuple[str, int]] = ()
    levels: Sequence[tuple[str, bytes]] = ()
    seqs: Sequence[tuple[str, int]] = ()
    blocks: Sequence[LogBlock] = ()


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Alerts `offset_first` .. `offset_last`; `account_keys` runs parallel to the JSON list."""

    offset_first: int
    offset_last: int
    account_keys: list[str]
    alerts: bytes


@dataclass(frozen=True, slots=True)
class LogTail:
    """A shard's newest offset, and the highest one that retention has dropped."""

    shard: int
    offset: int
    trimmed: int


class AlertLog:
    """Commits and reads the logs of all shards."""

    def __init__(self, client: Client, shards: int, blocking: Client | None = None) -> None:
        self._client = client
        self._blocking = blocking
        self._shards = [ShardKeys(shard) for shard in range(shards)]
        self._commit = load_script("commit_shard")
        self._acquire = load_script("acquire_shard")
        self._renew = load_script("renew_shard")
        self._trim = load_script("trim_log")

    async def acquire(self, shard: int, lease_ms: int = 5_000) -> ShardState:
        """Become the owner of a shard: the token before ours is worth nothing from now on."""
        of = self._shards[shard]
        answer = await self._client.run(self._acquire, (of.state, of.lease), (lease_ms,))
        return ShardState(*(int(value or 0) for value in answer))

    async def renew(self, tokens: Iterable[tuple[int, int]], lease_ms: int = 5_000) -> list[int]:
        """Say that we are alive as owner of (shard, token) pairs; return the shards lost.

        0 ms gives them back.
        """
        owned = list(tokens)
        calls = [
            ScriptCall(
                self._renew,
                (self._shards[shard].state, self._shards[shard].lease),
                (token, lease_ms),
            )
            for shard, token in owned
        ]
        answers = await self._client.batch(calls)
        return [shard for (shard, _), held in zip(owned, answers, strict=True) if not held]

    async def unowned(self) -> list[int]:
        """Return the shards without a live owner."""
        answers = await self._client.batch([("EXISTS", of.lease) for of in self._shards])
        return [shard for shard, alive in enumerate(answers) if not alive]

    async def commit(self, commits: Sequence[tuple[int, Commit]]) -> list[Outcome]:
        """Commit shards in one go, each atomic by itself; the outcome of each.

        `repeated`: it is stored already. `lease_lost`: another owner has the shard. `out_of_step`:
        it does not follow what is stored. The last two wrote nothing. After `StoreUnavailable` send
        exactly the same again.
        """
        answers = await self._client.batch([self._call(shard, commit) for shard, commit in commits])
        return [answer.decode() for answer in answers]

    def _call(self, shard: int, commit: Commit) -> ScriptCall:
        of = self._shards[shard]
        arguments: list[Part] = [commit.token, commit.number, commit.market_id, commit.change_id]
        arguments += [commit.offset, keys.ALERTS_CHANNEL, shard]
        arguments += [len(commit.drained), len(commit.levels), len(commit.seqs)]
        lists: tuple[Sequence[tuple[str, Part]], ...] = (commit.drained, commit.levels, commit.seqs)
        arguments += (part for pairs_of in lists for pair in pairs_of for part in pair)
        for block in commit.blocks:
            accounts = orjson.dumps(list(block.account_keys))
            arguments += (len(block.account_keys), accounts, block.alerts)
        names = (of.state, of.before, of.last, of.changes, of.levels, of.seqs, of.log, of.times)
        return ScriptCall(self._commit, names, arguments)

    async def read(self, shard: int, after: int, count: int = 100) -> list[LogEntry]:
        """Return up to `count` entries ending after offset `after`; the first may begin before."""
        return (await self.read_many([(shard, after)], count))[0]

    async def read_many(
        self, positions: Sequence[tuple[int, int]], count: int = 100
    ) -> list[list[LogEntry]]:
        """Read several (shard, after) in one go."""
        answers = await self._client.batch(
            [
                ("XRANGE", self._shards[shard].log, f"({after}-0", "+", "COUNT", count)
                for shard, after in positions
            ]
        )
        return [[_log_entry(row) for row in rows] for rows in answers]

    async def tails(self) -> list[LogTail]:
        """Return where every shard's log ends and how far back it reaches."""
        answers = await self._client.batch(
            [("HMGET", of.state, "offset", "trimmed") for of in self._shards]
        )
        return [
            LogTail(shard, int(offset or 0), int(trimmed or 0))
            for shard, (offset, trimmed) in enumerate(answers)
        ]

    async def levels(self, shard: int) -> tuple[int, dict[str, bytes]]:
        """Return a shard's log offset and, as of then, JSON states of accounts not at rest."""
        of = self._shards[shard]
        offset, levels = await self._client.batch(
            [("HGET", of.state, "offset"), ("HGETALL", of.levels)], atomic=True
        )
        return int(offset or 0), {key.decode(): states for key, states in pairs(levels)}

    async def levels_of(self, account_keys: Sequence[str]) -> dict[str, bytes]:
        """Return JSON pool states of those of the accounts that are not at rest."""
        shards = [self._shards[keys.shard_of(key, len(self._shards))] for key in account_keys]
        answers = await self._client.batch(
            [("HGET", of.levels, key) for of, key in zip(shards, account_keys, strict=True)]
        )
        found = zip(account_keys, answers, strict=True)
        return {key: states for key, states in found if states is not None}

    async def seqs(self, shard: int) -> dict[str, int]:
        """Return the last alert seq of every account of a shard that ever had one."""
        flat = await self._client.call("HGETALL", self._shards[shard].seqs)
        return {key.decode(): int(seq) for key, seq in pairs(flat)}

    async def trim_log(self, shard: int, before_ms: int, keep: int) -> int:
        """Drop entries older or wholly beyond the newest `keep`; return the highest offset gone."""
        of = self._shards[shard]
        return int(
            await self._client.run(self._trim, (of.log, of.times, of.state), (before_ms, keep))
        )

    async def listen(self) -> AsyncIterator[tuple[int, int] | None]:
        """Yield None once listening, then (shard, offset) after each commit with alerts.

        It is a wake-up; the log is the truth.
        """
        assert self._blocking is not None
        async for message in self._blocking.listen(keys.ALERTS_CHANNEL):
            if message is None:
                yield None
            else:
                shard, _, offset = message.partition(b":")
                yield int(shard), int(offset)


def _log_entry(row: Any) -> LogEntry:
    identifier, (_, count, _, accounts, _, alerts) = row
    last = int(identifier[:-2])
    return LogEntry(last - int(count) + 1, last, orjson.loads(accounts), alerts)
