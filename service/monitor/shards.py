"""The shards this monitor owns: from committed state through the stream to the next commit.

A shard's state is exact as of its committed market id. So a start takes the newest snapshot of the
market at or below the least of them, goes through the entries from there without judging anybody,
takes each shard in where it was committed, and from there on everything is the usual round: read
entries, fetch the account changes they bind, apply them one by one, commit what they say. The
engine is ahead of the store by one batch at most; while a commit is not answered nothing more is
applied.
"""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Sequence

import msgspec

from service.contract.accounts import decode_account
from service.errors import LeaseLost, OutOfStep, ServiceError, StoreUnavailable
from service.monitor.commits import Ledger, read_states, write_page
from service.monitor.engine import Engine
from service.monitor.measures import Measures
from service.monitor.parts import Commits, Parts
from service.monitor.ports import AccountsPort, LogPort, MarketPort
from service.store.accounts import AccountChange
from service.store.alert_log import Commit
from service.store.keys import shard_of
from service.store.market_stream import MarketEntry

_log = logging.getLogger(__name__)

ENTRIES_A_READ = 1_000
CHANGES_A_READ = 1_000
LEASE_MS = 5_000
_NO_LEASE_MS = 1  # while shards are taken in nobody watches them, and the lease says so
APPLY_S = 0.01  # after so long the alerts found are committed before more entries are applied
PART_LEFT = 500  # alerts still to be written that are worth a commit before them
LEVELS_A_COMMIT = 5_000  # of all shards; after so many the others have their turn
RETRY_S = (0.02, 1.0)  # first and longest wait before a commit is sent again


class _Notice(msgspec.Struct):
    shard: int
    upto: int


_notice_decoder = msgspec.json.Decoder(_Notice)


