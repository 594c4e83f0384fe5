"""The monitor as it runs: a task to follow and commit, others for clock, lease and questions.

When the store is away the state is kept and everything waits: a commit that was not answered is
sent again as it was, reads go on where they stood. When a shard is lost to another monitor, or the
store is not where we left it, the process ends with a message: a new start recovers.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from service.contract.questions import WORST, decode_question, encode_answer
from service.errors import LeaseLost, StoreUnavailable
from service.monitor.measures import CollectorClock
from service.monitor.ports import AccountsPort, LogPort, MarketPort
from service.monitor.shards import LEASE_MS, Shards
from service.monitor.worst import worst
from service.store.questions import Question, Questions

_log = logging.getLogger(__name__)

BLOCK_MS = 100  # a read waits no longer: commits that can wait do not wait for marks
NEWS_S, POSITIONS_S, SNAPSHOT_S, RETENTION_S = 0.5, 5.0, 10.0, 60.0
CLOCK_S, LEASE_S, NOTICES_S, QUESTIONS_MS = 0.25, 1.0, 1.0, 1_000
AUDIT_S, AUDIT_POOLS_MAX = 20.0, 2_000  # a sweep takes about so long; so many pools in one go
RETRY_S = (0.05, 1.0)
CLOSING_S = 4.0


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept for those who read later."""

    log_ms: int
    log_alerts: int
    market_entries: int


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the monitor talks to."""

    market: MarketPort
    accounts: AccountsPort
    log: LogPort
    questions: Questions
    report: Callable[[bytes], Awaitable[None]]  # figures about ourselves, for readyz and metrics


class _Every:
    """Says once in a while that it is time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


