"""The monitor's store in memory: what a commit carries survives, and any call may die.

`crash_at(n)` makes the n-th call of the monitor fail for good, before or after it took effect;
`CrashedError` is what the monitor sees then.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import orjson

from service.errors import StoreUnavailable
from service.store.accounts import ACK, AccountChange, ShardCounter
from service.store.alert_log import Commit, Outcome, ShardState
from service.store.keys import shard_of
from service.store.log_entries import split_alerts
from service.store.market_stream import MarketEntry

SHARDS = 2
CHANGES_A_PAGE = 3
_OWN = ("timestamp", "epoch")
Log: TypeAlias = list[dict[str, object]]


def log_of(alerts: Iterable[bytes]) -> Log:
    """Return alerts without what two runs may differ in."""
    told = [orjson.loads(alert) for alert in alerts]
    return [{key: value for key, value in alert.items() if key not in _OWN} for alert in told]


class CrashedError(Exception):
    """The monitor's process is gone."""


@dataclass
class Shard:
    """One shard as it is stored."""

    token: int = 0
    number: int = 0
    market_id: int = 0
    change_id: int = 0
    ahead: int = 0
    changes: list[AccountChange] = field(default_factory=list)
    levels: dict[str, bytes] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    log: list[tuple[str, bytes]] = field(default_factory=list)


