"""What waits to be written to one client: bounded in bytes, filled by many, emptied by one writer.

When it is full a publisher is told at once (`offer`) and who has time waits (`put`), so nobody ever
waits for somebody else's client. Who waits fills a quarter of it: what a client has not read yet is
copies of the log, and many clients that come back and do not read must not be many full outboxes.
"""

import asyncio
from collections import deque

import anyio

_WAITING_SHARE = 4


class Outbox:
    """Frames in order. `limit` is in characters of their text, which are bytes but for odd names.

    An empty outbox takes any frame, so that one frame above the limit cannot wait for ever.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: deque[str] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._sealed = False

    @property
    def size(self) -> int:
        return self._size

    @property
    def sealed(self) -> bool:
        return self._sealed

    def offer(self, frame: str) -> bool:
        """Take the frame if there is room; return whether it was taken."""
        return self._take_in(frame, self._limit)

    def _take_in(self, frame: str, limit: int) -> bool:
        if self._sealed or (self._frames and self._size + len(frame) > limit):
            return False
        self._frames.append(frame)
        self._size += len(frame)
        self._filled.set()
        return True

    async def put(self, frame: str) -> None:
        """Wait for room, then take the frame; once sealed nothing has room any more."""
        while not self._take_in(frame, self._limit // _WAITING_SHARE):
            await self._movement()

    async def put_within(self, frame: str, seconds: float) -> bool:
        """Wait for room so long; return whether the frame was taken."""
        with anyio.move_on_after(seconds):
            await self.put(frame)
            return True
        return False

    async def room(self) -> None:
        """Return when there is room for some of those who wait."""
        while self._size > self._limit // _WAITING_SHARE // 2:
            await self._movement()

    async def _movement(self) -> None:
        self._drained.clear()
        await self._drained.wait()

    async def take(self) -> str | None:
        """Return the oldest frame, waiting for one; None when sealed and empty."""
        while not self._frames:
            if self._sealed:
                return None
            self._filled.clear()
            await self._filled.wait()
        frame = self._frames.popleft()
        self._size -= len(frame)
        self._drained.set()
        return frame

    def seal(self) -> None:
        """Take nothing more: what is in is still to be written, then `take` gives None."""
        self._sealed = True
        self._filled.set()