class Monitor:
    """One monitor over some shards; `ready` is set once all are taken in and is never unset."""

    def __init__(
        self,
        ports: Ports,
        fresh: Callable[[], Shards],
        shards: list[int],
        retention: Retention,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._ports = ports
        self._fresh = fresh
        self._shards = fresh()
        self._numbers = shards
        self._retention = retention
        self._on_ready = on_ready
        self._audited_at = time.monotonic()
        self._collector = CollectorClock()
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then commit and give the shards back.

        Raises LeaseLost or OutOfStep, in an exception group, when only a new start helps.
        """
        async with asyncio.TaskGroup() as tasks:
            others = [
                tasks.create_task(self._again(work, pause_s), name=work.__name__)
                for work, pause_s in (
                    (self._keep_lease, LEASE_S),
                    (self._keep_clock, CLOCK_S),
                    (self._keep_notices, NOTICES_S),
                    (self._answer, 0.0),
                )
            ]
            follow = tasks.create_task(self._recover_and_follow(stop), name="follow")
            stopped = tasks.create_task(stop.wait(), name="stop")
            await asyncio.wait((follow, stopped), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((follow,), timeout=CLOSING_S if self.ready.is_set() else 0.0)
            for task in (*others, follow, stopped):
                task.cancel()
        # One that was cut short may have a commit on its way: nothing may be sent after that.
        if not follow.cancelled():
            await self._close()

    async def _recover_and_follow(self, stop: asyncio.Event) -> None:
        await self._recover()
        self.ready.set()
        self._on_ready()
        with self._collector:
            await self._follow(stop)

    async def _recover(self) -> None:
        started = time.monotonic()
        while True:
            try:
                await self._shards.recover(self._numbers)
                break
            except StoreUnavailable as error:
                _log.warning("recovery begins again: %s", error)
                await asyncio.sleep(RETRY_S[1])
                self._shards = self._fresh()
        book, took = self._shards.engine.book, time.monotonic() - started
        _log.info("%d pools of %d shards taken in, %.1f s", len(book), len(self._numbers), took)

    async def _follow(self, stop: asyncio.Event) -> None:
        """Follow the stream; between batches do what is due."""
        news, positions, snapshot = _Every(NEWS_S), _Every(POSITIONS_S), _Every(SNAPSHOT_S)
        retention = _Every(RETENTION_S)
        wait_s, longest_s = RETRY_S
        while not stop.is_set():
            try:
                await self._shards.follow(BLOCK_MS)
                self._audit()
                if news.due():
                    await self._shards.commit(positions=positions.due())
                if snapshot.due():
                    await self._shards.save_snapshot(self._retention.market_entries)
                if retention.due():
                    await self._trim_logs()
                wait_s = RETRY_S[0]
            except StoreUnavailable as error:
                _log.warning("the store is away, trying again in %.2f s: %s", wait_s, error)
                await asyncio.sleep(wait_s)
                wait_s = min(2.0 * wait_s, longest_s)

    def _audit(self) -> None:
        """Sweep on by as much as the time since the last call asks for."""
        now = time.monotonic()
        pools = len(self._shards.engine.book) * (now - self._audited_at) / AUDIT_S
        if pools >= 1.0:
            self._audited_at = now
            self._shards.engine.audit(min(AUDIT_POOLS_MAX, int(pools)))

    async def _trim_logs(self) -> None:
        before_ms = time.time_ns() // 1_000_000 - self._retention.log_ms
        for shard in self._shards.ledgers:
            await self._ports.log.trim_log(shard, before_ms, self._retention.log_alerts)
            await self._ports.accounts.trim_changes(shard, before_ms, self._retention.log_alerts)

    async def _again(self, work: Callable[[], Awaitable[None]], pause_s: float) -> None:
        """Do it again and again; when the store is away, later."""
        while True:
            try:
                await work()
                await asyncio.sleep(pause_s)
            except StoreUnavailable as error:
                _log.warning("%s: %s", work.__name__, error)
                await asyncio.sleep(max(pause_s, RETRY_S[1]))

    async def _keep_lease(self) -> None:
        await self.ready.wait()  # a shard that is still being taken in has nobody who watches it
        if lost := await self._ports.log.renew(self._shards.owned, LEASE_MS):
            raise LeaseLost(f"another monitor owns shards {lost}")
        await self._ports.report(msgspec.json.encode(self.figures()))

    async def _keep_clock(self) -> None:
        await self._ports.market.append_clock()

    async def _keep_notices(self) -> None:
        if self.ready.is_set():
            await self._shards.append_missing_notices()

    async def _answer(self) -> None:
        for question in await self._ports.questions.next_questions(QUESTIONS_MS):
            if self.ready.is_set() and question.kind == WORST:
                await self._answer_worst(question)

    async def _answer_worst(self, question: Question) -> None:
        try:
            asked = decode_question(question.payload)
        except msgspec.DecodeError as error:
            _log.error("a question that cannot be read: %s", error)
            return
        places = worst(self._shards.engine.book, asked)
        await self._ports.questions.answer(
            question, list(self._shards.ledgers), encode_answer(places)
        )

    def figures(self) -> dict[str, Any]:
        """Return figures about this monitor: counts since its start, what it holds, histograms."""
        shards, engine = self._shards, self._shards.engine
        return {
            "shards": sorted(shard for shard, _ in shards.owned),
            "ready": int(self.ready.is_set()),
            "marketId": engine.market_id,
            "eventTime": engine.event_time_ms,
            "accounts": len(engine.book.keys),
            "pools": len(engine.book),
            "positions": engine.book.positions,
            "commits": shards.commits,
            "notices": shards.notices,
            "gaps": shards.gaps,
            **asdict(engine.stats),
            "collectorShare": self._collector.share(),
            "histograms": shards.measures.told(),
        }

    async def _close(self) -> None:
        """Commit everything and give the shards back.

        What cannot be committed now is derived again at the next start.
        """
        try:
            async with asyncio.timeout(CLOSING_S):
                await self._shards.save_snapshot(self._retention.market_entries)
                await self._ports.log.renew(self._shards.owned, 0)
        except (TimeoutError, StoreUnavailable) as error:
            _log.warning("ended without a last commit: %s", error)
