"""Alerts of a burst are logged in parts: the first are with their readers before the last are made.

One part is on its way at a time, so a shard's commits stay in their order; what is written
meanwhile makes the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TypeAlias

from service.store.alert_log import Commit

Commits: TypeAlias = Sequence[tuple[int, Commit]]

PART_ALERTS = (
    4_000  # in a part but the first, which are the worst: each has its price in all shards
)
WAITING_MAX = 10_000  # alerts that wait for the part before theirs, at most


class Parts:
    """Sends parts in a task of its own; the end of the block waits for the last one."""

    def __init__(self, send: Callable[[Commits], Awaitable[None]]) -> None:
        self._send = send
        self._sending: asyncio.Future[None] | None = None

    async def offer(self, alerts: int, build: Callable[[], Commits]) -> bool:
        """Send what `build` makes of so many waiting alerts, unless they are few or a part is on
        its way; return whether they were sent."""
        await asyncio.sleep(0)  # what is on its way moves on, and so does everybody else
        if self._sending is not None:
            many = PART_ALERTS if self._sending.done() else WAITING_MAX
            if alerts < many:
                return False
            await self._sending
        self._sending = asyncio.ensure_future(self._send(build()))
        await asyncio.sleep(0)
        return True

    async def end(self, build: Callable[[], Commits]) -> None:
        """If there were parts, send the rest as one too: it need not wait for all the levels."""
        if self._sending is not None:
            await self._sending
            self._sending = asyncio.ensure_future(self._send(build()))

    async def __aenter__(self) -> "Parts":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._sending is None:
            return
        if kind is not None:
            self._sending.cancel()  # nothing may be sent by somebody who has stopped
            await asyncio.wait([self._sending])
            return
        await self._sending