class FakeStore:
    """Market stream, accounts and alert log."""

    def __init__(self, shards: int = SHARDS) -> None:
        self.entries: list[MarketEntry] = []
        self.shards = [Shard() for _ in range(shards)]
        self.snapshots: dict[int, bytes] = {}
        self.calls = 0
        self.lost: list[bool] = []  # of the next commits: no answer comes, and whether it was done
        self._crash: tuple[int, bool] | None = None
        self._event_time_ms = 0

    def input_only(self) -> "FakeStore":
        """Return a store with the same input and nothing committed."""
        copy = FakeStore(len(self.shards))
        copy.entries = self.entries
        for mine, other in zip(self.shards, copy.shards, strict=True):
            other.changes = mine.changes
        return copy

    # What producers and clients do

    def append(self, kind: str, payload: bytes, wait_ms: int = 0) -> None:
        """Append an entry `wait_ms` after the last."""
        self._event_time_ms += wait_ms
        entry = MarketEntry(len(self.entries) + 1, kind, self._event_time_ms, payload)
        self.entries.append(entry)

    def write(self, account_key: str, doc: bytes | None, cause: str = "account") -> int:
        """Write or delete an account without telling the market stream; returns its shard."""
        number = shard_of(account_key, len(self.shards))
        changes = self.shards[number].changes
        mine = [each for each in changes if each.account_key == account_key and each.cause != ACK]
        version = 1 + len(mine)
        changes.append(
            AccountChange(len(changes) + 1, account_key, version, cause, doc, self._event_time_ms)
        )
        return number

    def acknowledge(self, account_key: str, seq: int) -> int:
        """Acknowledge an alert without telling the market stream; returns its shard."""
        number = shard_of(account_key, len(self.shards))
        changes, doc = self.shards[number].changes, str(seq).encode()
        changes.append(
            AccountChange(len(changes) + 1, account_key, 0, ACK, doc, self._event_time_ms)
        )
        return number

    def notice(self, shard: int, wait_ms: int = 0) -> None:
        """Tell the market stream of all changes of a shard."""
        upto = len(self.shards[shard].changes)
        self.append("a", orjson.dumps({"shard": shard, "upto": upto}), wait_ms)

    def logs(self) -> list[Log]:
        """Return what runs must agree on, by shard."""
        return [log_of(alert for _, alert in shard.log) for shard in self.shards]

    # The ports

    def crash_at(self, call: int, after: bool) -> None:
        """Let the monitor die at that call from now on, before or after it took effect."""
        self._crash = (self.calls + call, after)

    def live_on(self) -> None:
        """The next monitor lives."""
        self._crash = None

    def _enter(self) -> bool:
        """Count a call; says whether to die after it."""
        self.calls += 1
        if self._crash is None or self.calls < self._crash[0]:
            return False
        if not self._crash[1] or self.calls > self._crash[0]:
            raise CrashedError
        return True

    async def read(self, after: int, count: int, _block_ms: int) -> list[MarketEntry]:
        self._enter()
        return self.entries[after : after + count]

    async def tail(self) -> tuple[int, int]:
        return len(self.entries), self._event_time_ms

    async def append_clock(self) -> None:
        self.append("c", b"{}", 1_000)

    async def append_changes(self, upto: Sequence[tuple[int, int]]) -> list[int]:
        for shard, change in upto:
            self.append("a", orjson.dumps({"shard": shard, "upto": change}))
        return [0] * len(upto)

    async def save_snapshot(self, market_id: int, blob: bytes) -> None:
        self._enter()
        self.snapshots[market_id] = blob

    async def load_snapshot(self, at_most_id: int) -> tuple[int, bytes] | None:
        found = [market_id for market_id in self.snapshots if market_id <= at_most_id]
        return (max(found), self.snapshots[max(found)]) if found else None

    async def trim(self, _committed: int, _keep: int) -> int:
        return 0

    async def load(self, shard: int) -> AsyncIterator[list[tuple[str, int, bytes]]]:
        self._enter()
        accounts: dict[str, AccountChange] = {}
        for change in self.shards[shard].changes[: self.shards[shard].change_id]:
            if change.cause != ACK:
                accounts[change.account_key] = change
        yield [(c.account_key, c.version, c.doc) for c in accounts.values() if c.doc is not None]

    async def next_changes(
        self, wanted: Sequence[tuple[int, int, int]]
    ) -> list[tuple[list[AccountChange], bool]]:
        self._enter()
        return [
            (self.shards[shard].changes[after:upto][:CHANGES_A_PAGE], upto - after > CHANGES_A_PAGE)
            for shard, after, upto in wanted
        ]

    async def counters(self) -> list[ShardCounter]:
        return [
            ShardCounter(number, len(shard.changes), shard.change_id)
            for number, shard in enumerate(self.shards)
        ]

    async def trim_changes(self, _shard: int, _before_ms: int, _keep: int) -> int:
        return 0

    async def acquire(self, shards: Sequence[int], _lease_ms: int = 0) -> dict[int, ShardState]:
        """Whoever owned them is dead: nobody here renews a lease."""
        return {shard: self._acquire(self.shards[shard]) for shard in shards}

    def _acquire(self, stored: Shard) -> ShardState:
        stored.token += 1
        offset, changes = len(stored.log), len(stored.changes)
        position = (stored.number, stored.market_id, stored.change_id)
        return ShardState(stored.token, *position, offset, changes, stored.ahead)

    async def unowned(self, _besides: Collection[int] = ()) -> list[int]:
        return []

    async def committed(self) -> int:
        return min(shard.market_id for shard in self.shards)

    async def renew(self, tokens: Iterable[tuple[int, int]], _lease_ms: int) -> list[int]:
        return [shard for shard, token in tokens if self.shards[shard].token != token]

    async def levels(self, shard: int) -> tuple[int, dict[str, bytes]]:
        self._enter()
        return len(self.shards[shard].log), dict(self.shards[shard].levels)

    async def seqs(self, shard: int) -> dict[str, int]:
        self._enter()
        return dict(self.shards[shard].seqs)

    async def commit(self, commits: Sequence[tuple[int, Commit]]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        if self.lost and not self.lost[0]:
            self.lost.pop(0)
            raise StoreUnavailable("before it was done")
        for shard, commit in commits:  # shards are atomic one by one only
            dies = self._enter()
            outcomes.append(self._commit(self.shards[shard], commit))
            if dies:
                raise CrashedError
        if self.lost:
            self.lost.pop(0)
            raise StoreUnavailable("after it was done")
        return outcomes

    def _commit(self, stored: Shard, commit: Commit) -> Outcome:
        if commit.token != stored.token:
            return "lease_lost"
        if commit.number == stored.number:
            return "repeated"
        place = (stored.number + 1, len(stored.log))
        if (commit.number, commit.offset) != place or commit.market_id < stored.market_id:
            return "out_of_step"
        drained = dict(commit.drained)
        for change in stored.changes[stored.change_id : commit.change_id]:
            assert change.cause == ACK or drained[change.account_key] >= change.change_id
        stored.number, stored.market_id = commit.number, commit.market_id
        stored.change_id, stored.ahead = commit.change_id, commit.ahead
        for key, states in commit.levels:
            stored.levels.pop(key, None)
            if states:
                stored.levels[key] = states
        stored.seqs.update(commit.seqs)
        for block in commit.blocks:
            alerts = split_alerts(block.alerts)
            stored.log += zip(block.account_keys, alerts, strict=True)
        return "committed"

    async def trim_log(self, _shard: int, _before_ms: int, _keep: int) -> int:
        return 0
