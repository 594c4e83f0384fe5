"""What nobody is to be told of just now: every door's copy of all silences, at most a second old.

A silence begins and ends two seconds after it was asked for, so all doors have it in time, and who
is late with a look tells nothing before it has looked: alerts come from the same store.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import NoReturn, Protocol

from service.contract.silences import NONE, Silences
from service.errors import StoreUnavailable

LOOK_EVERY_S = 0.5
_log = logging.getLogger("plimsoll.silences")


class SilenceStore(Protocol):
    """Where they are stored; may raise StoreUnavailable."""

    async def generation(self) -> int: ...

    async def all(self) -> tuple[int, Mapping[tuple[str, str], bytes]]: ...


class SilenceBoard:
    """`now` is what there is as of the last look; `run` keeps looking."""

    def __init__(self, store: SilenceStore) -> None:
        self.now: Silences = NONE
        self._store = store
        self._generation = -1
        self._known = asyncio.Event()

    async def known(self) -> None:
        """Return once they were looked at for the first time."""
        await self._known.wait()

    async def run(self) -> NoReturn:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                _log.debug("silences as they were: %s", error.detail)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Bring `now` up to date; raises StoreUnavailable."""
        if await self._store.generation() != self._generation:
            self._generation, stored = await self._store.all()
            self.now = Silences(stored)
        self._known.set()
