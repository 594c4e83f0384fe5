"""A client of `/v1/stream`: what it says, and what is said to it.

Besides what every socket does (`sockets.py`) it catches up: log to outbox, for subscriptions that
are behind.
"""

from anyio.abc import TaskGroup
from starlette.websockets import WebSocket

from service.contract.alerts import read_alert_id
from service.contract.cursor import Cursor, decode_cursor
from service.contract.frame_reading import FrameRefused, decode_client_frame
from service.contract.frames import (
    Acknowledge,
    Acknowledged,
    Auth,
    ErrorFrame,
    Ping,
    Pong,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from service.contract.selection import Selection, select
from service.errors import InvalidCursor, StoreUnavailable, UnknownAlert
from service.push.connection import Connection
from service.push.markets import MarketSubscription
from service.push.marks import MarkSubscription
from service.push.sockets import serve
from service.push.symbol_choice import SymbolChoice
from service.push.watched import RiskSubscription
from service.store.api_keys import Scope
from service.store.keys import tenant_key


class Session(Connection):
    """The state of one connection; `run` is its life."""

    async def run(self, socket: WebSocket) -> None:
        """Serve an accepted socket until a side ends it; raises WebSocketDisconnect in a group."""
        await serve(self, socket, self._obey, self.say, self.catch_up)

    async def _obey(self, text: str, tasks: TaskGroup) -> None:
        match decode_client_frame(text):
            case Ping():
                await self.say(Pong())
            case Subscribe() as frame:
                await self._subscribe(frame, tasks)
            case Unsubscribe(id=subscription_id):
                await self._unsubscribe(subscription_id)
            case Auth():
                raise self.auth_refused()
            case Acknowledge(alert=alert):
                await self._acknowledge(alert)

    async def _subscribe(self, frame: Subscribe, tasks: TaskGroup) -> None:
        there = self.subscriptions
        if frame.id in there:
            raise FrameRefused("duplicate_subscription", "this id is in use", frame.id)
        if len(there) >= self._limits.subscriptions_max:
            most = f"at most {self._limits.subscriptions_max} in one connection"
            raise FrameRefused("too_many_subscriptions", most, frame.id)
        await self.pay(len(frame.accounts or ()) - 1)
        if frame.channel == "alerts":
            self.subscribe_to_alerts(frame.id, *self._wanted(frame))
        elif frame.channel == "marks":
            await self._follow_marks(frame, tasks)
        elif frame.channel == "markets":
            await self._follow_markets(frame, tasks)
        elif frame.channel == "risk":
            await self._watch(frame, tasks)
        else:
            raise FrameRefused(
                "unknown_channel", "channels: alerts, marks, markets, risk", frame.id
            )

    async def _follow_marks(self, frame: Subscribe, tasks: TaskGroup) -> None:
        """Begin to tell the newest marks of symbols."""
        marks = MarkSubscription(frame.id, self._symbols_of(frame), self.outbox)
        await self.say(Subscribed(frame.id, "marks", self._switchboard.epoch, False, None))
        self.marks[frame.id] = marks
        self._switchboard.listen_to_marks(marks)
        tasks.start_soon(marks.run, self._limits.frame_bytes)

    async def _follow_markets(self, frame: Subscribe, tasks: TaskGroup) -> None:
        """Begin to tell in which condition the markets of symbols are."""
        markets = MarketSubscription(frame.id, self._symbols_of(frame), self.outbox)
        await self.say(Subscribed(frame.id, "markets", self._switchboard.epoch, False, None))
        self.markets[frame.id] = markets
        self._switchboard.listen_to_markets(markets)
        tasks.start_soon(markets.run, self._limits.frame_bytes)

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
        await self.say(Subscribed(frame.id, "risk", self._switchboard.epoch, False, None))
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

    def _symbols_of(self, frame: Subscribe) -> SymbolChoice:
        """Return which symbols a frame asks for."""
        choice = SymbolChoice(frame.symbols)
        if choice.beginnings > self._limits.beginnings_max:
            most = f"at most {self._limits.beginnings_max} beginnings of symbols"
            raise FrameRefused("too_many_items", most, frame.id)
        return choice

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
            await self.say(Acknowledged(alert, await self._switchboard.acknowledge(key, seq)))
        except UnknownAlert as unknown:
            raise FrameRefused("unknown_alert", unknown.detail, alert=alert) from None
        except StoreUnavailable as away:
            await self.say(ErrorFrame("store_unavailable", away.detail, alert=alert))

    async def _unsubscribe(self, subscription_id: str) -> None:
        """Stop all that speaks for the subscription before saying that it is over."""
        subscription = self.subscriptions.get(subscription_id)
        if subscription is None:
            raise FrameRefused("unknown_subscription", "there is none of this id", subscription_id)
        for kept in (self.alerts, self.marks, self.markets, self.risks):
            kept.pop(subscription_id, None)
        subscription.reading.cancel()
        self._switchboard.disconnect(subscription)
        await self.say(Unsubscribed(subscription_id))
