"""uvicorn, stopped politely: nobody new, WebSocket clients told, requests finished, exit 0."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import uvicorn

from service.api.lobby import Lobby
from service.api.protocol import RequestProtocol

NOTICE_S = 5.0  # between "we restart" and the closing of the sockets, as the contract promises
DRAIN_MAX_S = 6.5


class DrainingServer(uvicorn.Server):
    """A server that is stopped by SIGTERM or SIGINT; a second one does not wait for anybody.

    Who connects waits in a `Lobby`, and every connection is a `RequestProtocol`.

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
        await super().startup([])  # it listens to none itself
        connections = self.server_state.connections
        self._lobby = Lobby(sockets or [], self._protocol_of, lambda: len(connections))
        self._lobby.open()
        if not self.should_exit:
            self._on_ready()

    def handle_exit(self, _signal: int, _frame: object) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._lobby.let_nobody_in()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_MAX_S):
                await self._drain(NOTICE_S)
        await self._lobby.close()
        await super().shutdown(sockets)

    def _protocol_of(self, came_s: float) -> RequestProtocol:
        made = RequestProtocol(self.config, self.server_state, self.lifespan.state)
        made.came_s = came_s
        return made
