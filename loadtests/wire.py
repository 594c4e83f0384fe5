"""Calls as bytes over one kept connection, for measuring a server and not its client.

The request is made before the clock runs; of an answer only its status and its length are read.
"""

import socket
from urllib.parse import urlsplit

TIMEOUT_S = 60.0


def request_of(path: str, body: bytes, media_type: str = "application/json") -> bytes:
    """Return a POST as it stands on the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: service\r\nContent-Type: {media_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """A connection that is kept; one call at a time."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None
        self._socket = socket.create_connection((address.hostname, address.port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb", buffering=2**18)

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def call(self, request: bytes) -> bytes:
        """Send a request and return the answer's body; RuntimeError when it is no 200."""
        self._socket.sendall(request)
        status, length = self._reader.readline(), 0
        while (line := self._reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body: bytes = self._reader.read(length)
        if b" 200 " not in status:
            raise RuntimeError(f"{status!r}: {body[:300]!r}")
        return body
