"""Which symbols went stale or are fresh again, told to every client without holding up alerts.

When a feed ends or comes back, all its symbols change at once, and every client hears of each: a
million frames and more. They go out at a bounded rate, so that an alert waits for some of them and
not for all; of a symbol that changes back before it was told, nothing is told.
"""

import asyncio
from collections.abc import Callable, Collection

from service.contract.frames import Notice, encode_frame
from service.push.connection import Connection

FRAMES_PER_S = 20_000  # about a third of a worker's time
_SLICE = 200  # clients that are told before others have a turn


class Notices:
    """What `connections` are still to be told; `run` tells them."""

    def __init__(self, connections: Callable[[], Collection[Connection]]) -> None:
        self._connections = connections
        self._changed: dict[tuple[str, str], bool] = {}  # (venue, symbol): stale
        self._filled = asyncio.Event()

    def changed(self, venue: str, symbol: str, stale: bool) -> None:
        """Take note of a symbol that is stale now, or no longer; returns at once."""
        if self._changed.pop((venue, symbol), stale) == stale:
            self._changed[venue, symbol] = stale
            self._filled.set()

    async def run(self) -> None:
        """Tell whoever is connected, until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._changed:
                (venue, symbol), stale = next(iter(self._changed.items()))
                del self._changed[venue, symbol]
                await self._tell(Notice("stale" if stale else "fresh", venue, symbol))

    async def _tell(self, notice: Notice) -> None:
        frame, connections = encode_frame(notice), list(self._connections())
        for start in range(0, len(connections), _SLICE):
            part = connections[start : start + _SLICE]
            for connection in part:
                connection.offer_notice(frame)
            await asyncio.sleep(len(part) / FRAMES_PER_S)
