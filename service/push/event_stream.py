"""The alert log as Server-Sent Events: one subscription, its frames as events, over plain HTTP.

It begins, goes on and ends as a subscription of the WebSocket does, and its frames are the same
texts. The id of an event is the cursor up to which its client has everything, so a browser that
comes back by itself resumes there; an event after which something would be missing has none.
"""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.access.door import Caller
from service.contract.cursor import Cursor
from service.contract.selection import Selection
from service.push.admission import Admission
from service.push.close_codes import CloseCode
from service.push.connection import CLOSE_S, Connection, start_all
from service.push.hub import Hub
from service.push.protocol import LINGER_S, bound_send_buffer

EVENT_STREAM = "text/event-stream"
# Of the subscription in its frames: they are the very texts of those who call theirs so too.
SUBSCRIPTION_ID = "1"
RETRY_MS = 1_000
_COMMENT = b":\n\n"
_HEADERS = {
    "cache-control": "no-store",
    "connection": "close",  # its socket has small buffers from here on
    "x-accel-buffering": "no",  # a proxy that collects events would keep them
}


class _Envelope(msgspec.Struct):
    type: str
    cursor: str | None = None
    recovered: bool = True  # of `subscribed`: otherwise a snapshot is still to come
    complete: bool = True  # of `snapshot`: otherwise more of it is


_decoder = msgspec.json.Decoder(_Envelope)


def event_of(frame: str) -> bytes:
    """Return a frame as an event; JSON that is encoded has no line breaks."""
    envelope = _decoder.decode(frame)
    resumable = envelope.cursor and envelope.recovered and envelope.complete
    place = f"id: {envelope.cursor}\n" if resumable else ""
    return f"event: {envelope.type}\n{place}data: {frame}\n\n".encode()


class EventStream(Connection):
    """One client of the event stream; `run` is its life.

    `transport` is what its events are written to, to cut off who does not read them.
    """

    def __init__(
        self,
        hub: Hub,
        caller: Caller,
        selection: Selection,
        since: Cursor | None,
        transport: asyncio.Transport | None,
    ) -> None:
        super().__init__(hub, caller, hub.limits)
        self._transport = transport
        self._written_at = anyio.current_time()
        self.subscribe_to_alerts(SUBSCRIPTION_ID, selection, since)

    async def run(self, receive: Receive, send: Send) -> None:
        """Serve a response that has begun until a side ends it."""

        async def write(text: bytes) -> None:
            await send({"type": "http.response.body", "body": text, "more_body": True})
            self._written_at = anyio.current_time()

        async def write_event(frame: str) -> None:
            await write(event_of(frame))

        async def pump() -> None:
            await write(f"retry: {RETRY_MS}\n\n".encode())
            await self.pump(write_event)

        async def listen() -> None:
            await _hang_up(receive)

        async with anyio.create_task_group() as tasks:
            keep_alive = self._keep_alive(write)
            start_all(tasks, pump, listen, keep_alive, self.catch_up, self.ended)
        await self._close(receive, send)

    def _keep_alive(
        self, write: Callable[[bytes], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        """Write comments while there is nothing else to say: a dead peer shows by a write only.

        A subscription that is live has heartbeats, which come first.
        """
        silence_s = 1.25 * self._limits.heartbeat_s

        async def keep_alive() -> None:
            while True:
                await anyio.sleep(max(0.05, self._written_at + silence_s - anyio.current_time()))
                quiet = anyio.current_time() - self._written_at >= silence_s
                if quiet and self.sending_since is None:
                    await write(_COMMENT)

        return keep_alive

    async def _close(self, receive: Receive, send: Send) -> None:
        """End the response, or cut it off: a peer that does not read must not hold that either."""
        with anyio.move_on_after(CLOSE_S):
            if self.close_code is not CloseCode.SLOW:
                await send({"type": "http.response.body", "body": b""})
                if self._transport is not None:
                    asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)
                return
        if self._transport is not None:
            self._transport.abort()
            await _hang_up(receive)


async def _hang_up(receive: Receive) -> None:
    """Return when the connection is gone; of a request's body nothing is wanted."""
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStreamResponse(Response):
    """The answer that an event stream is."""

    media_type = EVENT_STREAM

    def __init__(
        self,
        hub: Hub,
        admission: Admission,
        caller: Caller,
        selection: Selection,
        *,
        since: Cursor | None,
        transport: asyncio.Transport | None,
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._hub = hub
        self._admission = admission
        self._transport = transport
        self._stream = EventStream(hub, caller, selection, since, transport)

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until a side ends it; raises TooManyConnections before anything is answered."""
        with self._admission.counted(self._stream.caller):
            if self._transport is not None:
                bound_send_buffer(self._transport)
            self._hub.admit(self._stream)
            try:
                start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                await send(start)
                await self._stream.run(receive, send)
            finally:
                self._hub.leave(self._stream)
