"""The connection of a subscription, made anew whenever it is lost; for `Client`."""

import contextlib
import time
from types import TracebackType
from typing import Self

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from plimsoll.endpoint import CLOSE_TIMEOUT_S, FRAME_MAX_BYTES, Endpoint
from plimsoll.patience import Patience
from plimsoll.subscription import Batch, Subscription


class Stream:
    """Closes its connection when the block ends."""

    def __init__(self, endpoint: Endpoint, subscription: Subscription, patience: Patience) -> None:
        self._endpoint = endpoint
        self._subscription = subscription
        self._patience = patience
        self._connection = contextlib.ExitStack()
        self._socket: ClientConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def receive(self) -> Batch:
        """Return the next batch, however many connections that takes."""
        while True:
            try:
                socket = self._socket or self._connect()
                batch = self._subscription.take(socket.recv())
            except (OSError, WebSocketException) as error:
                self._socket = None
                self._connection.close()
                time.sleep(self._patience.delay_after(error))
                continue
            if batch is not None:
                self._patience.renew()
                return batch

    def _connect(self) -> ClientConnection:
        opening = connect(
            self._endpoint.stream_url,
            additional_headers=self._endpoint.headers,
            proxy=self._endpoint.proxy,
            compression=None,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=FRAME_MAX_BYTES,
        )
        socket = self._connection.enter_context(opening)
        socket.send(self._subscription.open())
        self._socket = socket
        return socket
