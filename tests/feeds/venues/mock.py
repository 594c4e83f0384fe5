"""A venue on loopback: a real WebSocket server that speaks its frames, and fails on command.

Prices rise a little with every tick, so that a price tells when it was quoted.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal, NamedTuple, Protocol

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Fault = Literal[
    "none",
    "cut",
    "silent",
    "slow",
    "out of order",
    "doubled",
    "zero",
    "NaN",
    "10 x",
    "wick",
    "clock ahead",
    "clock behind",
    "malformed",
]
STEP = 1e-6  # a price's growth in a tick
MINUTE_MS = 60_000
SLOW_MS = 15_000
WICK = 0.6


class Quote(NamedTuple):
    """What the venue says of a market; `price` as text, so that it may be nonsense."""

    market: str
    price: str
    time_ms: int


@dataclass
class Session:
    """One client: what it said, and what it wants."""

    path: str
    wanted: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    muted: bool = False


class Dialect(Protocol):
    """A venue's frames, as its documentation has them."""

    markets: Sequence[str]  # those with marks
    has_time: bool

    def symbol(self, market: str) -> str:
        """Return the unified symbol."""

    def listing(self, path: str, /) -> bytes | None:
        """Return the answer to a GET."""

    def opened(self, session: Session, /) -> Iterable[str]:
        """Return what the venue says by itself at first."""

    def answer(self, session: Session, text: str) -> Iterable[str]:
        """Return the answer to a client's message."""

    def frames(self, session: Session, quotes: Sequence[Quote]) -> Iterable[str]:
        """Return the frames with these quotes, of what the client wants."""


class MockVenue:
    """The server; `fault` may be set at any time. `now_ms` is the true time."""

    def __init__(self, dialect: Dialect, period_s: float = 0.02) -> None:
        self.dialect = dialect
        self.fault: Fault = "none"
        self.sessions: list[Session] = []
        self.connected = 0
        self.tick = 0
        self.origin = ""
        self._period_s = period_s
        self._open: set[ServerConnection] = set()
        self._bases = {market: 10.0 + row for row, market in enumerate(dialect.markets)}

    def price(self, market: str, tick: int) -> float:
        """Return the true price of a market at a tick."""
        return round(self._bases[market] * (1.0 + STEP * tick), 10)

    def prices(self, tick: int) -> dict[str, float]:
        """Return true prices by unified symbol."""
        return {self.dialect.symbol(one): self.price(one, tick) for one in self.dialect.markets}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["MockVenue"]:
        """Serve on a free port until the block ends."""
        async with serve(
            self._serve, "127.0.0.1", 0, process_request=self._listed, ping_interval=None
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.origin = f"ws://127.0.0.1:{port}"
            try:
                yield self
            finally:
                self.cut()

    def cut(self) -> None:
        """Cut every connection without a word."""
        for socket in self._open:
            socket.transport.abort()

    def mute(self) -> None:
        """Go on answering those who are connected, and tell them no prices any more."""
        for session in self.sessions:
            session.muted = True

    def _listed(self, _: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        body = self.dialect.listing(request.path)
        status = HTTPStatus.NOT_FOUND if body is None else HTTPStatus.OK
        headers = Headers({"Content-Length": str(len(body or b"")), "Connection": "close"})
        return Response(status.value, status.phrase, headers, body or b"")

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        session = Session(socket.request.path)
        self.sessions.append(session)
        self.connected += 1
        self._open.add(socket)
        telling = asyncio.create_task(self._tell(socket, session))
        try:
            for text in self.dialect.opened(session):
                await socket.send(text)
            async for raw in socket:
                session.said.append(str(raw))
                for text in self.dialect.answer(session, str(raw)):
                    await socket.send(text)
        except ConnectionClosed:
            pass
        finally:
            telling.cancel()
            self._open.discard(socket)

    async def _tell(self, socket: ServerConnection, session: Session) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(self._period_s)
                self.tick += 1
                if not session.muted:
                    for frame in self._faulty(session):
                        await socket.send(frame)

    def _faulty(self, session: Session) -> list[str]:
        """Return a tick's frames, with the fault in them; those of one market touch the first."""
        quotes = self._quotes()
        first = quotes[0]
        spoilt = {
            "zero": "0",
            "NaN": "NaN",
            "10 x": str(10.0 * float(first.price)),
            "wick": str(WICK * float(first.price)),
        }
        if self.fault in spoilt:
            quotes = [first._replace(price=spoilt[self.fault]), *quotes[1:]]
        shift_ms = {"clock ahead": MINUTE_MS, "clock behind": -MINUTE_MS, "slow": -SLOW_MS}
        if self.fault in shift_ms:
            by_ms = shift_ms[self.fault]
            quotes = [quote._replace(time_ms=quote.time_ms + by_ms) for quote in quotes]
        frames = list(self.dialect.frames(session, quotes))
        if self.fault == "out of order":
            late = [one._replace(time_ms=one.time_ms - 500) for one in self._quotes(back=1)]
            frames += self.dialect.frames(session, late)
        if self.fault == "doubled":
            frames = [again for frame in frames for again in (frame, frame)]
        if self.fault == "malformed":
            frames = [frame[: len(frame) // 2] for frame in frames]
        return frames

    def _quotes(self, back: int = 0) -> list[Quote]:
        now_ms = time.time_ns() // 1_000_000
        tick = self.tick - back
        return [Quote(one, repr(self.price(one, tick)), now_ms) for one in self.dialect.markets]
