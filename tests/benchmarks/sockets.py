"""Thousands of WebSocket clients in one process: what a frame costs them is a note of its time.

They speak as much of RFC 6455 as the stream needs. Frames are masked with zeros, which changes
nothing and costs nothing.
"""

import asyncio
import resource
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import orjson

_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
HANDSHAKE = (
    "GET /v1/stream HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: cGxpbXNvbGwgbGlzdGVucw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_AT_ONCE = 100  # handshakes that are under way
_READY_S = 300.0
STUCK_BUFFER_BYTES = 16 * 1_024


def allow_descriptors() -> int:
    """Let this process have as many open sockets as it may; return how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class Listener(asyncio.Protocol):
    """One client and its subscription to `accounts`; `alerts` are frames with their times."""

    def __init__(self, url: str, accounts: Sequence[str], since: str | None = None) -> None:
        self.accounts = accounts
        self.alerts: list[tuple[float, bytes]] = []
        self.told = 0  # alerts in them
        self.cursor = since
        self.close_code: int | None = None
        self.lost = False
        self.ready = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self._host = urlsplit(url).netloc
        self._buffer = bytearray()
        self._open = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(HANDSHAKE.format(host=self._host).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.ended.set()
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("lost before it was subscribed"))

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self._buffer += data
        if not self._open and not self._shake_hands():
            return
        while (frame := self._frame()) is not None:
            self._take(at, *frame)

    def stop_reading(self) -> None:
        """Read nothing more: what is sent fills the buffers."""
        self._transport.pause_reading()

    def read_on(self) -> None:
        self._transport.resume_reading()

    def forget(self) -> None:
        self.alerts, self.told = [], 0

    def hang_up(self) -> None:
        self._transport.abort()

    def _shake_hands(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        assert head.startswith(b"HTTP/1.1 101 "), bytes(head)
        self._buffer, self._open = rest, True
        frame = {"op": "subscribe", "id": "1", "channel": "alerts", "accounts": self.accounts}
        if self.cursor is not None:
            frame["since"] = self.cursor
        self._say(_TEXT, orjson.dumps(frame))
        return True

    def _frame(self) -> tuple[int, bytes] | None:
        """Take the next frame out of what came, if it is whole: opcode and payload."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return opcode, payload

    def _take(self, at: float, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._say(_PONG, payload)
        elif opcode == _CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self._say(_CLOSE, payload[:2])
        elif payload.startswith(b'{"type":"alerts"'):
            self.alerts.append((at, payload))
            self.told += payload.count(b'"accountId":')
        elif payload.startswith((b'{"type":"subscribed"', b'{"type":"snapshot"')):
            self._begin(orjson.loads(payload))

    def _begin(self, frame: dict[str, object]) -> None:
        """A snapshot follows where nothing was recovered; only then is the client up to date."""
        begun = frame.get("recovered") if frame["type"] == "subscribed" else frame["complete"]
        if begun and not self.ready.done():
            self.cursor = str(frame["cursor"])
            self.ready.set_result(None)

    def _say(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BH", 0xFE, size)
        self._transport.write(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload)


async def connected(
    url: str, accounts: Iterable[Sequence[str]], buffer_bytes: int | None = None
) -> list[Listener]:
    """Return a client of each list of accounts, once all of them are subscribed."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(wanted: Sequence[str]) -> Listener:
        async with gate:
            return await connect(url, wanted, buffer_bytes=buffer_bytes)

    async with asyncio.timeout(_READY_S):
        return list(await asyncio.gather(*map(one, accounts)))


async def connect(
    url: str, accounts: Sequence[str], since: str | None = None, buffer_bytes: int | None = None
) -> Listener:
    """Return a client that is subscribed; `buffer_bytes`: of what it has not read yet."""
    connection = await connected_socket(url, buffer_bytes)
    _, listener = await asyncio.get_running_loop().create_connection(
        lambda: Listener(url, accounts, since), sock=connection
    )
    await listener.ready
    return listener


async def connected_socket(url: str, buffer_bytes: int | None = None) -> socket.socket:
    """Return a socket that is connected to the service and has said nothing yet."""
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setblocking(False)
    if buffer_bytes is not None:  # before it connects: what it offers then may grow no more
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    address = (parts.hostname, parts.port)
    await asyncio.get_running_loop().sock_connect(connection, address)
    return connection
