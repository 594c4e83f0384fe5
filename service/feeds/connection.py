"""Keeps one line of a venue open: connect, say, hear; after a loss again, further apart each time.

A loss is an error, an end, or silence: a socket that is open and brings no mark is worth as little
as a closed one. Waits have full jitter, so that those who were cut off together do not come back
together.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from service.feeds.intake import Intake
from service.feeds.venue import Line, Markets, Rejected, Talk

FRAME_MAX_BYTES = 16 * 2**20
SAID_MAX = 200  # characters of a venue's words in our log
_LOSSES = (OSError, TimeoutError, WebSocketException, httpx.HTTPError, msgspec.MsgspecError)

_log = logging.getLogger("plimsoll.feeds")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a feed moves: its batches, its waits. A `silent_after_s` goes before the line's."""

    flush_s: float = 0.2
    delay_first_s: float = 0.5
    delay_max_s: float = 30.0
    open_within_s: float = 10.0
    settled_after_s: float = 30.0
    silent_after_s: float | None = None
    store_within_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Origins:
    """Where to connect instead of the venue's own hosts: scheme and host, the path stays.

    `listing` is where contracts are listed; without it that is asked of the stream's host, too.
    """

    stream: str | None = None
    listing: str | None = None

    def of(self, line: Line) -> tuple[str, str | None]:
        """Return the line's URL and that of its list."""
        if self.stream is None:
            return line.url, line.list_url
        listing = self.listing or self.stream.replace("ws", "http", 1)
        url = self.stream.rstrip("/") + urlsplit(line.url).path
        return url, None if line.list_url is None else listing.rstrip("/")


def delay_s(pace: Pace, failures: int) -> float:
    """Return a wait between nothing and a bound that doubles with each failure in a row."""
    bound_s = pace.delay_first_s * 2.0 ** min(failures, 16)
    return random.uniform(0.0, min(pace.delay_max_s, bound_s))


class Silence(Exception):
    """The socket is open and brings no marks."""


class Connection:
    """One line and its socket; the marks go to the feed's intake."""

    def __init__(self, feed: str, line: Line, intake: Intake, pace: Pace, origins: Origins) -> None:
        self._name = f"{feed} {line.name}"
        self._line = line
        self._intake = intake
        self._pace = pace
        self._url, self._list_url = origins.of(line)
        self._failures = 0
        self.open = False
        self.reconnects = 0

    async def run(self) -> None:
        """Hold the line until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            opened_s, taken = loop.time(), self._intake.taken
            try:
                reason = await self._until_lost()
            finally:
                self.open = False
            lived_s = loop.time() - opened_s
            settled = lived_s >= self._pace.settled_after_s and self._intake.taken > taken
            self._failures = 0 if settled else self._failures + 1
            wait_s = delay_s(self._pace, self._failures)
            _log.warning(
                "%s: lost after %.1f s: %s; again in %.1f s", self._name, lived_s, reason, wait_s
            )
            self.reconnects += 1
            await asyncio.sleep(wait_s)

    async def _until_lost(self) -> str:
        """Connect and hear; return in words why it ended."""
        try:
            markets = await self._markets()
            async with self._connected() as socket:
                self.open = True
                _log.info("%s: connected to %s", self._name, urlsplit(self._url).netloc)
                talk = self._line.talk(self._intake, markets)
                for text in talk.opening():
                    await socket.send(text)
                async with self._pinged(socket):
                    await self._hear(socket, talk)
        except Silence:
            said = ", ".join(
                f"{count:,} {reason}" for reason, count in self._intake.refused.items()
            )
            refused = f" (refused so far: {said})" if said else ""
            return f"open, but no mark for {self._silent_after_s:g} s{refused}"
        except _LOSSES as error:
            return f"{type(error).__name__} {error}".strip()[:SAID_MAX]
        return "opened anew for its list of markets"

    async def _markets(self) -> Markets:
        """Ask the venue which contracts it has, where it does not say so on the line itself."""
        if self._line.markets is None or self._list_url is None:
            return {}
        async with httpx.AsyncClient(
            base_url=self._list_url, timeout=self._pace.open_within_s, trust_env=False
        ) as client:

            async def get(path: str) -> bytes:
                response = await client.get(path)
                return response.raise_for_status().content

            return await self._line.markets(get, self._intake)

    def _connected(self) -> connect:
        return connect(
            self._url,
            open_timeout=self._pace.open_within_s,
            close_timeout=1.0,
            max_size=FRAME_MAX_BYTES,
            compression=None,
            proxy=None,
        )

    @contextlib.asynccontextmanager
    async def _pinged(self, socket: ClientConnection) -> AsyncIterator[None]:
        """Say the venue's ping for as long as the block goes on."""
        ping = self._line.ping
        if ping is None:
            yield
            return

        async def say() -> None:
            with contextlib.suppress(ConnectionClosed):  # whoever hears is told as well
                while True:
                    await asyncio.sleep(self._line.ping_every_s)
                    await socket.send(ping)

        pinging = asyncio.create_task(say(), name=f"ping {self._name}")
        try:
            yield
        finally:
            pinging.cancel()

    @property
    def _silent_after_s(self) -> float:
        return self._pace.silent_after_s or self._line.silent_after_s

    async def _hear(self, socket: ClientConnection, talk: Talk) -> None:
        """Hear until the line is lost, silent, or due to be opened anew.

        Only marks end a silence: a venue may answer every ping and have stopped all the same.
        """
        loop = asyncio.get_running_loop()
        renew_s = self._line.renew_after_s
        until_s = None if renew_s is None else loop.time() + renew_s
        try:
            async with asyncio.timeout(self._silent_after_s) as silence:
                async for raw in socket:
                    for text in self._heard(talk, raw):
                        await socket.send(text)
                    if self._intake.end_frame():
                        silence.reschedule(loop.time() + self._silent_after_s)
                    if until_s is not None and loop.time() > until_s:
                        return
        except TimeoutError:
            if silence.expired():
                raise Silence from None
            raise
        raise ConnectionError(f"the venue closed it ({socket.close_code} {socket.close_reason})")

    def _heard(self, talk: Talk, raw: str | bytes) -> list[str]:
        """Take one frame; what is wrong with it is counted and said, and the line goes on."""
        self._intake.begin_frame()
        try:
            return list(talk.hear(raw))
        except Rejected as error:
            self._intake.refuse("rejected")
            _log.warning("%s: the venue refuses: %s", self._name, str(error)[:SAID_MAX])
        except msgspec.MsgspecError as error:
            self._intake.refuse("malformed")
            _log.debug("%s: a frame is not as documented: %s", self._name, error)
        return []
