"""What every connected client has, by whichever door it came: subscriptions, what waits for it, how
it ends.

The doors add how frames are read and written (`sockets.py`, `event_stream.py`). Of a connection's
tasks the first to end ends them all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import anyio
from anyio.abc import TaskGroup

from service.access.door import Caller
from service.contract.cursor import Cursor
from service.contract.frame_reading import FrameRefused
from service.contract.frames import ServerFrame, encode_frame
from service.contract.selection import Selection
from service.errors import StoreUnavailable
from service.push.close_codes import CloseCode
from service.push.markets import MarketSubscription
from service.push.marks import MarkSubscription
from service.push.outbox import Outbox
from service.push.subscriptions import AlertSubscription
from service.push.watched import RiskSubscription
from service.store.log_order import LogGap

CLOSE_S = 1.0
_RETRY_S = 0.25


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one connection may cost, and when it is ended."""

    heartbeat_s: float = 15.0
    send_timeout_s: float = 5.0  # a send that is blocked ends the session within so long
    queue_bytes: int = 4 * 2**20
    frame_bytes: int = 256 * 1_024
    subscriptions_max: int = 100
    accounts_max: int = 10_000  # of one subscription
    risk_accounts_max: int = 1_000  # of one subscription to `risk`
    beginnings_max: int = 100  # of symbols, of one subscription


Subscription: TypeAlias = (
    AlertSubscription | MarkSubscription | MarketSubscription | RiskSubscription
)


class Switchboard(Protocol):
    """What a connection needs of the hub."""

    @property
    def epoch(self) -> str: ...

    async def advance(self, subscription: AlertSubscription) -> None:
        """Bring a subscription nearer to live, and put it through when it is there."""

    def disconnect(self, subscription: Subscription) -> None: ...

    def listen_to_marks(self, subscription: MarkSubscription) -> None: ...

    def listen_to_markets(self, subscription: MarketSubscription) -> None: ...

    def watch(self, subscription: RiskSubscription) -> bool:
        """Hand the states of its accounts to a subscription; False when they are too many."""

    async def wait_for(self, caller: Caller, units: int) -> None:
        """Return once what a frame costs was taken from the units of its key."""

    async def acknowledge(self, account_key: str, seq: int) -> int:
        """Acknowledge an alert; return when (ms). Raises UnknownAlert, StoreUnavailable."""


class Connection:
    """The state of one client; only `pump` writes to it."""

    def __init__(self, switchboard: Switchboard, caller: Caller, limits: StreamLimits) -> None:
        self.caller = caller
        self.outbox = Outbox(limits.queue_bytes)
        self.alerts: dict[str, AlertSubscription] = {}
        self.marks: dict[str, MarkSubscription] = {}
        self.markets: dict[str, MarketSubscription] = {}
        self.risks: dict[str, RiskSubscription] = {}
        self.sending_since: float | None = None
        self.close_code: CloseCode | None = None
        self._switchboard = switchboard
        self._limits = limits
        self._behind = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        """All there are, by id."""
        return {**self.alerts, **self.marks, **self.markets, **self.risks}

    @property
    def idle(self) -> bool:
        """Whether nothing is lost by closing."""
        return not self.subscriptions

    def end(self, code: CloseCode) -> None:
        """Close at once, whatever still waits; the first reason given is the one told."""
        self.close_code = self.close_code or code
        self._ended.set()

    def finish(self, code: CloseCode) -> None:
        """Close once what waits is written."""
        self.close_code = self.close_code or code
        self.outbox.seal()

    def offer_notice(self, frame: str) -> None:
        """Tell whoever is not idle; one without room misses it."""
        if not self.idle:
            self.outbox.offer(frame)

    async def say(self, frame: ServerFrame) -> None:
        """Wait for room, then let the frame be written."""
        await self.outbox.put(encode_frame(frame))

    async def pay(self, units: int) -> None:
        """Take what a frame costs, as a call does: one, and its list as many as are in it.

        Whoever has no units left is read no further until they have grown back, and so cannot
        keep us busy; nothing is lost or refused, and no other connection waits.
        """
        if units > 0:
            await self._switchboard.wait_for(self.caller, units)

    def auth_refused(self) -> FrameRefused:
        """Return why an `auth` frame is refused here: it comes first, where one is needed."""
        if self.caller.key_id:
            return FrameRefused("already_authenticated", "a connection has one key")
        return FrameRefused("auth_not_configured", "this service runs without keys")

    async def ended(self) -> None:
        """Return once the connection is to end at once."""
        await self._ended.wait()

    async def pump(self, write: Callable[[str], Awaitable[None]]) -> None:
        """Write what waits, frame by frame, until there is nothing more to come."""
        while (frame := await self.outbox.take()) is not None:
            self.sending_since = anyio.current_time()
            await write(frame)
            self.sending_since = None

    def subscribe_to_alerts(
        self, subscription_id: str, selection: Selection, since: Cursor | None
    ) -> None:
        """Begin to read the log for a subscription."""
        self.alerts[subscription_id] = AlertSubscription(
            subscription_id,
            selection,
            since,
            outbox=self.outbox,
            behind=self._behind,
            frame_max=self._limits.frame_bytes,
        )
        self._behind.set()

    async def catch_up(self) -> None:
        """Turn by turn, read the log for the subscriptions that are behind."""
        while True:
            await self._behind.wait()
            self._behind.clear()
            for subscription in list(self.alerts.values()):
                if not subscription.live and subscription.id in self.alerts:
                    await self._advance(subscription)

    async def _advance(self, subscription: AlertSubscription) -> None:
        subscription.reading = anyio.CancelScope()
        with subscription.reading:
            try:
                await self._switchboard.advance(subscription)
            except LogGap:
                self.end(CloseCode.RESYNC)
            except StoreUnavailable:
                await anyio.sleep(_RETRY_S)
            if not subscription.live:
                self._behind.set()


def start_all(tasks: TaskGroup, *works: Callable[[], Awaitable[object]]) -> None:
    """Start all of it; the first to end ends the others."""

    async def first_to_end(work: Callable[[], Awaitable[object]]) -> None:
        await work()
        tasks.cancel_scope.cancel()

    for work in works:
        tasks.start_soon(first_to_end, work)
