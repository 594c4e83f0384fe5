"""One connected client: what it says, what it listens to, what waits for it, and how it ends.

Its tasks are pump (outbox to socket, the only writer), listen (socket to frames, the only way to
learn of a hang-up), catch up (log to outbox, for subscriptions that are behind) and a wait for the
order to end. The first to end ends them all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup
from starlette.websockets import WebSocket

from service.access.door import Caller
from service.contract.cursor import decode_cursor
from service.contract.frames import (
    Acknowledge,
    Auth,
    FrameRefused,
    Ping,
    Pong,
    ServerFrame,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    decode_client_frame,
    encode_frame,
)
from service.errors import InvalidCursor, StoreUnavailable
from service.push.close_codes import REASONS, CloseCode
from service.push.marks import MarkSubscription
from service.push.outbox import Outbox
from service.push.selection import select
from service.push.subscriptions import AlertSubscription
from service.store.log_order import LogGap

BAD_FRAMES_MAX = 100
CLOSE_S = 1.0
_RETRY_S = 0.25


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one connection may cost, and when it is ended."""

    heartbeat_s: float = 15.0
    send_timeout_s: float = 5.0  # a send that is blocked for longer ends the session
    queue_bytes: int = 4 * 2**20
    frame_bytes: int = 256 * 1_024
    subscriptions_max: int = 100
    accounts_max: int = 10_000  # of one subscription


class Switchboard(Protocol):
    """What a session needs of the hub."""

    @property
    def epoch(self) -> str: ...

    async def advance(self, subscription: AlertSubscription) -> None:
        """Bring a subscription nearer to live, and put it through when it is there."""

    def disconnect(self, subscription: AlertSubscription | MarkSubscription) -> None: ...

    def listen_to_marks(self, subscription: MarkSubscription) -> None: ...


class Session:
    """The state of one connection; `run` is its life."""

    def __init__(self, switchboard: Switchboard, caller: Caller, limits: StreamLimits) -> None:
        self.caller = caller
        self.outbox = Outbox(limits.queue_bytes)
        self.alerts: dict[str, AlertSubscription] = {}
        self.marks: dict[str, MarkSubscription] = {}
        self.sending_since: float | None = None
        self.close_code: CloseCode | None = None
        self._switchboard = switchboard
        self._limits = limits
        self._behind = asyncio.Event()
        self._ended = asyncio.Event()
        self._bad_frames = 0

    def end(self, code: CloseCode) -> None:
        """Close at once, whatever still waits; the first reason given is the one told."""
        self.close_code = self.close_code or code
        self._ended.set()

    def finish(self, code: CloseCode) -> None:
        """Close once what waits is written."""
        self.close_code = self.close_code or code
        self.outbox.seal()

    async def run(self, socket: WebSocket) -> None:
        """Serve an accepted socket until a side ends it; raises WebSocketDisconnect in a group."""
        async with anyio.create_task_group() as tasks:

            async def first_to_end(work: Callable[[], Awaitable[object]]) -> None:
                await work()
                tasks.cancel_scope.cancel()

            async def listen() -> None:
                await self._listen(socket, tasks)

            async def pump() -> None:
                await self._pump(socket)

            for work in (listen, pump, self._catch_up, self._ended.wait):
                tasks.start_soon(first_to_end, work)
        if self.close_code is not None:
            # A peer that does not read must not hold the close either.
            with anyio.move_on_after(CLOSE_S):
                await socket.close(self.close_code, REASONS[self.close_code])

    async def _pump(self, socket: WebSocket) -> None:
        while (frame := await self.outbox.take()) is not None:
            self.sending_since = anyio.current_time()
            await socket.send_text(frame)
            self.sending_since = None

    async def _listen(self, socket: WebSocket, tasks: TaskGroup) -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                await self._obey(message, tasks)
            except FrameRefused as refused:
                await self._say(refused.frame)
                self._bad_frames += 1
                if self._bad_frames > BAD_FRAMES_MAX:
                    self.end(CloseCode.TOO_MANY_ERRORS)

    async def _obey(self, message: Any, tasks: TaskGroup) -> None:
        text = message.get("text")
        if text is None:
            raise FrameRefused("binary_frame", "frames are JSON text")
        match decode_client_frame(text):
            case Ping():
                await self._say(Pong())
            case Subscribe() as frame:
                await self._subscribe(frame, tasks)
            case Unsubscribe(id=subscription_id):
                await self._unsubscribe(subscription_id)
            case Auth():
                raise self._auth_refused()
            case Acknowledge():
                raise FrameRefused("unsupported_op", "alerts cannot be acknowledged yet")

    def _auth_refused(self) -> FrameRefused:
        """Return why an `auth` frame is refused here: it comes first, where one is needed."""
        if self.caller.key_id:
            return FrameRefused("already_authenticated", "a connection has one key")
        return FrameRefused("auth_not_configured", "this service runs without keys")

    async def _subscribe(self, frame: Subscribe, tasks: TaskGroup) -> None:
        if frame.id in self.alerts or frame.id in self.marks:
            raise FrameRefused("duplicate_subscription", "this id is in use", frame.id)
        if len(self.alerts) + len(self.marks) >= self._limits.subscriptions_max:
            most = f"at most {self._limits.subscriptions_max} in one connection"
            raise FrameRefused("too_many_subscriptions", most, frame.id)
        if frame.channel == "alerts":
            self.alerts[frame.id] = self._alert_subscription(frame)
            self._behind.set()
        elif frame.channel == "marks":
            await self._say(Subscribed(frame.id, "marks", self._switchboard.epoch, False, None))
            marks = MarkSubscription(frame.id, frame.symbols, self.outbox)
            self.marks[frame.id] = marks
            self._switchboard.listen_to_marks(marks)
            tasks.start_soon(marks.run, self._limits.frame_bytes)
        else:
            raise FrameRefused("unknown_channel", "channels: alerts, marks", frame.id)

    def _alert_subscription(self, frame: Subscribe) -> AlertSubscription:
        if not self.caller.may("alerts:read"):
            raise FrameRefused("missing_scope", "this key lacks the scope alerts:read", frame.id)
        if frame.accounts is None:
            raise FrameRefused("invalid_frame", 'missing `accounts`; ["*"] is all', frame.id)
        accounts_max = self._limits.accounts_max
        if len(frame.accounts) > accounts_max:
            raise FrameRefused("too_many_accounts", f"at most {accounts_max}", frame.id)
        try:
            since = None if frame.since is None else decode_cursor(frame.since)
        except InvalidCursor as error:
            raise FrameRefused("invalid_cursor", error.detail, frame.id) from None
        selection = select(self.caller.tenant, frame.accounts, frame.levels)
        return AlertSubscription(
            frame.id,
            selection,
            since,
            outbox=self.outbox,
            behind=self._behind,
            frame_max=self._limits.frame_bytes,
        )

    async def _unsubscribe(self, subscription_id: str) -> None:
        """Stop all that speaks for the subscription before saying that it is over."""
        alerts = self.alerts.pop(subscription_id, None)
        marks = self.marks.pop(subscription_id, None)
        subscription = alerts or marks
        if subscription is None:
            raise FrameRefused("unknown_subscription", "there is none of this id", subscription_id)
        subscription.reading.cancel()
        self._switchboard.disconnect(subscription)
        await self._say(Unsubscribed(subscription_id))

    async def _catch_up(self) -> None:
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

    async def _say(self, frame: ServerFrame) -> None:
        await self.outbox.put(encode_frame(frame))
