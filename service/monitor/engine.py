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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, get_args

import msgspec
import numpy as np

from service.contract.alerts import Cause
from service.contract.stored import read_statements
from service.errors import ServiceError
from service.monitor.alerts import CAUSES, STILL, AlertWriter, Moment, Moves, Page, joined
from service.monitor.facts import MarketFacts, Touched
from service.monitor.figures import PoolNames
from service.monitor.judging import NOTHING, Changed, Judge, both, judge
from service.monitor.reminders import Reminders
from service.monitor.rounds import Round, causes_of, left_behind, versions_apart
from service.monitor.timers import Timers
from service.risk.book import Book
from service.risk.columns import Ints, Statements
from service.risk.records import PoolState
from service.store.accounts import ACK, AccountChange
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
    blocks_touched: int = 0
    alerts: int = 0
    audited: int = 0
    mismatches: int = 0
    unreadable: int = 0


class Writer(Protocol):
    """Makes alerts of moves; `AlertWriter` does, a benchmark of the rest has none."""

    def pages(self, moves: Moves, moment: Moment, /) -> Iterator[Page]: ...


class Engine:
    """The one writer of its book."""

    def __init__(self, epoch: str, pegged: Iterable[str] = ()) -> None:
        self.facts = MarketFacts(pegged)
        self.epoch = epoch
        self.book = Book(self.facts.table)
        self.market_id = 0
        self.stats = EngineStats()
        self.touched: set[int] = set()  # accounts with another level, wait or seq than was taken
        self._judge = Judge(self.book)
        self._reminders = Reminders(self.book)
        self._timers = Timers(self.book, self._reminders)
        self._suspects: set[int] = set()  # accounts to be evaluated at the next entry
        self._audited_to = 0
        self.names = PoolNames(self.book)
        self.writer: Writer = AlertWriter(self.book, self.names, self._reminders, epoch)

    @property
    def event_time_ms(self) -> int:
        return self.facts.event_time_ms

    def replay(self, entry: MarketEntry) -> None:
        """Take an entry's facts and judge nobody: the way to where the book was committed."""
        self._take_facts(entry)

    def pages(
        self, entry: MarketEntry, changes: Sequence[AccountChange], now_ms: int
    ) -> Iterator[Page]:
        """Take an entry, with its account changes (oldest first); yield its alerts in order.

        They are yielded as they are made. The entry is not taken before the last page is.
        """
        self.stats.entries += 1
        touched = self._take_facts(entry)
        acks = [each for each in changes if each.cause == ACK]
        self.touched.update(self._reminders.acknowledge(acks))
        written = [each for each in changes if each.cause != ACK] if acks else changes
        work = Round(_CAUSES.get(entry.kind, "mark"), touched.marked)
        work.slots += self._due(touched)
        self._resettle(touched, work)
        first, *later = versions_apart(written) if written else ((),)
        self._replace(first, work)
        moment = Moment(entry.market_id, entry.event_time_ms, now_ms)
        yield from self._run(work, moment)
        for number, versions in enumerate(later, 1):
            work = Round("account")
            self._replace(versions, work)
            yield from self._run(work, replace(moment, round=number))
        if self.book.wasteful:
            self.compact()

    def load(
        self,
        keys: Sequence[str],
        versions: Sequence[int],
        given: Statements,
        states: Mapping[str, Sequence[PoolState]],
    ) -> None:
        """Take in accounts with versions as committed at the present market id.

        `states` has the levels, by account key, of those that are not at rest.
        """
        places = np.array([index for index, _ in self.book.put_statements(keys, given)], np.int64)
        self.book.accounts.version[places] = versions
        for index, key in zip(places.tolist(), keys, strict=True):
            if key in states:
                self.book.restore(index, states[key])
        slots = self.book.slots_of_all(places)
        if len(slots):
            self._suspect(self._judge.check(slots, self.event_time_ms).slots)
            self._timers.watch(slots)

    def audit(self, count: int) -> None:
        """Evaluate the next `count` pools of a sweep over the whole book.

        What is not as it should be is evaluated at the next entry.
        """
        part = self.book.next_slots(self._audited_to, count)
        self._audited_to = int(part[-1]) + 1 if len(part) == count else 0
        self.stats.audited += len(part)
        if len(part):
            self._suspect(part[judge(self.book, part, self.event_time_ms).changed()])

    def compact(self) -> None:
        """Close the gaps in the book, and find everything again where it is now."""
        self.book.compact()
        self._timers.rebuild()
        self._audited_to = 0

    def suspect_all(self) -> None:
        """Let every pool be evaluated at the next entry: something was missed."""
        owners = self.book.pools.account[self.book.live_slots()]
        self._suspects.update(owners.tolist())

    def _suspect(self, wrong: Ints) -> None:
        """Let pools that are not where they should be, and their accounts', be evaluated next."""
        if len(wrong):
            owners = self.book.pools.account[wrong].tolist()
            self.stats.mismatches += len(wrong)
            self._suspects.update(owners)
            first = f"{self.book.key_of(int(wrong[0]))} of {self.book.keys[owners[0]]}"
            _log.error("%d pools had another level, %s first", len(wrong), first)

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
        """Return the slots that an entry makes due beside those whose bands say so.

        Some may be dead, or come twice.
        """
        book, due = self.book, []
        if self._timers.is_due(self.event_time_ms):
            due.append(self._timers.pop(self.event_time_ms))
        if self._suspects:
            due.append(book.slots_of_all(np.array(sorted(self._suspects), np.int64)))
            self._suspects.clear()
        due += [book.holders_of(market) for market in touched.changed]
        for market in (*touched.marked, *touched.changed):
            due += [book.priced_by(asset) for asset in self.facts.table.assets_priced_by(market)]
        return due

    def _resettle(self, touched: Touched, work: Round) -> None:
        """Sort the positions of markets that settle in another asset now into their pools anew."""
        if not touched.resettled:
            return
        slots = np.concatenate([self.book.holders_of(market) for market in touched.resettled])
        owners = np.unique(self.book.pools.account[slots]).astype(np.int64)
        if len(owners):
            keys = [self.book.keys[owner] for owner in owners.tolist()]
            self._put(keys, self.book.statements_of(owners), work)

    def _replace(self, changes: Sequence[AccountChange], work: Round) -> None:
        """Apply one change each of some accounts."""
        keys: list[str] = []
        documents: list[bytes] = []
        for change in changes:
            index = self.book.enter(change.account_key)
            self.book.accounts.version[index] = change.version
            if change.cause != work.cause:
                work.causes[index] = _KNOWN_CAUSES.get(change.cause, "account")
            if change.doc is None:
                work.gone += [(index, state) for state in self.book.remove(index)]
            else:
                keys.append(change.account_key)
                documents.append(change.doc)
        if documents:
            given, unread = read_statements(documents)
            self.say_unread({keys[place]: error for place, error in unread.items()})
            self._put([key for at, key in enumerate(keys) if at not in unread], given, work)

    def say_unread(self, errors: Mapping[str, ServiceError]) -> None:
        """Count and log accounts that cannot be read; nobody else waits for them."""
        self.stats.unreadable += len(errors)
        for key, error in errors.items():
            _log.error("%s cannot be read: %s", key, error)

    def _put(self, keys: Sequence[str], given: Statements, work: Round) -> None:
        places = self.book.put_statements(keys, given)
        for index, states in places:
            work.gone += [(index, state) for state in states]
        slots = self.book.slots_of_all(np.array([index for index, _ in places], np.int64))
        work.slots.append(slots)
        risen = slots[self.book.pools.level[slots] != 0]  # their states may be named anew
        self.touched.update(self.book.pools.account[risen].tolist())

    def _run(self, work: Round, moment: Moment) -> Iterator[Page]:
        """Evaluate the round's pools; yield its alerts, worse first, then by account and pool."""
        changed, slots = self._judged(work)
        self.stats.pools_evaluated = self._judge.judged
        self.stats.blocks_touched = self._judge.blocks
        if not (len(changed) or len(slots) or work.gone):
            return
        moves = self._moves(changed, work)
        if len(slots):
            moves = joined(moves, self._told_again(changed, slots))
        if work.gone:
            gone = left_behind([each for each in work.gone if each[1].level], work)
            self.touched.update(gone.accounts.tolist())
            moves = joined(gone, moves)
        self.stats.alerts += len(moves)
        if len(moves):
            yield from self.writer.pages(moves, moment)
        watched = np.concatenate([changed.slots, slots]) if len(slots) else changed.slots
        self._timers.watch(watched)  # the alerts have set their time

    def _judged(self, work: Round) -> tuple[Changed, Ints]:
        """Bring the round's pools up to date; return the changed, and who was looked at by name."""
        changed = self._judge.tick(work.marked, self.event_time_ms)
        if not work.slots:
            return changed, NOTHING.slots
        slots = np.unique(np.concatenate(work.slots))
        slots = slots[self.book.pools.account[slots] >= 0]
        return both(changed, self._judge.settle(slots, self.event_time_ms)), slots

    def _told_again(self, changed: Changed, slots: Ints) -> Moves:
        """Return those of these pools whose reminder is due, and that are where they were."""
        levels = self.book.pools.level
        moved = changed.slots[levels[changed.slots] != changed.before]
        again = np.setdiff1d(self._reminders.of(slots, self.event_time_ms), moved)
        owners = self.book.pools.account[again].astype(np.int64)
        self.touched.update(owners.tolist())
        causes = np.full(len(again), CAUSES.index("time"))
        return Moves(owners, again, levels[again], levels[again], causes)

    def _moves(self, changed: Changed, work: Round) -> Moves:
        """Return the changes of level among these; whose state changed at all is touched."""
        owners = self.book.pools.account[changed.slots].astype(np.int64)
        self.touched.update(owners.tolist())
        levels = self.book.pools.level[changed.slots]
        moved = np.flatnonzero(levels != changed.before)
        if not len(moved):
            return STILL
        causes = causes_of(owners[moved], work)
        causes[changed.waited[moved]] = CAUSES.index("time")
        return Moves(
            owners[moved], changed.slots[moved], changed.before[moved], levels[moved], causes
        )
