"""uvicorn's WebSocket protocol for slow peers: small buffers, and a close that gets through.

Nor does it log what a client put behind the path, or when each connection began and ended: when a
worker comes back that is thousands of lines at once. `plimsoll_sockets` counts them.

As it comes, a close waits behind the frames that the peer does not read, so that nobody is ever
told 4008, and a peer that reads nothing holds about 4 MB of kernel buffers.
"""

import logging
import socket
from asyncio.transports import BaseTransport

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

SEND_BUFFER_BYTES = 128 * 1_024  # the kernel doubles it
# How long a closed peer may take to read what was written; then its buffers are given up.
LINGER_S = 30.0

_LOG = logging.getLogger("plimsoll.stream")
# At `debug` the library writes every frame and every header: tokens are among them.
_LOG.setLevel(logging.WARNING)


def bound_send_buffer(transport: BaseTransport) -> None:
    """Let the kernel hold little of what a peer does not read."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


class StreamProtocol(WebSocketsSansIOProtocol):
    """Give it to uvicorn as `ws=StreamProtocol`."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        bound_send_buffer(transport)
        self.logger = self.conn.logger = _LOG

    def send_receive_event_to_app(self) -> None:
        """Hand a message on; a text that is no UTF-8 ends the connection, not worth a traceback."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            self.frames = [b"".join(self.frames)]
            try:
                self.frames[0].decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def send(self, message: ASGISendEvent) -> None:
        if not self.handshake_complete:
            # uvicorn logs the address of a handshake: what stands behind the path may be a secret.
            self.scope["query_string"] = b""
        elif self.close_sent:
            # A broken frame has ended it just now: a hang-up, and not the application's mistake.
            raise ClientDisconnected
        if message["type"] == "websocket.close" and self.handshake_complete:
            # A close frame is a few bytes: it joins the buffer even when that is full.
            self.writable.set()
            self.loop.call_later(LINGER_S, self.transport.abort)
        await super().send(message)
