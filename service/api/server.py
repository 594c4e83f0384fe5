"""uvicorn, stopped politely: nobody new, WebSocket clients told, requests finished, exit 0."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import uvicorn

NOTICE_S = 5.0  # between "we restart" and the closing of the sockets, as the contract promises
DRAIN_MAX_S = 6.5


class DrainingServer(uvicorn.Server):
    """A server that is stopped by SIGTERM or SIGINT; a second one does not wait for anybody.

    `drain` tells the clients of the stream and returns when they are gone, within so many seconds;
    `on_ready` is called when requests are answered.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain: Callable[[float], Awaitable[None]],
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._drain, self._on_ready = drain, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._on_ready()

    def handle_exit(self, _signal: int, _frame: object) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_MAX_S):
                await self._drain(NOTICE_S)
        await super().shutdown(sockets)
