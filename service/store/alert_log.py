"""The shards' alert logs, and the commits that write them.

A commit carries where its owner stands in the input and all that follows from it: levels, seqs,
alerts. It is one step in one slot, so that after a crash either all of it happened or nothing. It
is numbered: sent again (because the reply was lost) it is recognised, and it is refused once
another owner holds the shard. Alerts count 1, 2, 3 ... in each shard; that count is the offset a
reader resumes from.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from service.store import keys
from service.store.client import Client
from service.store.commands import Command, Part, ScriptCall, load_script, pairs
from service.store.keys import ShardKeys
from service.store.log_entries import (
    LogBlock,
    LogEntry,
    Written,
    pack_entries,
    read_entry,
    unpack_entries,
    write_block,
)

Outcome = Literal["committed", "repeated", "lease_lost", "out_of_step"]

Overhear = Callable[[int, list[LogEntry]], None]  # what is told of a shard's new entries

ENTRIES_A_TRIM = 50  # some milliseconds of the server
SENT_BYTES = 16_384  # of alerts a commit: more is not sent to those who listen, they read it
LEASE_MS = 2_000  # who says nothing for so long is dead, and others take its shards


@dataclass(frozen=True, slots=True)
class ShardState:
    """What a new owner goes on from.

    `token` is its own, the rest as the last commit left it (zeros before the first). `ahead` alerts
    are in the log beyond the position: who derives them again passes over them.
    """

    token: int
    number: int
    market_id: int
    change_id: int
    offset: int
    changes: int  # account changes there are
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """One step of a shard. `number` is the last one's + 1; `offset` is the log's before it.

    `drained`: for each account with changes in it, its newest change id up to `change_id`.
    `levels`: JSON by account, b"" removes. `ahead`: alerts in the log, with these, beyond the
    position that is given.
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
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class LogTail:
    """A shard's newest offset, and the highest one that retention has dropped.

    `settled` is the offset up to which its levels are: alerts after it are in the log only.
    """

    shard: int
    offset: int
    trimmed: int
    settled: int

    def reaches(self, offset: int) -> bool:
        """Whether everything after this offset is in the log, and the log got there."""
        return self.trimmed <= offset <= self.offset


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

    async def acquire(
        self, shards: Sequence[int], lease_ms: int = LEASE_MS
    ) -> dict[int, ShardState]:
        """Become the owner of those of the shards that have no live one; return their states.

        The tokens before ours are worth nothing from now on. After `StoreUnavailable` some may be
        owned by nobody until the lease ends.
        """
        calls = [
            ScriptCall(
                self._acquire, (self._shards[shard].state, self._shards[shard].lease), (lease_ms,)
            )
            for shard in shards
        ]
        answers = await self._client.batch(calls)
        return {
            shard: ShardState(*(int(value or 0) for value in answer))
            for shard, answer in zip(shards, answers, strict=True)
            if answer is not None
        }

    async def renew(self, tokens: Iterable[tuple[int, int]], lease_ms: int = LEASE_MS) -> list[int]:
        """Say that we are alive as owner of (shard, token) pairs; return the shards lost.

        0 ms gives them back: the tokens are worth nothing then.
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

    async def unowned(self, besides: Collection[int] = ()) -> list[int]:
        """Return the shards without a live owner; `besides` are known to have one."""
        asked = [shard for shard in range(len(self._shards)) if shard not in besides]
        answers = await self._client.batch([("EXISTS", self._shards[one].lease) for one in asked])
        return [shard for shard, alive in zip(asked, answers, strict=True) if not alive]

    async def committed(self) -> int:
        """Return the least market id that every shard has committed, whoever owns it."""
        answers = await self._client.batch([("HGET", of.state, "marketId") for of in self._shards])
        return min(int(market_id or 0) for market_id in answers)

    async def commit(self, commits: Sequence[tuple[int, Commit]]) -> list[Outcome]:
        """Commit shards in one go, each atomic by itself; the outcome of each.

        `repeated`: it is stored already. `lease_lost`: another owner has the shard. `out_of_step`:
        it does not follow what is stored. The last two wrote nothing. After `StoreUnavailable` send
        exactly the same again.

        Readers are woken once for all, so that they can put in order what belongs together.
        """
        # Between a cluster's nodes a message waits for the acknowledgement of the one before, some
        # 40 ms: wake-ups would come late, and one overtake the other.
        sent_bytes = 0 if await self._client.is_cluster() else SENT_BYTES
        commands: list[Command] = [
            self._call(shard, commit, sent_bytes) for shard, commit in commits
        ]
        ends = [
            f"{shard}:{commit.offset + sum(len(block.account_keys) for block in commit.blocks)}"
            for shard, commit in commits
            if commit.blocks
        ]
        if ends:
            commands.append(("PUBLISH", keys.ALERTS_CHANNEL, " ".join(ends)))
        answers = await self._client.batch(commands)
        return [answer.decode() for answer in answers[: len(commits)]]

    def _call(self, shard: int, commit: Commit, sent_bytes: int) -> ScriptCall:
        of = self._shards[shard]
        kept = [part for key, states in commit.levels if states for part in (key, states.decode())]
        lists: tuple[list[str], ...] = (
            [part for key, change in commit.drained for part in (key, str(change))],
            kept,
            [key for key, states in commit.levels if not states],
            [part for key, seq in commit.seqs for part in (key, str(seq))],
        )
        arguments: list[Part] = [commit.token, commit.number, commit.market_id, commit.change_id]
        # A list is one argument: of a burst's commit the client would look at each by itself. Lua's
        # reader knows text, not bytes.
        arguments += (commit.offset, commit.ahead, *map(_pack, lists))
        written = [write_block(block) for block in commit.blocks]
        arguments += _sent_along(shard, commit.offset, written, sent_bytes)
        for entry in written:
            arguments += entry
        names = (of.state, of.before, of.versions, of.changes, of.levels, of.seqs, of.log, of.times)
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
        return [[read_entry(row) for row in rows] for rows in answers]

    async def tails(self) -> list[LogTail]:
        """Return where every shard's log ends and how far back it reaches."""
        answers = await self._client.batch(
            [("HMGET", of.state, "offset", "trimmed", "ahead") for of in self._shards]
        )
        tails = []
        for shard, values in enumerate(answers):
            offset, trimmed, ahead = (int(value or 0) for value in values)
            tails.append(LogTail(shard, offset, trimmed, offset - ahead))
        return tails

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
        names = (of.log, of.times, of.state, of.floors, of.acks)
        more = 1
        while more:
            arguments = (before_ms, keep, ENTRIES_A_TRIM)
            cut, more = await self._client.run(self._trim, names, arguments)
        return int(cut)

    async def listen(
        self, overhear: Overhear | None = None
    ) -> AsyncIterator[list[tuple[int, int]] | None]:
        """Yield None once listening, then (shard, offset) of shards that were committed together.

        It is a wake-up, and may come before the commits; the log is the truth. `overhear` is told
        of committed entries that are small, mostly before the wake-up: they need not be read. Of a
        cluster it is told nothing.
        """
        assert self._blocking is not None
        channels = [keys.ALERTS_CHANNEL] if overhear is None else keys.CHANNELS
        async for message in self._blocking.listen(*channels):
            if message is None:
                yield None
            elif message.channel == keys.ALERTS_CHANNEL:
                ends = (end.partition(b":") for end in message.data.split(b" "))
                yield [(int(shard), int(offset)) for shard, _, offset in ends]
            elif overhear is not None:
                overhear(*unpack_entries(message.data))


def _sent_along(
    shard: int, offset: int, written: Sequence[Written], most: int
) -> tuple[str, bytes]:
    """Return channel and text that a commit publishes once it is done; no channel: nothing.

    `most`: bytes of alerts.
    """
    if not written or sum(len(alerts) for _, _, alerts, _, _ in written) > most:
        return "", b""
    return keys.ENTRIES_CHANNEL, pack_entries(shard, offset, written)


_pack = msgspec.msgpack.Encoder().encode
