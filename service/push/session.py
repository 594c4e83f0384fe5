"""A client of the WebSocket: what it says, and what is said to it.

Its tasks are pump (outbox to socket, the only writer), listen (socket to frames, the only way to
learn of a hang-up), catch up (log to outbox, for subscriptions that are behind) and a wait for the
order to end. The first to end ends them all.
"""

from typing import Any

import anyio
from anyio.abc import TaskGroup
from starlette.websockets import WebSocket

from service.access.door import Caller
from service.contract.cursor import Cursor, decode_cursor
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
from service.contract.selection import Selection, select
from service.errors import InvalidCursor
from service.push.close_codes import REASONS, CloseCode
from service.push.connection import CLOSE_S, Connection, StreamLimits, Switchboard, start_all
from service.push.marks import MarkSubscription

BAD_FRAMES_MAX = 100


class Session(Connection):
    """The state of one connection; `run` is its life."""

    def __init__(self, switchboard: Switchboard, caller: Caller, limits: StreamLimits) -> None:
        super().__init__(switchboard, caller, limits)
        self._bad_frames = 0

    async def run(self, socket: WebSocket) -> None:
        """Serve an accepted socket until a side ends it; raises WebSocketDisconnect in a group."""
        async with anyio.create_task_group() as tasks:

            async def listen() -> None:
                await self._listen(socket, tasks)

            async def pump() -> None:
                await self.pump(socket.send_text)

            start_all(tasks, listen, pump, self.catch_up, self.ended)
        if self.close_code is not None:
            # A peer that does not read must not hold the close either.
            with anyio.move_on_after(CLOSE_S):
                await socket.close(self.close_code, REASONS[self.close_code])

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
            self.subscribe_to_alerts(frame.id, *self._wanted(frame))
        elif frame.channel == "marks":
            await self._say(Subscribed(frame.id, "marks", self._switchboard.epoch, False, None))
            marks = MarkSubscription(frame.id, frame.symbols, self.outbox)
            self.marks[frame.id] = marks
            self._switchboard.listen_to_marks(marks)
            tasks.start_soon(marks.run, self._limits.frame_bytes)
        else:
            raise FrameRefused("unknown_channel", "channels: alerts, marks", frame.id)

    def _wanted(self, frame: Subscribe) -> tuple[Selection, Cursor | None]:
        """Return whose alerts a frame asks for, and after which cursor."""
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
        return select(self.caller.tenant, frame.accounts, frame.levels), since

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

    async def _say(self, frame: ServerFrame) -> None:
        await self.outbox.put(encode_frame(frame))
