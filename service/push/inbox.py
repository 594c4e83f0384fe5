"""What one client has sent and nobody has dealt with yet: bounded, in order, emptied all at once.

Who fills it waits for room, and meanwhile reads no further: what the client sends then waits in its
own socket.
"""

import asyncio
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """Items with weights, which together are never above `limit`; one alone may be as heavy."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: list[Item] = []
        self._weight = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._sealed = False

    async def put(self, item: Item, weight: int) -> None:
        """Wait for room, then take the item; once sealed nothing has room any more."""
        assert 0 < weight <= self._limit
        while self._sealed or self._weight + weight > self._limit:
            self._emptied.clear()
            await self._emptied.wait()
        self._items.append(item)
        self._weight += weight
        self._filled.set()

    async def take(self) -> list[Item]:
        """Return all there is, waiting for the first; nothing when sealed and empty."""
        while not self._items and not self._sealed:
            self._filled.clear()
            await self._filled.wait()
        items, self._items, self._weight = self._items, [], 0
        self._emptied.set()
        return items

    def seal(self) -> None:
        """Take nothing more: what is in is still to be dealt with, then `take` gives nothing."""
        self._sealed = True
        self._filled.set()
