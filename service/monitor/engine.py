"""From a stream entry to its alerts: only what is due is evaluated, and only evaluation decides.

The engine does no I/O and has no clock: it is fed entries one by one and says which levels moved.
What is due at an entry: pools whose safe band does not hold a new mark, pools of accounts that
changed, all holders of a market whose terms or quality changed, multi-asset pools whose collateral
was repriced, and pools whose wait to fall is over. Everything else would be judged as it is, so the
alerts are those of evaluating every pool after every entry. Account changes are applied one by one:
when an entry brings several versions of an account, they make as many rounds, each ordered by
itself.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import msgspec
import numpy as np

from service.contract.accounts import decode_account
from service.contract.alerts import Cause
from service.errors import ServiceError
from service.monitor.alerts import GONE, AlertWriter, Move, Written
from service.monitor.facts import MarketFacts, Touched
from service.monitor.judging import Judgement, judge, write_bands, write_down
from service.monitor.timers import Timers
from service.risk.book import Book
from service.risk.columns import Ints
from service.risk.model import Account, Level
from service.risk.records import PoolState
from service.store.accounts import AccountChange
from service.store.market_stream import MarketEntry

_log = logging.getLogger(__name__)

_CAUSES: Mapping[str, Cause] = {
    "m": "mark",
    "q": "mark",
    "i": "instrument",
    "c": "time",
    "a": "account",
}
_KNOWN_CAUSES: Mapping[str, Cause] = {cause: cause for cause in get_args(Cause)}


@dataclass(slots=True)
class EngineStats:
    """Counts since the start."""

    entries: int = 0
    pools_evaluated: int = 0
    alerts: int = 0
    audited: int = 0
    mismatches: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class _Round:
    """What one round looks at: pools, pools that went away (with their account), and why."""

    cause: Cause
    slots: list[Ints] = field(default_factory=list)
    gone: list[tuple[int, PoolState]] = field(default_factory=list)
    causes: dict[int, Cause] = field(default_factory=dict)  # by account, where it is not `cause`


class Engine:
    """The one writer of its book."""

    def __init__(self, epoch: str, pegged: Iterable[str] = ()) -> None:
        self.facts = MarketFacts(pegged)
        self.epoch = epoch
        self.book = Book(self.facts.table)
        self.market_id = 0
        self.stats = EngineStats()
        self.touched: set[int] = set()  # accounts with another level, wait or seq than was taken
        self._timers = Timers(self.book)
        self._suspects: set[int] = set()  # accounts to be evaluated at the next entry
        self._audited_to = 0
        self._writer = AlertWriter(self.book, epoch)

    @property
    def event_time_ms(self) -> int:
        return self.facts.event_time_ms

    def replay(self, entry: MarketEntry) -> None:
        """Take an entry's facts and judge nobody: the way to where the book was committed."""
        self._take_facts(entry)

    def apply(
        self, entry: MarketEntry, changes: Sequence[AccountChange], now_ms: int
    ) -> list[Written]:
        """Take an entry, with its account changes (oldest first); return its alerts in order."""
        self.stats.entries += 1
        touched = self._take_facts(entry)
        first, *later = _versions_apart(changes) or [[]]
        work = _Round(_CAUSES.get(entry.kind, "mark"))
        work.slots += self._due(touched)
        self._resettle(touched, work)
        self._replace(first, work)
        written = self._run(work, now_ms)
        for versions in later:
            work = _Round("account")
            self._replace(versions, work)
            written += self._run(work, now_ms)
        if self.book.wasteful:
            self.compact()
        return written

    def load(self, accounts: Sequence[tuple[Account, int, Sequence[PoolState]]]) -> None:
        """Take in accounts with versions and levels as committed at the present market id."""
        places = self.book.put([account for account, _, _ in accounts])
        for (index, _), (_, version, states) in zip(places, accounts, strict=True):
            self.book.accounts.version[index] = version
            self.book.restore(index, states)
        slots = self._slots_of(index for index, _ in places)
        if len(slots):
            judged = self._checked(slots)
            write_bands(self.book, judged)
            self._timers.watch(slots)

    def audit(self, count: int) -> None:
        """Evaluate the next `count` pools of a sweep over the whole book.

        What is not as it should be is evaluated at the next entry.
        """
        part = self.book.next_slots(self._audited_to, count)
        self._audited_to = int(part[-1]) + 1 if len(part) == count else 0
        self.stats.audited += len(part)
        if len(part):
            self._checked(part)

    def compact(self) -> None:
        """Close the gaps in the book, and find everything again where it is now."""
        self.book.compact()
        self._timers.rebuild()
        self._audited_to = 0

    def suspect_all(self) -> None:
        """Let every pool be evaluated at the next entry: something was missed."""
        owners = self.book.pools.account[self.book.live_slots()]
        self._suspects.update(owners.tolist())

    def _checked(self, slots: Ints) -> Judgement:
        """Evaluate pools that should be at rest, and suspect those that are not."""
        judged = judge(self.book, slots, self.event_time_ms)
        wrong = slots[judged.changed()]
        if len(wrong):
            owners = self.book.pools.account[wrong].tolist()
            self.stats.mismatches += len(wrong)
            self._suspects.update(owners)
            first = f"{self.book.key_of(int(wrong[0]))} of {self.book.keys[owners[0]]}"
            _log.error("%d pools had another level, %s first", len(wrong), first)
        return judged

    def _take_facts(self, entry: MarketEntry) -> Touched:
        """An entry that cannot be read is counted and passed over: it must not stop the stream."""
        self.market_id = entry.market_id
        self.facts.event_time_ms = entry.event_time_ms
        try:
            match entry.kind:
                case "m":
                    return self.facts.mark(entry.payload, entry.event_time_ms)
                case "q":
                    return self.facts.quality(entry.payload)
                case "i":
                    return self.facts.instrument(entry.payload)
        except (ServiceError, msgspec.DecodeError) as error:
            self.stats.unreadable += 1
            _log.error("market entry %d cannot be read: %s", entry.market_id, error)
        return Touched()

    def _due(self, touched: Touched) -> list[Ints]:
        """Return the slots that an entry makes due (some may be dead, or come twice)."""
        book, marks = self.book, self.facts.table.columns().mark
        due = [self._timers.pop(self.event_time_ms), self._slots_of(self._suspects)]
        self._suspects.clear()
        due += [book.due(market, float(marks[market])) for market in touched.marked]
        due += [book.holders_of(market) for market in touched.changed]
        for market in (*touched.marked, *touched.changed):
            due += [book.priced_by(asset) for asset in self.facts.table.assets_priced_by(market)]
        return due

    def _slots_of(self, accounts: Iterable[int]) -> Ints:
        parts = [self.book.slots_of(account) for account in accounts]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _resettle(self, touched: Touched, work: _Round) -> None:
        """Sort the positions of markets that settle in another asset now into their pools anew."""
        if not touched.resettled:
            return
        slots = np.concatenate([self.book.holders_of(market) for market in touched.resettled])
        owners = np.unique(self.book.pools.account[slots]).tolist()
        if owners:
            self._put([self.book.account_of(owner) for owner in owners], work)

    def _replace(self, changes: Sequence[AccountChange], work: _Round) -> None:
        """Apply one change each of some accounts."""
        accounts = []
        for change in changes:
            index = self.book.enter(change.account_key)
            self.book.accounts.version[index] = change.version
            work.causes[index] = _cause_of(change)
            if change.doc is None:
                work.gone += [(index, state) for state in self.book.remove(index)]
                continue
            try:
                accounts.append(decode_account(change.doc, change.account_key))
            except ServiceError as error:
                self.stats.unreadable += 1
                _log.error("%s cannot be read: %s", change.account_key, error)
        if accounts:
            self._put(accounts, work)

    def _put(self, accounts: Sequence[Account], work: _Round) -> None:
        for index, states in self.book.put(accounts):
            work.gone += [(index, state) for state in states]
            slots = self.book.slots_of(index)
            work.slots.append(slots)
            if self.book.pools.level[slots].any():  # its states may be named anew
                self.touched.add(index)

    def _run(self, work: _Round, now_ms: int) -> list[Written]:
        """Evaluate the round's pools; return its alerts, worse first, then by account and pool."""
        moves = [_left(account, state, work) for account, state in work.gone if state.level]
        slots = np.unique(np.concatenate(work.slots)) if work.slots else np.zeros(0, np.int64)
        slots = slots[self.book.pools.account[slots] >= 0]
        if len(slots):
            moves += self._judge(slots, work)
        if not moves:
            return []
        moves.sort(key=self._order)
        self.stats.alerts += len(moves)
        self.touched.update(move.account for move in moves)
        return self._writer.write(moves, self.market_id, self.event_time_ms, now_ms)

    def _order(self, move: Move) -> tuple[int, str, str, str, str, str]:
        key = move.key
        return -move.level, self.book.keys[move.account], key.kind, key.settle, key.symbol, key.side

    def _judge(self, slots: Ints, work: _Round) -> list[Move]:
        judged = judge(self.book, slots, self.event_time_ms)
        write_down(self.book, judged)
        self._timers.watch(slots)
        self.stats.pools_evaluated += len(slots)
        owners = self.book.pools.account[slots]
        self.touched.update(owners[judged.changed()].tolist())
        waited, moves = judged.waited(), []
        for index in judged.moved().tolist():
            account = int(owners[index])
            cause = "time" if waited[index] else work.causes.get(account, work.cause)
            slot, before = int(slots[index]), int(judged.before[index])
            key = self.book.key_of(slot)
            moves.append(Move(account, slot, key, before, int(judged.level[index]), cause))
        return moves


def _left(account: int, state: PoolState, work: _Round) -> Move:
    """A pool that is no longer there has nothing to lose."""
    cause = work.causes.get(account, work.cause)
    return Move(account, GONE, state.key, state.level, Level.HEALTHY, cause)


def _cause_of(change: AccountChange) -> Cause:
    return _KNOWN_CAUSES.get(change.cause, "account")


def _versions_apart(changes: Sequence[AccountChange]) -> list[list[AccountChange]]:
    """Return the first change of each account, then the second of those that have one, ..."""
    seen: Counter[str] = Counter()
    rounds: list[list[AccountChange]] = []
    for change in changes:
        number = seen[change.account_key]
        seen[change.account_key] += 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(change)
    return rounds
