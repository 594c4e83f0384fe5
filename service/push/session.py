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
from service.contract.alerts import read_alert_id
from service.contract.cursor import Cursor, decode_cursor
from service.contract.frames import (
    Acknowledge,
    Acknowledged,
    Auth,
    ErrorFrame,
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
from service.errors import InvalidCursor, StoreUnavailable, UnknownAlert
from service.push.close_codes import REASONS, CloseCode
from service.push.connection import CLOSE_S, Connection, StreamLimits, Switchboard, start_all
from service.push.marks import MarkSubscription
from service.push.watched import RiskSubscription
from service.store.api_keys import Scope
from service.store.keys import tenant_key

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
            await self._pay(1)
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
            case Acknowledge(alert=alert):
                await self._acknowledge(alert)

    async def _pay(self, units: int) -> None:
        """Take what a frame costs, as a call does: one, and its list as many as are in it.

        Whoever has no units left is read no further until they have grown back, and so cannot
        keep us busy; nothing is lost or refused, and no other connection waits.
        """
        if units > 0:
            await self._switchboard.wait_for(self.caller, units)

    def _auth_refused(self) -> FrameRefused:
        """Return why an `auth` frame is refused here: it comes first, where one is needed."""
        if self.caller.key_id:
            return FrameRefused("already_authenticated", "a connection has one key")
        return FrameRefused("auth_not_configured", "this service runs without keys")

    async def _subscribe(self, frame: Subscribe, tasks: TaskGroup) -> None:
        there = self.subscriptions
        if frame.id in there:
            raise FrameRefused("duplicate_subscription", "this id is in use", frame.id)
        if len(there) >= self._limits.subscriptions_max:
            most = f"at most {self._limits.subscriptions_max} in one connection"
            raise FrameRefused("too_many_subscriptions", most, frame.id)
        await self._pay(len(frame.accounts or ()) - 1)
        if frame.channel == "alerts":
            self.subscribe_to_alerts(frame.id, *self._wanted(frame))
        elif frame.channel == "marks":
            await self._say(Subscribed(frame.id, "marks", self._switchboard.epoch, False, None))
            marks = MarkSubscription(frame.id, frame.symbols, self.outbox)
            self.marks[frame.id] = marks
            self._switchboard.listen_to_marks(marks)
            tasks.start_soon(marks.run, self._limits.frame_bytes)
        elif frame.channel == "risk":
            await self._watch(frame, tasks)
        else:
            raise FrameRefused("unknown_channel", "channels: alerts, marks, risk", frame.id)

    async def _watch(self, frame: Subscribe, tasks: TaskGroup) -> None:
        """Begin to tell how accounts are."""
        names = self._accounts_of(frame, "accounts:read", self._limits.risk_accounts_max)
        if any(name.endswith("*") for name in names):
            raise FrameRefused("invalid_frame", "`risk` takes account ids, no patterns", frame.id)
        keys = (tenant_key(self.caller.tenant, name) for name in names)
        risk = RiskSubscription(frame.id, keys, self.outbox)
        if not self._switchboard.watch(risk):
            raise FrameRefused("too_many_accounts", "this worker watches no more", frame.id)
        self.risks[frame.id] = risk
        await self._say(Subscribed(frame.id, "risk", self._switchboard.epoch, False, None))
        tasks.start_soon(risk.run, self._limits.frame_bytes)

    def _accounts_of(self, frame: Subscribe, scope: Scope, accounts_max: int) -> list[str]:
        """Return the accounts of a frame, which need this scope."""
        if not self.caller.may(scope):
            raise FrameRefused("missing_scope", f"this key lacks the scope {scope}", frame.id)
        if frame.accounts is None:
            raise FrameRefused("invalid_frame", "missing `accounts`", frame.id)
        if len(frame.accounts) > accounts_max:
            raise FrameRefused("too_many_accounts", f"at most {accounts_max}", frame.id)
        return frame.accounts

    def _wanted(self, frame: Subscribe) -> tuple[Selection, Cursor | None]:
        """Return whose alerts a frame asks for, and after which cursor."""
        accounts = self._accounts_of(frame, "alerts:read", self._limits.accounts_max)
        try:
            since = None if frame.since is None else decode_cursor(frame.since)
        except InvalidCursor as error:
            raise FrameRefused("invalid_cursor", error.detail, frame.id) from None
        return select(self.caller.tenant, accounts, frame.levels, bool(frame.silenced)), since

    async def _acknowledge(self, alert: str) -> None:
        """Acknowledge an alert of the caller's tenant: whoever is told of alerts may."""
        if not self.caller.may("alerts:read"):
            detail = "this key lacks the scope alerts:read"
            raise FrameRefused("missing_scope", detail, alert=alert)
        named = read_alert_id(alert)
        try:
            if named is None:
                raise UnknownAlert("there is no such alert in the log")
            account, seq = named
            key = tenant_key(self.caller.tenant, account)
            await self._say(Acknowledged(alert, await self._switchboard.acknowledge(key, seq)))
        except UnknownAlert as unknown:
            raise FrameRefused("unknown_alert", unknown.detail, alert=alert) from None
        except StoreUnavailable as away:
            await self._say(ErrorFrame("store_unavailable", away.detail, alert=alert))

    async def _unsubscribe(self, subscription_id: str) -> None:
        """Stop all that speaks for the subscription before saying that it is over."""
        subscription = self.subscriptions.get(subscription_id)
        if subscription is None:
            raise FrameRefused("unknown_subscription", "there is none of this id", subscription_id)
        for kept in (self.alerts, self.marks, self.risks):
            kept.pop(subscription_id, None)
        subscription.reading.cancel()
        self._switchboard.disconnect(subscription)
        await self._say(Unsubscribed(subscription_id))

    async def _say(self, frame: ServerFrame) -> None:
        await self.outbox.put(encode_frame(frame))
