"""A WebSocket client that sends any bytes it is given, and reads what comes until the end."""

import contextlib
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from tests.push.stream import check_frame

WAIT_S = 20.0


class RawClient:
    """One connection; `heard` are the frames so far, each checked against the AsyncAPI document."""

    def __init__(self, url: str, token: str | None) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), WAIT_S)
        self._protocol = ClientProtocol(parse_uri(f"ws://{parts.netloc}/v1/stream"), max_size=2**20)
        self.heard: list[dict[str, Any]] = []
        request = self._protocol.connect()
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        self._protocol.send_request(request)
        for data in self._protocol.data_to_send():
            self._socket.sendall(data)
        while self._protocol.state is State.CONNECTING:
            self._receive()
        assert self._protocol.state is State.OPEN

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def write(self, data: bytes) -> None:
        """Send these bytes; a service that has hung up meanwhile does not want them."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def end(self) -> None:
        """Say that nothing more will be sent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def read_until(self, enough: Callable[[dict[str, Any]], bool]) -> bool:
        """Read until such a frame is here; False when the connection ends before."""
        seen = 0
        while True:
            for frame in self.heard[seen:]:
                if enough(frame):
                    return True
            seen = len(self.heard)
            if not self._receive():
                return False

    def close_code(self) -> int | None:
        """Read on to the end of the connection; the code it was closed with, if it was."""
        while self._receive():
            pass
        closed = self._protocol.close_rcvd
        return None if closed is None else int(closed.code)

    def _receive(self) -> bool:
        """Take what comes next; False at the end. Raises TimeoutError when nothing comes."""
        if self._protocol.close_rcvd is not None:
            return False
        try:
            data = self._socket.recv(2**16)
        except ConnectionResetError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.heard.append(check_frame(bytes(event.data).decode()))
        return bool(data)
