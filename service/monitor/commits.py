"""What a shard has to say since its last commit, and the commit that says it.

A ledger gathers; `build` turns it into one numbered commit as of the engine's present market id,
and the ledger begins a new page. Until the store has answered, the very same commit is sent again:
it is recognised by its number, so nothing is written twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from service.contract.alerts import PoolState as StoredState
from service.contract.alerts import decode_states, encode_states, join_alerts, pool_key, pool_name
from service.monitor.alerts import Written, level_name
from service.risk.book import Book
from service.risk.levels import NOT_PENDING
from service.risk.model import Level
from service.risk.records import PoolState
from service.store.accounts import AccountChange
from service.store.alert_log import Commit, LogBlock, ShardState

BLOCK_ALERTS_MAX = 500  # of one log entry: a reader takes it in one piece


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
    drained: dict[str, int] = field(default_factory=dict)
    accounts: set[int] = field(default_factory=set)  # whose states go into the next commit
    written: list[Written] = field(default_factory=list)

    @classmethod
    def of(cls, shard: int, state: ShardState) -> "Ledger":
        """Open the ledger of a shard just acquired."""
        position = (state.number, state.market_id, state.change_id, state.offset)
        return cls(shard, state.token, *position, drained_to=state.change_id)

    @property
    def has_news(self) -> bool:
        """Whether anything but the position has changed."""
        return bool(self.drained or self.accounts or self.written)

    def drain(self, changes: Iterable[AccountChange], upto: int) -> None:
        """Note account changes that the engine has taken in."""
        for change in changes:
            self.drained[change.account_key] = change.change_id
        self.drained_to = max(self.drained_to, upto)

    def build(self, book: Book, market_id: int) -> Commit:
        """Return the next commit and begin a new page; the book must be as of `market_id`."""
        self.number += 1
        commit = Commit(
            token=self.token,
            number=self.number,
            market_id=market_id,
            change_id=self.drained_to,
            offset=self.offset,
            drained=list(self.drained.items()),
            levels=[
                (book.keys[account], _states(book, account)) for account in sorted(self.accounts)
            ],
            seqs=self._seqs(book),
            blocks=self._blocks(),
        )
        self.market_id, self.change_id = market_id, self.drained_to
        self.offset += len(self.written)
        self.drained, self.accounts, self.written = {}, set(), []
        return commit

    def _seqs(self, book: Book) -> list[tuple[str, int]]:
        accounts = {each.account: each.account_key for each in self.written}
        return [(key, int(book.accounts.seq[account])) for account, key in accounts.items()]

    def _blocks(self) -> list[LogBlock]:
        starts = range(0, len(self.written), BLOCK_ALERTS_MAX)
        parts = [self.written[start : start + BLOCK_ALERTS_MAX] for start in starts]
        return [
            LogBlock(
                [each.account_key for each in part], join_alerts([each.alert for each in part])
            )
            for part in parts
        ]


def _states(book: Book, account: int) -> bytes:
    """Return an account's states as stored: of its pools not at rest; nothing when all are."""
    states = [_stored(state) for state in book.states(account) if state.level != Level.HEALTHY]
    return encode_states(states) if states else b""


def _stored(state: PoolState) -> StoredState:
    pending = None if state.pending_since == NOT_PENDING else state.pending_since
    return StoredState(
        pool_name(state.key), level_name(state.level), state.level_seq, state.since, pending
    )


def read_states(raw: bytes) -> list[PoolState]:
    """Return the states that `build` has stored for an account."""
    return [
        PoolState(
            pool_key(state.pool),
            Level[state.level],
            NOT_PENDING if state.pending_since is None else state.pending_since,
            state.since or 0,
            state.seq,
        )
        for state in decode_states(raw)
    ]
