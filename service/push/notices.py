"""Which symbols went stale or are fresh again, and which markets left a band or came back, told to
every client without holding up alerts.

When a feed ends or comes back, all its symbols change at once, and every client hears of each: a
million frames and more. They go out at a bounded rate, so that an alert waits for some of them and
not for all; of what changes back before it was told, nothing is told.
"""

import asyncio
from collections.abc import Callable, Collection

from msgspec import UNSET

from service.contract.frames import Notice, encode_frame
from service.contract.markets import CONDITION_NAMES
from service.push.connection import Connection
from service.risk.conditions import Condition, Crossing

FRAMES_PER_S = 20_000  # about a third of a worker's time
_SLICE = 200  # clients that are told before others have a turn


class Notices:
    """What `connections` are still to be told; `run` tells them."""

    def __init__(self, connections: Callable[[], Collection[Connection]]) -> None:
        self._connections = connections
        # By venue, symbol and condition (None: that of the marks): whether it began, and the words.
        self._changed: dict[tuple[str, str, Condition | None], tuple[bool, Notice]] = {}
        self._filled = asyncio.Event()

    def changed(self, venue: str, symbol: str, stale: bool) -> None:
        """Take note of a symbol that is stale now, or no longer; returns at once."""
        notice = Notice("stale" if stale else "fresh", venue, symbol)
        self._note((venue, symbol, None), stale, notice)

    def crossed(self, crossing: Crossing) -> None:
        """Take note of a market that left a band or is back inside; returns at once."""
        venue, symbol, condition = crossing.venue, crossing.symbol, crossing.condition
        notice = Notice(
            "outside" if crossing.is_outside else "inside",
            venue,
            symbol,
            CONDITION_NAMES[condition],
            UNSET if crossing.value is None else crossing.value,
            crossing.limit,
            crossing.time_ms,
        )
        self._note((venue, symbol, condition), crossing.is_outside, notice)

    def _note(self, about: tuple[str, str, Condition | None], began: bool, notice: Notice) -> None:
        waiting = self._changed.pop(about, None)
        if waiting is None or waiting[0] == began:
            self._changed[about] = (began, notice)
            self._filled.set()

    async def run(self) -> None:
        """Tell whoever is connected, until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._changed:
                about = next(iter(self._changed))
                _, notice = self._changed.pop(about)
                await self._tell(notice)

    async def _tell(self, notice: Notice) -> None:
        frame, connections = encode_frame(notice), list(self._connections())
        for start in range(0, len(connections), _SLICE):
            part = connections[start : start + _SLICE]
            for connection in part:
                connection.offer_notice(frame)
            await asyncio.sleep(len(part) / FRAMES_PER_S)