class Shards:
    """One engine over some shards; `recover`, `follow` and `commit` belong to one task."""

    def __init__(
        self,
        engine: Engine,
        market: MarketPort,
        accounts: AccountsPort,
        log: LogPort,
        shards: int,
    ) -> None:
        self.engine = engine
        self.measures = Measures()
        self.ledgers: dict[int, Ledger] = {}  # of the shards that are taken in
        self.commits = 0
        self.gaps = 0  # times the stream was trimmed before we had read it
        self.notices = 0  # appended for writers that did not
        self._market, self._accounts, self._log = market, accounts, log
        self._waiting: list[Ledger] = []  # acquired, but committed later than where the engine is
        self._shards = shards  # there are in all
        self._late: dict[
            int, int
        ] = {}  # newest change by shard that was not drained at the last look

    @property
    def owned(self) -> list[tuple[int, int]]:
        """Shards we own with their tokens."""
        return [(each.shard, each.token) for each in (*self.ledgers.values(), *self._waiting)]

    async def recover(self, shards: Sequence[int]) -> None:
        """Become the owner of these shards and take them in as they were committed."""
        acquired = [Ledger.of(each, await self._log.acquire(each, _NO_LEASE_MS)) for each in shards]
        self._waiting = sorted(acquired, key=lambda ledger: ledger.market_id)
        first = self._waiting[0].market_id
        snapshot = await self._market.load_snapshot(first)
        if snapshot is not None:
            self.engine.market_id = snapshot[0]
            self.engine.facts.restore(snapshot[1])
        while self.engine.market_id < first:
            for entry in await self._read(first - self.engine.market_id, 0):
                self.engine.replay(entry)
        await self._take_in()
        while self._waiting:
            await self.follow(0)

    async def follow(self, block_ms: int) -> int:
        """Read entries, apply them, commit their alerts; return how many.

        Waits up to `block_ms` for the first.
        """
        entries = await self._read(ENTRIES_A_READ, block_ms)
        fetched = await self._fetch_changes(entries)
        started = time.monotonic()
        for entry in entries:
            await self._apply(entry, fetched)
            if time.monotonic() - started > APPLY_S:
                await self.commit(alerts_only=True)
                started = time.monotonic()
        await self.commit(alerts_only=True)
        await self._take_in()
        return len(entries)

    async def commit(self, *, alerts_only: bool = False, positions: bool = False) -> None:
        """Commit shards with alerts, else those with news, else (`positions`) all behind."""
        market_id = self.engine.market_id
        commits: list[tuple[int, Commit]] = []
        for ledger in list(self.ledgers.values()):
            wanted = bool(ledger.derived) if alerts_only else ledger.has_news
            if wanted or (positions and ledger.market_id < market_id):
                commit = ledger.build(self.engine.book, self.engine.names, market_id)
                commits.append((ledger.shard, commit))
                # Alerts stay together, their readers put them in order; levels may come in turns.
                if sum(len(each.levels) for _, each in commits) > LEVELS_A_COMMIT and not any(
                    each.blocks for _, each in commits
                ):
                    await self._send(commits)
                    commits = []
        if commits:
            await self._send(commits)

    async def save_snapshot(self, keep: int) -> None:
        """Commit all shards at one place, keep the market as of there, and trim the stream.

        Entries that no start needs are let go, but for the newest `keep`.
        """
        await self.commit(positions=True)
        market_id = self.engine.market_id
        await self._market.save_snapshot(market_id, self.engine.facts.snapshot())
        await self._market.trim(market_id, keep)

    async def _send(self, commits: Commits) -> None:
        """Send the same commits until the store has answered; LeaseLost when we may no more."""
        wait_s, longest_s = RETRY_S
        started = time.perf_counter()
        while True:
            try:
                outcomes = await self._log.commit(commits)
                break
            except StoreUnavailable as error:
                _log.warning("commit is sent again in %.2f s: %s", wait_s, error)
                await asyncio.sleep(wait_s)
                wait_s = min(2.0 * wait_s, longest_s)
        self.commits += len(commits)
        self.measures.commit_seconds.observe(time.perf_counter() - started)
        if any(commit.blocks for _, commit in commits):
            age_ms = _now_ms() - self.engine.event_time_ms
            self.measures.tick_to_alert_seconds.observe(age_ms / 1e3)
        for (shard, _), outcome in zip(commits, outcomes, strict=True):
            if outcome == "lease_lost":
                raise LeaseLost(f"another monitor owns shard {shard}")
            if outcome == "out_of_step":
                raise OutOfStep(
                    f"shard {shard} is not where it was left; start again from the store"
                )

    async def _apply(self, entry: MarketEntry, fetched: dict[int, deque[AccountChange]]) -> None:
        """Apply an entry; of many alerts the first are logged while the rest is being written."""
        changes: list[AccountChange] = []
        if entry.kind == "a":
            changes = self._bound_by(entry, fetched)
        waiting, now_ms, started = 0, _now_ms(), time.perf_counter()
        pools = self.engine.stats.pools_evaluated
        async with Parts(self._send) as parts:
            for page in self.engine.pages(entry, changes, now_ms):
                write_page(self.ledgers, page, self._shards)
                waiting += len(page.alerts)
                if page.left >= PART_LEFT and await parts.offer(waiting, self._build_parts):
                    waiting = 0
            await parts.end(self._build_parts)
        self.measures.entry_seconds.observe(time.perf_counter() - started)
        self.measures.entry_pools.observe(self.engine.stats.pools_evaluated - pools)
        if entry.kind == "m":
            self.measures.mark_age_seconds.observe((now_ms - entry.event_time_ms) / 1e3)
        for account in self.engine.touched:
            self._ledger_of(account).accounts.add(account)
        self.engine.touched.clear()

    def _build_parts(self) -> Commits:
        return [
            (ledger.shard, ledger.build_part()) for ledger in self.ledgers.values() if ledger.alerts
        ]

    def _bound_by(
        self, entry: MarketEntry, fetched: dict[int, deque[AccountChange]]
    ) -> list[AccountChange]:
        """Return the changes a notice brings in: up to its id, those no earlier one has."""
        notice = _notice_decoder.decode(entry.payload)
        ledger = self.ledgers.get(notice.shard)
        if ledger is None or notice.upto <= ledger.drained_to:
            return []
        queue, changes = fetched[notice.shard], []
        while queue and queue[0].change_id <= notice.upto:
            changes.append(queue.popleft())
        ledger.drain(changes, notice.upto)
        return changes

    async def _fetch_changes(
        self, entries: Sequence[MarketEntry]
    ) -> dict[int, deque[AccountChange]]:
        """Return by shard the changes that the notices among these entries bring in."""
        upto: dict[int, int] = {}
        for entry in entries:
            if entry.kind == "a":
                notice = _notice_decoder.decode(entry.payload)
                upto[notice.shard] = max(notice.upto, upto.get(notice.shard, 0))
        fetched: dict[int, deque[AccountChange]] = defaultdict(deque)
        for shard, last in upto.items():
            ledger = self.ledgers.get(shard)
            after = last if ledger is None else ledger.drained_to
            while after < last:
                page = await self._accounts.changes(shard, after, last, CHANGES_A_READ)
                fetched[shard].extend(page)
                after = page[-1].change_id if len(page) == CHANGES_A_READ else last
        return fetched

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
            ledger = self._waiting.pop(0)
            await self._load(ledger.shard)
            self.ledgers[ledger.shard] = ledger

    async def _load(self, shard: int) -> None:
        book = self.engine.book
        _, levels = await self._log.levels(shard)
        async for rows in self._accounts.load(shard):
            loaded = []
            for key, version, doc in rows:
                try:
                    account = decode_account(doc, key)
                except ServiceError as error:
                    self.engine.stats.unreadable += 1
                    _log.error("%s cannot be read: %s", key, error)
                    continue
                loaded.append((account, version, read_states(levels.get(key, b"[]"))))
            self.engine.load(loaded)
        for key, seq in (await self._log.seqs(shard)).items():
            index = book.enter(key)  # may make new columns: before the next line looks at them
            book.accounts.seq[index] = seq

    def _ledger_of(self, account: int) -> Ledger:
        key = self.engine.book.keys[account]
        return self.ledgers[shard_of(key, self._shards)]

    async def append_missing_notices(self) -> None:
        """See to changes whose writer died before his notice; call it now and then.

        A change is given the time between two calls, so that the notices of writers alive are not
        doubled (which would do no harm).
        """
        late = {}
        for counter in await self._accounts.counters():
            ledger = self.ledgers.get(counter.shard)
            if ledger is not None and counter.changes > ledger.drained_to:
                late[counter.shard] = counter.changes
        overdue = [
            (shard, changes)
            for shard, changes in late.items()
            if self._late.get(shard, 0) > self.ledgers[shard].drained_to
        ]
        self._late = late
        if overdue:
            await self._market.append_changes(overdue)
            self.notices += len(overdue)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
