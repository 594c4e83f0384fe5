"""From a stream entry to its alerts: only what is due is evaluated, and only evaluation decides.

The engine does no I/O and has no clock: it is fed entries one by one and says which levels moved.
What is due at an entry: pools whose safe band does not hold a new mark, pools of accounts that
changed, all holders of a market whose terms or quality changed, multi-asset pools whose collateral
was repriced, and pools whose wait to fall is over. Everything else would be judged as it is, so the
alerts are those of evaluating every pool after every entry. Marks may be judged in one go before
each is taken (`look_ahead`): that changes nothing of what is said at any of them.

Account changes are applied one by one: when an entry brings several versions of an account, they
make as many rounds, each ordered by itself.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import msgspec
import numpy as np

from service.contract.alerts import Cause
from service.errors import ServiceError
from service.monitor.ahead import Ahead
from service.monitor.alerts import AlertWriter, Moment, Moves, Page, joined
from service.monitor.facts import MarketFacts, Touched
from service.monitor.figures import PoolNames
from service.monitor.intake import Intake
from service.monitor.judges import Entries, Judge
from service.monitor.judging import NOTHING, Changed, both, judge
from service.monitor.money import MoneySweep
from service.monitor.reminders import Reminders
from service.monitor.rounds import Round, left_behind, moves_of, told_again, versions_apart
from service.monitor.stats import EngineStats
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
        self._timers = Timers(self.book, self._reminders, self._judge.waits)
        self._entry = Entries()
        self._ahead = Ahead(self.book, self.facts, self._judge)
        self.intake = Intake(self.book, self.stats, self.touched)
        self._suspects: set[int] = set()  # accounts to be evaluated at the next entry
        self._audited_to = 0
        self.money = MoneySweep()
        self.names = PoolNames(self.book)
        self.writer: Writer = AlertWriter(self.book, self.names, self._reminders, epoch)

    @property
    def event_time_ms(self) -> int:
        return self.facts.event_time_ms

    def replay(self, entry: MarketEntry) -> None:
        """Take an entry's facts and judge nobody: the way to where the book was committed."""
        self._take_facts(entry)

    @property
    def is_ahead(self) -> bool:
        """Whether marks are judged that were not taken: levels are not those of the marks then."""
        return len(self._ahead) > 0

    def look_ahead(self, entries: Sequence[MarketEntry], first: int = 0) -> int:
        """Judge marks from `first` on in one go; `pages` must be given each of them next.

        Until then nobody else may work on the book, nor ask it for anything that is to last. It
        does nothing while there are such marks, or where the next entry must be taken alone.
        Returns how many it has judged now.
        """
        if self._ahead or self._suspects:
            return 0
        self._ahead.look(entries, first)
        if self._ahead and len(self._ahead.ticked.changed):
            self._touch(self._ahead.ticked.changed.slots)
        return len(self._ahead)

    def pages(
        self, entry: MarketEntry, changes: Sequence[AccountChange], now_ms: int
    ) -> Iterator[Page]:
        """Take an entry, with its account changes (oldest first); yield its alerts in order.

        They are yielded as they are made. The entry is not taken before the last page is.
        """
        self.stats.entries += 1
        if self._ahead:
            moves, watched = self._take_ahead(entry)
            if len(moves) or len(watched):
                moment = Moment(entry.market_id, entry.event_time_ms, now_ms)
                yield from self._told(moves, watched, moment)
            return
        touched = self._take_facts(entry)
        acks = [each for each in changes if each.cause == ACK]
        self.touched.update(self._reminders.acknowledge(acks))
        written = [each for each in changes if each.cause != ACK] if acks else changes
        work = Round(_CAUSES.get(entry.kind, "mark"), touched.marked)
        work.slots += self._due(touched)
        self.intake.resettle(touched.resettled, work)
        first, *later = versions_apart(written) if written else ((),)
        self.intake.replace(first, work)
        moment = Moment(entry.market_id, entry.event_time_ms, now_ms)
        yield from self._run(work, moment)
        for number, versions in enumerate(later, 1):
            work = Round("account")
            self.intake.replace(versions, work)
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
        """Evaluate the pools in the next `count` slots of a sweep over the whole book.

        What is not as it should be is evaluated at the next entry.
        """
        part, self._audited_to = self.book.next_slots(self._audited_to, count)
        self.stats.audited += len(part)
        if len(part):
            judged = judge(self.book, part, self.event_time_ms)
            self.money.add(self.book, judged)
            self._suspect(judged.changed().slots)
        if not self._audited_to:
            self.money.end(self.book)

    def compact(self) -> None:
        """Close the gaps in the book, and find everything again where it is now."""
        self.book.compact()
        self._timers.rebuild()
        self._audited_to = 0
        self.money.restart()

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
        if self._suspects:
            due.append(book.slots_of_all(np.array(sorted(self._suspects), np.int64)))
            self._suspects.clear()
        due += [book.holders_of(market) for market in touched.changed]
        for market in (*touched.marked, *touched.changed):
            due += [book.priced_by(asset) for asset in self.facts.table.assets_priced_by(market)]
        return due

    def _take_ahead(self, entry: MarketEntry) -> tuple[Moves, Ints]:
        """Take a mark that was judged already; return what is told, and whose time is to be kept.

        The last of those that were judged together may have left something for after them.
        """
        self.market_id = entry.market_id
        moves, watched = self._ahead.take(entry), NOTHING.slots
        self.stats.pools_evaluated, self.stats.blocks_touched = self._ahead.looked_at
        ticked = self._ahead.ticked
        if not self._ahead and ticked.leaves_more:
            changed = self._judge.settle_elsewhere(ticked.elsewhere, self.event_time_ms)
            self._touch(changed.slots)
            slots = np.unique(ticked.reminded)
            moves = joined(moves, moves_of(self.book, changed, Round("mark")))
            watched = np.concatenate([moves.slots, changed.slots, slots])
            moves = self._with_reminders(moves, slots)
        return moves, watched

    def _run(self, work: Round, moment: Moment) -> Iterator[Page]:
        """Evaluate the round's pools; yield its alerts, worse first, then by account and pool."""
        changed, slots = self._judged(work)
        self.stats.pools_evaluated = self._judge.judged
        self.stats.blocks_touched = self._judge.blocks
        if not (len(changed) or len(slots) or work.gone):
            return
        self._touch(changed.slots)
        moves = self._with_reminders(moves_of(self.book, changed, work), slots)
        if work.gone:
            gone = left_behind([each for each in work.gone if each[1].level], work)
            self.touched.update(gone.accounts.tolist())
            moves = joined(gone, moves)
        yield from self._told(moves, np.concatenate([changed.slots, slots]), moment)

    def _judged(self, work: Round) -> tuple[Changed, Ints]:
        """Bring the round's pools up to date; return the changed, and who was looked at by name."""
        self.book.sync()
        entry, now_ms = self._entry, self.event_time_ms
        entry.rows = 0
        marks = self.book.market_rows.rows["mark"]
        entry.add(work.marked, [float(marks[market]) for market in work.marked], now_ms)
        ticked = self._judge.tick(entry)
        changed = both(ticked.changed, self._judge.settle_elsewhere(ticked.elsewhere, now_ms))
        if not work.slots:
            return changed, np.unique(ticked.reminded)
        slots = np.unique(np.concatenate(work.slots))
        slots = slots[self.book.pools.account[slots] >= 0]
        return both(changed, self._judge.settle(slots, now_ms)), np.union1d(slots, ticked.reminded)

    def _told(self, moves: Moves, watched: Ints, moment: Moment) -> Iterator[Page]:
        """Yield the alerts of a round, and see to it that these pools are looked at in time."""
        self.stats.alerts += len(moves)
        if len(moves):
            yield from self.writer.pages(moves, moment)
        self._timers.watch(watched)  # the alerts have set their time

    def _with_reminders(self, moves: Moves, slots: Ints) -> Moves:
        """Add those of these pools whose reminder is due, and that are where they were."""
        if not len(slots):
            return moves
        due = self._reminders.of(slots, self.event_time_ms)
        again = told_again(self.book, np.setdiff1d(due, moves.slots))
        self.touched.update(again.accounts.tolist())
        return joined(moves, again)

    def _touch(self, slots: Ints) -> None:
        self.touched.update(self.book.pools.account[slots].tolist())
