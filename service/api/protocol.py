"""uvicorn's HTTP protocol, with heads bounded in bytes and in time, and errors that are problems.

As it comes, a head may go on for ever, and what is no HTTP is answered in plain text. Connections
may take every descriptor of the process, so that the store cannot be reached again once it was
away: some are kept for ourselves, and `lobby` hangs up on who comes then.
"""

import asyncio
import resource
import sys
import weakref
from functools import cache
from typing import cast

from starlette.requests import HTTPConnection
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.api.problems import PROBLEM_TYPE, phrase_of, problem_bytes

HEAD_BYTES_MAX = 64 * 1_024  # request line and headers; one read from the socket may be more
HEAD_S = 10.0  # from the first byte of a head (or the connection) to its last

JOINED_BYTES_MAX = 64 * 1_024  # an answer larger than that is not copied behind its head

DESCRIPTORS_KEPT = 200  # for the store, the log and who is about to be hung up on

_EXTENSION = "plimsoll.connection"


def transport_of(request: HTTPConnection) -> asyncio.Transport | None:
    """Return what the answer is written to; None where the server is not ours."""
    connection = request.scope.get("extensions", {}).get(_EXTENSION)
    return None if connection is None else connection["transport"]


@cache
def connections_max() -> int:
    """Return how many connections this process takes, by the descriptors it may have."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(most - DESCRIPTORS_KEPT, most // 2)


class AnswerTransport:
    """What an answer is written to: a head goes out with the body whose length it tells.

    uvicorn writes one after the other, and each would be sent alone: the client would be woken for
    a head that is of no use to it. Heads of streams, which tell no length, go out at once.
    """

    __slots__ = ("_begun", "_cycle", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle) -> None:
        self._transport = transport
        # It holds us: those who hold each other are freed by the garbage collector alone.
        self._cycle = weakref.ref(cycle)
        self._begun, self._head = False, b""

    def write(self, data: bytes | memoryview) -> None:
        if self._head:
            self._write_with_head(data)
        elif self._begins() and self._is_followed():
            self._head = bytes(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self._write_with_head(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _begins(self) -> bool:
        """Whether this is the head: before it there may be words of the protocol's own."""
        cycle = self._cycle()
        if self._begun or cycle is None or not cycle.response_started:
            return False
        self._begun = True
        return True

    def _is_followed(self) -> bool:
        """Whether a body comes behind the head, as far as that says."""
        cycle = self._cycle()
        assert cycle is not None
        return cycle.expected_content_length > 0 and cycle.scope["method"] != "HEAD"

    def _write_with_head(self, data: bytes | memoryview) -> None:
        head, self._head = self._head, b""
        if len(data) <= JOINED_BYTES_MAX:
            self._transport.write(b"".join((head, data)))
        else:
            self._transport.writelines((head, data))


@cache
def head_timeout() -> bytes:
    """Return the answer to a head that did not arrive in time, or did not begin to."""
    return _refusal(408, "head_timeout", "the headers did not arrive in time")


def _refusal(status: int, code: str, detail: str) -> bytes:
    """Return an answer that is not the app's, and the last one."""
    body = problem_bytes(status, code, detail)
    head = (
        f"HTTP/1.1 {status} {phrase_of(status)}\r\ncontent-type: {PROBLEM_TYPE}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


class RequestProtocol(HttpToolsProtocol):
    """Give it to uvicorn as `http=RequestProtocol`.

    `came_s`: when the connection came, by the loop's clock, where that was before it was made.
    """

    came_s: float | None = None
    _in_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head(self.came_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes > HEAD_BYTES_MAX:
            detail = f"more than {HEAD_BYTES_MAX} bytes of headers"
            self._refuse(_refusal(431, "head_too_large", detail))
        elif self._head_timer is None:
            self._await_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # it begins to answer later, in a task of its own
            self.cycle.transport = cast(
                "asyncio.Transport", AnswerTransport(self.transport, self.cycle)
            )

    def send_400_response(self, _msg: str) -> None:
        self._refuse(_refusal(400, "malformed_request", "this is not an HTTP request"))

    def _refuse(self, refusal: bytes) -> None:
        """Answer without the app, and hang up."""
        self._stop_waiting()
        self.transport.write(refusal)
        self.transport.close()

    def _await_head(self, since_s: float | None = None) -> None:
        begun_s = self.loop.time() if since_s is None else since_s
        self._head_timer = self.loop.call_at(begun_s + HEAD_S, self._lose_patience)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _lose_patience(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._await_head()  # an earlier request of this connection is being answered
        else:
            self._refuse(head_timeout())
