"""The monitor as it runs: a task to follow and commit, others for leases, clock and questions.

Monitors join and leave while the service runs, and share the shards out among them (`sharing`).
When the store is away the state is kept and everything waits: a commit that was not answered is
sent again as it was, reads go on where they stood. When the store is not where we left it, the
books are dropped and recovered from it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from service.errors import OutOfStep, StoreUnavailable
from service.memory import give_back_large_blocks
from service.monitor.answering import Answering
from service.monitor.commits import Ledger
from service.monitor.fund_claims import Claims
from service.monitor.leases import Leases
from service.monitor.maps import Maps
from service.monitor.measures import CollectorClock
from service.monitor.notices import Notices
from service.monitor.ports import AccountsPort, LogPort, MarketPort, RollPort
from service.monitor.report import Census, Figures, figures_of
from service.monitor.shards import Shards
from service.monitor.sharing import Sharing
from service.store.funds import Funds
from service.store.questions import Questions

_log = logging.getLogger(__name__)

BLOCK_MS = 100  # a read waits no longer: commits that can wait do not wait for marks
NEWS_S, POSITIONS_S, SNAPSHOT_S, RETENTION_S = 0.5, 5.0, 10.0, 60.0
CLOCK_S, LEASE_S, LOOK_S, NOTICES_S, FUNDS_S = 0.25, 0.5, 0.2, 1.0, 1.0
AUDIT_S, AUDIT_POOLS = 20.0, (100, 400)  # a sweep takes about so long; least and most in one go
AUDIT_SHARE = 0.05  # of the time is spent on it at most: a sweep over very many pools takes longer
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
    roll: RollPort
    funds: Funds


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
    """One monitor of several; `ready` is set once it serves its first shards, never unset."""

    def __init__(
        self,
        ports: Ports,
        fresh: Callable[[], Awaitable[Shards]],
        shards: int,
        retention: Retention,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._ports = ports
        self._leases = Leases(ports.log, ports.roll, shards)
        self._sharing = Sharing(self._leases, fresh)
        self._maps = Maps(self._sharing, self._leases, ports.questions)
        self._answering = Answering(self._sharing, self._leases, ports.questions, self._maps)
        self._census = Census(self._sharing)
        self._claims = Claims(ports.funds)
        self._notices = Notices(ports.market, ports.accounts)
        self._retention = retention
        self._on_ready = on_ready
        self._audited_at = self._audit_again_at = time.monotonic()
        self._collector = CollectorClock()
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then commit and give the shards back."""
        give_back_large_blocks()
        async with asyncio.TaskGroup() as tasks:
            others = [
                tasks.create_task(self._again(work, pause_s), name=work.__name__)
                for work, pause_s in (
                    (self._keep_leases, LEASE_S),
                    (self._share_out, 0.0),
                    (self._sharing.bring_up, 0.0),
                    (self._keep_clock, CLOCK_S),
                    (self._keep_notices, NOTICES_S),
                    (self._keep_funds, FUNDS_S),
                    (self._trim_logs, RETENTION_S),
                    (self._answering.answer_next, 0.0),
                    (self._maps.work, 0.0),
                )
            ]
            follow = tasks.create_task(self._watched(stop), name="follow")
            stopped = tasks.create_task(stop.wait(), name="stop")
            await asyncio.wait((follow, stopped), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((follow,), timeout=CLOSING_S)
            for task in (*others, follow, stopped):
                task.cancel()
        # One that was cut short may have a commit on its way: nothing may be sent after that.
        if not follow.cancelled():
            await self._close()

    async def _watched(self, stop: asyncio.Event) -> None:
        with self._collector:
            await self._follow(stop)

    async def _follow(self, stop: asyncio.Event) -> None:
        """Follow the stream; between batches do what is due."""
        news, positions, snapshot = _Every(NEWS_S), _Every(POSITIONS_S), _Every(SNAPSHOT_S)
        wait_s, longest_s = RETRY_S
        while not stop.is_set():
            main = self._sharing.main
            if main is None:
                await asyncio.sleep(RETRY_S[0])
                continue
            self._set_ready()
            try:
                await main.follow(0 if self._sharing.busy else BLOCK_MS)
                self._audit(main)
                if news.due():
                    await self._sharing.commit(positions=positions.due())
                if snapshot.due():
                    await main.save_snapshot(self._retention.market_entries)
                await self._sharing.step()
                wait_s = RETRY_S[0]
            except OutOfStep as error:
                _log.error("everything is recovered from the store: %s", error)
                self._sharing.abandon()
            except StoreUnavailable as error:
                _log.warning("the store is away, trying again in %.2f s: %s", wait_s, error)
                await asyncio.sleep(wait_s)
                wait_s = min(2.0 * wait_s, longest_s)

    def _set_ready(self) -> None:
        if not self.ready.is_set():
            self.ready.set()
            self._on_ready()

    def _audit(self, book: Shards) -> None:
        """Sweep on by as much as the time since the last call asks for."""
        now = time.monotonic()
        least, most = AUDIT_POOLS
        pools = len(book.engine.book) * (now - self._audited_at) / AUDIT_S
        enough = max(1, min(least, len(book.engine.book)))
        if pools >= enough and now >= self._audit_again_at:
            self._audited_at = now
            book.engine.audit(min(most, int(pools)))
            self._audit_again_at = now + (time.monotonic() - now) / AUDIT_SHARE

    async def _trim_logs(self) -> None:
        """Let go what is kept no longer: two calls a shard, which no mark waits for."""
        before_ms = time.time_ns() // 1_000_000 - self._retention.log_ms
        for shard in self._sharing.served:
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

    async def _keep_leases(self) -> None:
        await self._sharing.renew()
        await self._report()

    async def _share_out(self) -> None:
        """Look who owns what, at once when something has changed here."""
        changed = self._sharing.changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await changed.wait()
        if changed.is_set():
            changed.clear()
            await self._report()
        await self._sharing.share_out()

    async def _report(self) -> None:
        await self._ports.roll.report(msgspec.json.encode(self.figures()))

    async def _keep_clock(self) -> None:
        await self._ports.market.append_clock()

    async def _keep_notices(self) -> None:
        ledgers: dict[int, Ledger] = {}
        for book in self._sharing.serving:
            ledgers |= book.ledgers
        followed_to = min((book.engine.market_id for book in self._sharing.serving), default=0)
        await self._notices.append_missing(ledgers, followed_to)

    async def _keep_funds(self) -> None:
        await self._claims.tell(self._sharing.serving)

    def figures(self) -> Figures:
        """Return figures about this monitor: counts since its start, and what it holds."""
        return figures_of(self._sharing, self._census) | {
            "notices": self._notices.appended,
            "collectorShare": self._collector.share(),
        }

    async def _close(self) -> None:
        """Commit everything and give the shards back.

        What cannot be committed now is derived again at the next start.
        """
        try:
            async with asyncio.timeout(CLOSING_S):
                await self._ports.roll.leave()  # the others' shares grow before our shards are free
                if self._sharing.main is not None:
                    await self._sharing.main.save_snapshot(self._retention.market_entries)
                await self._sharing.give_all_back()
        except (TimeoutError, StoreUnavailable) as error:
            _log.warning("ended without a last commit: %s", error)
