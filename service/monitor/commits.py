"""What a shard has to say since its last commit, and the commits that say it.

A ledger gathers; `build` turns it into one numbered commit as of the engine's present market id,
and the ledger begins a new page. Until the store has answered, the very same commit is sent again:
it is recognised by its number, so nothing is written twice.

Alerts may be logged before that, in parts (`build_part`): those of a burst do not wait for the last
of them. A part leaves the position where it is and says how many alerts are logged beyond it. Who
starts from there derives them again, the same ones in the same order, and passes over so many.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.contract.alerts import (
    LEVEL_NAMES,
    decode_states,
    encode_state,
    join_states,
    pool_key,
)
from service.contract.alerts import PoolState as StoredState
from service.monitor.alerts import Page
from service.monitor.figures import PoolNames
from service.risk.book import Book
from service.risk.columns import Ints
from service.risk.levels import NOT_PENDING
from service.risk.model import Level
from service.risk.records import PoolState
from service.store.accounts import ACK, AccountChange
from service.store.alert_log import Commit, ShardState
from service.store.log_entries import LogBlock, Rank, Run, join_alerts

BLOCK_ALERTS_MAX = 500  # of one log entry: a reader takes it in one piece
BLOCK_BYTES_MAX = 512 * 1_024  # unless one alert alone has more


@dataclass(slots=True)
class Ledger:
    """A shard's position and news; `drained_to` is the change id that the engine has taken in."""

    shard: int
    token: int
    number: int
    market_id: int
    change_id: int
    offset: int
    drained_to: int
    ahead: int = 0  # alerts in the log that are still to be derived again
    derived: int = 0  # alerts since the position
    drained: dict[str, int] = field(default_factory=dict)
    accounts: set[int] = field(default_factory=set)  # whose states and seqs go into the next commit
    keys: list[str] = field(default_factory=list)  # of the alerts that are not logged yet
    alerts: list[bytes] = field(default_factory=list)
    ranks: list[Run] = field(default_factory=list)  # of those alerts

    @classmethod
    def of(cls, shard: int, state: ShardState) -> "Ledger":
        """Open the ledger of a shard just acquired."""
        position = (state.number, state.market_id, state.change_id, state.offset)
        return cls(shard, state.token, *position, state.change_id, state.ahead)

    @property
    def has_news(self) -> bool:
        """Whether anything but the position has changed."""
        return bool(self.drained or self.accounts or self.derived)

    def drain(self, changes: Iterable[AccountChange], upto: int) -> None:
        """Note account changes that the engine has taken in."""
        for change in changes:
            if change.cause != ACK:  # it has no document that could be the committed one
                self.drained[change.account_key] = change.change_id
        self.drained_to = max(self.drained_to, upto)

    def write(self, account_keys: Sequence[str], alerts: Sequence[bytes], rank: Rank) -> None:
        """Take alerts as they are derived, but for those that are in the log already."""
        known = min(self.ahead, len(alerts))
        self.ahead -= known
        self.derived += len(alerts)
        if known < len(alerts):
            self.keys += account_keys[known:]
            self.alerts += alerts[known:]
            self.ranks.append(Run(rank, len(alerts) - known))

    def build(self, book: Book, names: PoolNames, market_id: int) -> Commit:
        """Return the next commit and begin a new page; the book must be as of `market_id`."""
        accounts = sorted(self.accounts)
        seqs = book.accounts.seq[accounts].tolist()
        keys = [book.keys[account] for account in accounts]
        commit = Commit(
            token=self.token,
            number=self.number + 1,
            market_id=market_id,
            change_id=self.drained_to,
            offset=self.offset,
            ahead=self.ahead,
            drained=list(self.drained.items()),
            levels=list(zip(keys, states_of(book, names, accounts), strict=True)),
            seqs=[(key, seq) for key, seq in zip(keys, seqs, strict=True) if seq],
            blocks=self._blocks(),
        )
        self.number += 1
        self.market_id, self.change_id = market_id, self.drained_to
        self.derived, self.drained, self.accounts = 0, {}, set()
        return commit

    def build_part(self) -> Commit:
        """Return a commit that logs the alerts there are and leaves the position where it is."""
        self.number += 1
        return Commit(
            token=self.token,
            number=self.number,
            market_id=self.market_id,
            change_id=self.change_id,
            offset=self.offset,
            ahead=self.derived + self.ahead,
            blocks=self._blocks(),
        )

    def _blocks(self) -> list[LogBlock]:
        """Return the alerts not logged yet as log entries; they count as logged from here."""
        ends = _cut([len(alert) for alert in self.alerts])
        parts = zip([0, *ends], ends, strict=False)
        runs = _runs_by_block(self.ranks, ends)
        blocks = [
            LogBlock(self.keys[first:end], join_alerts(self.alerts[first:end]), of_block)
            for (first, end), of_block in zip(parts, runs, strict=True)
        ]
        self.offset += len(self.alerts)
        self.keys, self.alerts, self.ranks = [], [], []
        return blocks


