"""One hub a worker: who is connected, who of them hears of what, and how they end.

Publishing never waits. A burst is framed once for all who want all of it and sliced for the others;
who listens to single accounts is found by the account, so a burst costs work in proportion to its
alerts and their listeners, not to the subscriptions there are. A client that is late is left to
read the log by itself; one that does not read at all is closed (4008); nobody else notices either.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import anyio

from service.access.door import Caller
from service.access.meter import Meter
from service.access.silences import SilenceBoard
from service.contract.cursor import encode_cursor
from service.contract.frames import Notice, encode_frame
from service.push.bursts import Burst
from service.push.close_codes import CloseCode
from service.push.connection import Connection, StreamLimits, Subscription
from service.push.follower import LogFollower, LogReader
from service.push.listeners import Listeners
from service.push.markets import MarketBoard, Markets, MarketSubscription
from service.push.marks import MarkBoard, MarkSubscription
from service.push.notices import Notices
from service.push.risk import Judge, RiskBoard, RiskStore
from service.push.subscriptions import AlertSubscription, StoredAlerts
from service.push.watched import RiskSubscription
from service.store.market_stream import MarketEntry, NewestMark
from service.tracing import Span, Tracer

_WATCH_S = 0.5
_FLUSH_S = 1.0
_READERS = 8  # subscriptions that read the log at a time; each may hold some MB of it


class AlertStore(LogReader, StoredAlerts, Protocol):
    """The alert log as the hub and its subscriptions read it."""


class AckStore(Protocol):
    """Where alerts are acknowledged; raises UnknownAlert, StoreUnavailable."""

    async def acknowledge(self, account_key: str, seq: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Risks:
    """What the `risk` channel needs: where accounts are, and who evaluates them."""

    accounts: RiskStore
    judge: Judge


class Hub:
    """`settle` makes sure the store is ours and returns the log's epoch (store/alert_log.py).

    `markets` is to be told which markets leave their bands and come back.

    `observe_s` hears how long after its event time a burst was handed to all who listen,
    `count_close` of every stream that we closed.
    """

    def __init__(
        self,
        log: AlertStore,
        settle: Callable[[], Awaitable[str]],
        *,
        acks: AckStore,
        risks: Risks,
        markets: Markets,
        silences: SilenceBoard,
        meter: Meter,
        limits: StreamLimits | None = None,
    ) -> None:
        self.limits = limits or StreamLimits()
        self.sessions: set[Connection] = set()
        self._log = log
        self._acks = acks
        self._silences = silences
        self._meter = meter
        self._listeners = Listeners()
        self._notices = Notices(lambda: self.sessions)
        self._marks = MarkBoard(self._notices.changed)
        self.markets = MarketBoard(markets, self._notices.crossed)
        self._risks = RiskBoard(risks.accounts, log, risks.judge, self.limits.frame_bytes)
        self.observe_s: Callable[[float], object] = lambda _: None
        self.count_close: Callable[[CloseCode], object] = lambda _: None
        self.tracer: Tracer | None = None
        self._readers = asyncio.Semaphore(_READERS)
        self._draining = False
        self._empty = asyncio.Event()
        self._follower = LogFollower(log, settle, self, silences, frame_max=self.limits.frame_bytes)

    @property
    def epoch(self) -> str:
        return self._follower.epoch

    @property
    def listening(self) -> bool:
        return len(self._listeners) > 0 or self._risks.watching

    async def run(self) -> None:
        """Follow the log and watch over the sessions until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follower.run, name="push log")
            tasks.start_soon(self._watch, name="push watch")
            tasks.start_soon(self._notices.run, name="push notices")
            tasks.start_soon(self._risks.run, name="push risk")
            tasks.start_soon(self.markets.run, name="push markets")
            tasks.start_soon(self._silences.run, name="silences")

    def admit(self, connection: Connection) -> None:
        """Take a connection in, by whichever door; it must `leave` in the end.

        During a drain it is told to come back.
        """
        self.sessions.add(connection)
        if self._draining:
            connection.end(CloseCode.RESTART)

    def leave(self, session: Connection) -> None:
        self.sessions.discard(session)
        if session.close_code is not None:
            self.count_close(session.close_code)
        for subscription in session.subscriptions.values():
            self.disconnect(subscription)
        if not self.sessions:
            self._empty.set()

    def disconnect(self, subscription: Subscription) -> None:
        """Hand nothing more to a subscription."""
        if isinstance(subscription, AlertSubscription):
            self._listeners.remove(subscription)
        elif isinstance(subscription, RiskSubscription):
            self._risks.remove(subscription)
        elif isinstance(subscription, MarketSubscription):
            self.markets.remove(subscription)
        else:
            self._marks.remove(subscription)

    async def advance(self, subscription: AlertSubscription) -> None:
        """Read the log for a subscription that is behind; live from here on when it has all."""
        await subscription.begin(self._log, self._follower)
        async with self._readers:
            if await subscription.read_on(self._log, self._follower):
                subscription.live = True
                self._listeners.add(subscription)

    def broadcast(self, burst: Burst) -> None:
        """Hand a burst to all who want any of it."""
        spans = self._spans_of(burst)
        told = self._listeners.frames(burst)
        for subscription, frames in told:
            if not subscription.deliver(burst, frames):
                self._listeners.remove(subscription)
        for span in spans:
            span.about(subscriptions=len(told))
            span.end()
        self._risks.burst(burst)
        self.observe_s(max(0.0, time.time() - burst.event_time_ms / 1e3))

    def _spans_of(self, burst: Burst) -> list[Span]:
        """Begin a span for each mark that somebody follows and that a burst has alerts of."""
        if self.tracer is None or not burst.traces:
            return []
        alerts = len(burst.keys)
        return [self.tracer.start("push.frame", each, alerts=alerts) for each in burst.traces]

    def resync(self) -> None:
        """End every session that follows the log: it is another log now."""
        for session in self.sessions:
            if session.alerts:
                session.end(CloseCode.RESYNC)
        self._risks.start_over()

    def market_picture(self, marks: list[NewestMark]) -> None:
        """Take the newest marks from whoever follows the market stream in this worker."""
        self._marks.picture(marks)
        self._risks.start_over()

    def market_entry(self, entry: MarketEntry) -> None:
        """Take a new entry of the market stream: `marks` hears of marks, all hear of quality."""
        self._marks.entry(entry)
        self._risks.entry(entry)

    def listen_to_marks(self, subscription: MarkSubscription) -> None:
        """Hand the newest marks to a subscription, then every change."""
        self._marks.add(subscription)

    def listen_to_markets(self, subscription: MarketSubscription) -> None:
        """Hand the condition of markets to a subscription, then every change."""
        self.markets.add(subscription)

    def watch(self, subscription: RiskSubscription) -> bool:
        """Hand the states of its accounts to a subscription; False when they are too many."""
        if not self._risks.has_room_for(subscription.keys):
            return False
        self._risks.add(subscription)
        return True

    async def wait_for(self, caller: Caller, units: int) -> None:
        """Return once what a frame costs was taken from the units of its key."""
        await self._meter.wait_for(caller, units)

    async def acknowledge(self, account_key: str, seq: int) -> int:
        """Acknowledge an alert; return when (ms). Raises UnknownAlert, StoreUnavailable."""
        return await self._acks.acknowledge(account_key, seq)

    async def drain(self, notice_s: float = 5.0) -> None:
        """Announce a restart, give clients that long to leave, then close what is left (4000).

        Returns when nobody is connected, within `notice_s` and a little more.
        """
        self._draining = True
        frame = encode_frame(Notice("restart", in_seconds=notice_s))
        for session in self.sessions:
            session.offer_notice(frame)
        for session in self.sessions:
            if session.idle:
                session.end(CloseCode.RESTART)
        await self._gone_within(notice_s)
        for session in self.sessions:
            session.finish(CloseCode.RESTART)
        await self._gone_within(_FLUSH_S)
        for session in self.sessions:
            session.end(CloseCode.RESTART)
        await self._gone_within(_FLUSH_S)

    async def _gone_within(self, seconds: float) -> None:
        self._empty.clear()
        if self.sessions:
            with anyio.move_on_after(seconds):
                await self._empty.wait()

    async def _watch(self) -> None:
        """End who does not read; say something to whom nothing was said for long."""
        most_s = self.limits.send_timeout_s
        every_s = min(_WATCH_S, self.limits.heartbeat_s / 4.0, most_s / 10.0)
        while True:
            await anyio.sleep(every_s)
            now = anyio.current_time()
            for session in self.sessions:
                since = session.sending_since
                if since is not None and now + every_s - since > most_s:  # the next look is late
                    session.end(CloseCode.SLOW)
            self._beat(now - self.limits.heartbeat_s)

    def _beat(self, silent_since: float) -> None:
        silent = [each for each in self._listeners if each.sent_at <= silent_since]
        if silent:
            cursor = encode_cursor(self.epoch, self._follower.positions)
            for subscription in silent:
                subscription.beat(cursor)
        for states in (*self._marks, *self.markets, *self._risks):
            if states.sent_at <= silent_since:
                states.beat()
