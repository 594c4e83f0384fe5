"""Alerts of a burst are logged in parts: the first are with their readers before the last are made.

One part is on its way at a time; what is written meanwhile makes the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable

PART_ALERTS = (
    4_000  # in a part but the first, which are the worst: each has its price in all shards
)
WAITING_MAX = 10_000  # alerts that wait for the part before theirs, at most


class Parts:
    """The parts of one entry: `begin` has what is written so far on its way, `busy` says that
    something still is."""

    def __init__(self, begin: Callable[[], Awaitable[None]], busy: Callable[[], bool]) -> None:
        self._begin, self._busy = begin, busy
        self._begun = False

    async def offer(self, alerts: int) -> bool:
        """Send what is written, so many alerts, unless they are few or a part is on its way.

        Returns whether they were sent.
        """
        await asyncio.sleep(0)  # what is on its way moves on, and so does everybody else
        if self._begun and alerts < (WAITING_MAX if self._busy() else PART_ALERTS):
            return False
        self._begun = True
        await self._begin()
        return True

    async def end(self) -> None:
        """If there were parts, send the rest as one too: it need not wait for all the levels."""
        if self._begun:
            await self._begin()