def write_page(ledgers: Mapping[int, Ledger], page: Page, shards: Ints) -> None:
    """Give each ledger its alerts of a page, in their order; `shards` are those of its accounts.

    A shard without a ledger is not ours.
    """
    for shard, rows in _by_shard(shards):
        if ledger := ledgers.get(shard):
            keys = [page.account_keys[row] for row in rows]
            ledger.write(keys, [page.alerts[row] for row in rows], page.rank)


def note_touched(ledgers: Mapping[int, Ledger], accounts: Ints, shards: Ints) -> None:
    """Let the states and seqs of these accounts go into the next commits of their shards."""
    for shard, rows in _by_shard(shards):
        if ledger := ledgers.get(shard):
            ledger.accounts.update(accounts[rows].tolist())


def _by_shard(shards: Ints) -> Iterable[tuple[int, list[int]]]:
    """Return each shard that is there with its rows, in their order; mostly there is one row."""
    rows: dict[int, list[int]] = {}
    for row, shard in enumerate(shards.tolist()):
        rows.setdefault(shard, []).append(row)
    return rows.items()


def _cut(sizes: Sequence[int]) -> list[int]:
    """Return where the blocks end that alerts of these sizes go into."""
    ends, first, size = [], 0, 0
    for index, more in enumerate(sizes):
        if index - first == BLOCK_ALERTS_MAX or (index > first and size + more > BLOCK_BYTES_MAX):
            ends.append(index)
            first, size = index, 0
        size += more
    return [*ends, len(sizes)] if sizes else []


def _runs_by_block(runs: Sequence[Run], ends: Sequence[int]) -> list[list[Run]]:
    """Share runs out among blocks that end there."""
    shared: list[list[Run]] = [[] for _ in ends]
    at = block = 0
    for rank, count in runs:
        left = count
        while left:
            taken = min(left, ends[block] - at)
            last = shared[block][-1] if shared[block] else None
            if last is not None and last.rank == rank:
                shared[block][-1] = Run(rank, last.alerts + taken)
            else:
                shared[block].append(Run(rank, taken))
            at, left = at + taken, left - taken
            block += at == ends[block]
    return shared


def states_of(book: Book, names: PoolNames, accounts: Sequence[int]) -> list[bytes]:
    """Return accounts' states as stored: of pools not at rest; nothing when all of one are."""
    indices = np.array(accounts, np.int64)
    counts = book.accounts.pools[indices]
    slots = book.slots_of_all(indices)
    at_rest = book.pools.level[slots] == Level.HEALTHY
    told = iter(_encoded(book, names, slots[~at_rest]))
    owners = np.repeat(np.arange(len(indices)), counts)[~at_rest]
    left = np.bincount(owners, minlength=len(indices)).tolist()
    return [join_states([next(told) for _ in range(count)]) for count in left]


def _encoded(book: Book, names: PoolNames, slots: Ints) -> list[bytes]:
    pools = book.pools
    pending = [
        None if since == NOT_PENDING else since for since in pools.pending_since[slots].tolist()
    ]
    states = map(
        StoredState,
        names.of(slots),
        map(LEVEL_NAMES.__getitem__, pools.level[slots].tolist()),
        pools.level_seq[slots].tolist(),
        pools.since[slots].tolist(),
        pending,
        [at or None for at in pools.reminded_at[slots].tolist()],
        pools.reminded_seq[slots].tolist(),
        pools.acknowledged[slots].tolist(),
    )
    return list(map(encode_state, states))


def read_states(raw: bytes) -> list[PoolState]:
    """Return the states that `build` has stored for an account."""
    return [
        PoolState(
            pool_key(state.pool),
            Level[state.level],
            NOT_PENDING if state.pending_since is None else state.pending_since,
            state.since or 0,
            state.seq,
            state.reminded_at or 0,
            state.reminded_seq,
            state.acknowledged,
        )
        for state in decode_states(raw)
    ]
