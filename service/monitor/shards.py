"""Shards in one book: from committed state through the stream to the next commit.

A shard's state is exact as of its committed market id. So a start takes the newest snapshot of the
market at or below the least of them, goes through the entries from there without judging anybody,
takes each shard in where it was committed, and from there on everything is the usual round: read
entries, fetch the account changes they bind, apply them one by one, commit what they say. While a
commit is on its way the next batch is read and applied; its own commit waits for the answer to the
one before (`outgoing`).

Whose accounts are in the book and whose alerts are told are two things. A shard is told of while it
has a ledger here. One that was lost or given back loses its ledger at once and its accounts bit by
bit; one that is on its way from another book (a guest) gets its accounts bit by bit, already judges
them as the other book does, and gets its ledger last. See `handover`.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from service.errors import OutOfStep
from service.monitor.bindings import fetch_changes, read_notice
from service.monitor.commits import Ledger, note_touched, read_states, write_page
from service.monitor.engine import Engine
from service.monitor.loading import Loading
from service.monitor.measures import Measures
from service.monitor.outgoing import Commits, Outgoing
from service.monitor.parts import Parts
from service.monitor.ports import AccountsPort, LogPort, MarketPort
from service.monitor.residents import Residents
from service.monitor.said import say_logged
from service.monitor.timing import Sent, Timing
from service.store.accounts import AccountChange
from service.store.alert_log import Commit, Outcome, ShardState
from service.store.market_stream import MarketEntry
from service.tracing import Tracer

_log = logging.getLogger(__name__)

ENTRIES_A_READ = 1_000
APPLY_S = 0.01  # after so long the alerts found are committed before more entries are applied
PART_LEFT = 500  # alerts still to be written that are worth a commit before them
LEVELS_A_COMMIT = 5_000  # of all shards; after so many the others have their turn


class Shards:
    """One engine over some shards; `recover`, `follow` and `commit` belong to one task at a time.

    A shard that the store refuses to let us commit is dropped.
    """

    def __init__(
        self,
        engine: Engine,
        market: MarketPort,
        accounts: AccountsPort,
        log: LogPort,
        shards: int,
        *,
        tracer: Tracer | None = None,
    ) -> None:
        self.engine = engine
        self.measures = Measures()
        self._timing = Timing(self.measures, tracer)
        self.ledgers: dict[int, Ledger] = {}  # of the shards that are taken in
        self.guests: dict[int, int] = {}  # by shard: how far the book has drained it
        self.residents = Residents(engine, shards)
        self.commits = 0
        self.gaps = 0  # times the stream was trimmed before we had read it
        self._market, self._accounts, self._log = market, accounts, log
        self._outgoing, self._loading = Outgoing(log), Loading()
        self._waiting: list[Ledger] = []  # acquired, but committed later than where the engine is

    @property
    def waiting(self) -> list[int]:
        """The shards that are still to be taken in, in this order."""
        return [ledger.shard for ledger in self._waiting]

    def tells_of(self, account: int) -> bool:
        """Whether the account is of a shard that is served from here."""
        return self.residents.shard_of(account) in self.ledgers

    def expect(self, states: Mapping[int, ShardState]) -> None:
        """Note the shards that `recover` is to take in; we own them."""
        ledgers = [Ledger.of(shard, state) for shard, state in states.items()]
        self._waiting = sorted(ledgers, key=lambda ledger: ledger.market_id)

    def drop(self, shard: int) -> None:
        """Tell nothing of a shard any more, from now on."""
        if self.ledgers.pop(shard, None) is not None:
            self.residents.leave(shard)
        self._waiting = [ledger for ledger in self._waiting if ledger.shard != shard]

    def drop_all(self) -> None:
        """Tell nothing of any shard any more, not even what is on its way."""
        self._outgoing.stop()
        for shard in (*self.ledgers, *self.waiting):
            self.drop(shard)

    async def recover(self) -> None:
        """Take the shards in as they were committed, and follow until all are at one place."""
        if not self._waiting:
            return
        first = self._waiting[0].market_id
        snapshot = await self._market.load_snapshot(first)
        if snapshot is not None:
            self.engine.market_id = snapshot[0]
            self.engine.facts.restore(snapshot[1])
        while self._waiting and self.engine.market_id < first:
            for entry in await self._read(first - self.engine.market_id, 0):
                self.engine.replay(entry)
        await self._take_in()
        while self._waiting:
            await self.follow(0)

    async def catch_up(self) -> None:
        """Follow to the end of the stream."""
        while await self.follow(0) == ENTRIES_A_READ:
            pass

    async def follow_to(self, market_id: int) -> None:
        """Follow until the book is as of a market id that is in the stream, or beyond it."""
        while self.engine.market_id < market_id:
            missing = market_id - self.engine.market_id
            if not await self.follow(0, min(missing, ENTRIES_A_READ)):
                raise OutOfStep(f"the market stream ends before {market_id}, which was read once")

    async def follow(self, block_ms: int, count: int = ENTRIES_A_READ) -> int:
        """Read up to `count` entries, apply them, have their alerts on their way; return how many.

        Waits up to `block_ms` for the first. When there was none nothing is on its way any more.
        """
        entries = await self._read(count, block_ms)
        if not entries:
            await self._outgoing.settled()
        fetched = await fetch_changes(self._accounts, entries, self._drained_to)
        started = time.monotonic()
        for place, entry in enumerate(entries):
            began = time.perf_counter()
            self._timing.looked_ahead(self.engine.look_ahead(entries, place), began)
            await self._apply(entry, fetched)
            if time.monotonic() - started > APPLY_S:
                build = self._build_parts if self.engine.is_ahead else self._build_alerts
                await self._begin(build)
                started = time.monotonic()
        await self._begin(self._build_alerts)
        await self._take_in()
        return len(entries)

    async def commit(self, *, positions: bool = False) -> None:
        """Commit the shards with news, with `positions` all that are behind too."""
        market_id = self.engine.market_id
        commits: list[tuple[int, Commit]] = []
        for ledger in list(self.ledgers.values()):
            if ledger.has_news or (positions and ledger.market_id < market_id):
                commits.append(self._built(ledger))
                # Alerts stay together, their readers put them in order; levels may come in turns.
                if sum(len(each.levels) for _, each in commits) > LEVELS_A_COMMIT and not any(
                    each.blocks for _, each in commits
                ):
                    await self._send(commits)
                    commits = []
        await self._send(commits)

    async def commit_last(self, shards: Sequence[int]) -> None:
        """Commit these shards with all their news, before another book goes on from there."""
        await self._send(
            [self._built(self.ledgers[shard]) for shard in shards if shard in self.ledgers]
        )

    def _built(self, ledger: Ledger) -> tuple[int, Commit]:
        engine = self.engine
        assert not engine.is_ahead  # levels would not be those of its market id
        return ledger.shard, ledger.build(engine.book, engine.names, engine.market_id)

    async def save_snapshot(self, keep: int) -> None:
        """Commit all shards at one place, keep the market as of there, and trim the stream.

        Entries that no start needs are let go, but for the newest `keep`: a start of any shard,
        whoever owns it. A snapshot serves every shard that is committed there or later, so it does
        not matter who saves them.
        """
        await self.commit(positions=True)
        await self._market.save_snapshot(self.engine.market_id, self.engine.facts.snapshot())
        await self._market.trim(await self._log.committed(), keep)

    async def _send(self, commits: Commits) -> None:
        """Send commits and wait for the answer; the shards that the store refuses are dropped."""
        await self._begin(lambda: commits)
        await self._outgoing.settled()

    async def _begin(self, build: Callable[[], Commits]) -> None:
        """Have what `build` makes on its way, once what went before is answered."""
        await self._outgoing.settled()
        if commits := build():
            commits, sent = self._timing.send(commits)
            await self._outgoing.begin(commits, partial(self._answered, commits, sent))
        else:
            await asyncio.sleep(0)  # or leases would wait until a thousand entries are applied

    def _answered(self, commits: Commits, sent: Sent, outcomes: list[Outcome]) -> None:
        self.commits += len(commits)
        self._timing.answered(sent)
        say_logged(commits)
        for (shard, _), outcome in zip(commits, outcomes, strict=True):
            if outcome in ("lease_lost", "out_of_step"):
                _log.warning("shard %d is dropped: its commit was refused, %s", shard, outcome)
                self.drop(shard)

    async def _apply(self, entry: MarketEntry, fetched: dict[int, deque[AccountChange]]) -> None:
        """Apply an entry; of many alerts the first are logged while the rest is being written."""
        changes: list[AccountChange] = []
        if entry.kind == "a":
            changes = self._bound_by(entry, fetched)
        waiting, taking = 0, self._timing.begin(entry, self.engine.stats.pools_evaluated)
        parts = Parts(partial(self._begin, self._build_parts), lambda: self._outgoing.busy)
        for page in self.engine.pages(entry, changes, taking.now_ms):
            self._timing.wrote(taking)
            write_page(self.ledgers, page, self.residents.shards_of(page.accounts))
            waiting += len(page.alerts)
            if page.left >= PART_LEFT and await parts.offer(waiting):
                waiting = 0
        await parts.end()
        if changes:
            self.residents.count()  # a few now, or whoever asks next would wait for all of them
        self._timing.end(taking, self.engine.stats.pools_evaluated)
        if self.engine.touched:
            touched = np.fromiter(self.engine.touched, np.int64, len(self.engine.touched))
            note_touched(self.ledgers, touched, self.residents.shards_of(touched))
            self.engine.touched.clear()

    def _build_alerts(self) -> Commits:
        return [self._built(ledger) for ledger in list(self.ledgers.values()) if ledger.derived]

    def _build_parts(self) -> Commits:
        return [
            (ledger.shard, ledger.build_part()) for ledger in self.ledgers.values() if ledger.alerts
        ]

    def _bound_by(
        self, entry: MarketEntry, fetched: dict[int, deque[AccountChange]]
    ) -> list[AccountChange]:
        """Return the changes a notice brings in: up to its id, those no earlier one has."""
        notice = read_notice(entry)
        if notice.upto <= self._drained_to(notice.shard, notice.upto):
            return []
        queue, changes = fetched[notice.shard], []
        while queue and queue[0].change_id <= notice.upto:
            changes.append(queue.popleft())
        if ledger := self.ledgers.get(notice.shard):
            ledger.drain(changes, notice.upto)
        else:
            self.guests[notice.shard] = notice.upto
        return changes

    def _drained_to(self, shard: int, otherwise: int) -> int:
        """Return the change id up to which the book has a shard it follows."""
        if ledger := self.ledgers.get(shard):
            return ledger.drained_to
        return self.guests.get(shard, otherwise)

    async def _read(self, count: int, block_ms: int) -> list[MarketEntry]:
        """Read on after the engine's place, but not past where a waiting shard comes in."""
        after = self.engine.market_id
        if self._waiting:
            count = min(count, self._waiting[0].market_id - after)
            block_ms = 0
        entries = await self._market.read(after, count, block_ms)
        if entries and entries[0].market_id != after + 1:
            self.gaps += 1
            _log.error("market entries %d to %d are gone", after + 1, entries[0].market_id - 1)
            self.engine.suspect_all()
        if self._waiting and not entries:
            raise OutOfStep(f"the market stream ends at {after}, before what was committed")
        return entries

    async def _take_in(self) -> None:
        """Load the shards that were committed where the engine is now."""
        while self._waiting and self._waiting[0].market_id <= self.engine.market_id:
            ledger = self._waiting[0]
            await self._load(ledger.shard)
            self.residents.count()
            if ledger in self._waiting:
                self._waiting.remove(ledger)
                self.ledgers[ledger.shard] = ledger
            else:
                self.residents.leave(ledger.shard)

    async def _load(self, shard: int) -> None:
        book = self.engine.book
        _, levels = await self._log.levels(shard)
        states = {key: read_states(raw) for key, raw in levels.items()}
        await self._loading.take_in(self.engine, self._accounts.load(shard), states)
        for key, seq in (await self._log.seqs(shard)).items():
            index = book.enter(key)  # may make new columns: before the next line looks at them
            book.accounts.seq[index] = seq
