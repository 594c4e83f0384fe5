"""The connection of a subscription, made anew whenever it is lost; for `AsyncClient`."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from plimsoll.endpoint import CLOSE_TIMEOUT_S, FRAME_MAX_BYTES, Endpoint
from plimsoll.patience import Patience
from plimsoll.subscription import Batch, Subscription


class Stream:
    """Closes its connection when the block ends."""

    def __init__(self, endpoint: Endpoint, subscription: Subscription, patience: Patience) -> None:
        self._endpoint = endpoint
        self._subscription = subscription
        self._patience = patience
        self._connection = contextlib.AsyncExitStack()
        self._socket: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._connection.aclose()

    async def receive(self) -> Batch:
        """Return the next batch, however many connections that takes."""
        while True:
            try:
                socket = self._socket or await self._connect()
                batch = self._subscription.take(await socket.recv())
            except (OSError, WebSocketException) as error:
                self._socket = None
                await self._connection.aclose()
                await asyncio.sleep(self._patience.delay_after(error))
                continue
            if batch is not None:
                self._patience.renew()
                return batch

    async def _connect(self) -> ClientConnection:
        opening = connect(
            self._endpoint.stream_url,
            additional_headers=self._endpoint.headers,
            proxy=self._endpoint.proxy,
            compression=None,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=FRAME_MAX_BYTES,
        )
        socket = await self._connection.enter_async_context(opening)
        await socket.send(self._subscription.open())
        self._socket = socket
        return socket
