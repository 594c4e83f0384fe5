"""Keeps a process at the log level that the store has, and at its own where there is none."""

import asyncio
import contextlib
from typing import NoReturn, get_args

from service.errors import StoreUnavailable
from service.logs import LevelName, set_level
from service.store.log_level import LogLevels

LOOK_EVERY_S = 1.0
_LEVELS: dict[str, LevelName] = {name: name for name in get_args(LevelName)}


class LogLevelBoard:
    """`own` is what the process goes by when nothing is switched; `run` keeps looking."""

    def __init__(self, levels: LogLevels, own: LevelName) -> None:
        self._levels = levels
        self._own = own

    async def run(self) -> NoReturn:
        """Look again and again, until cancelled; while the store is away it stays as it is."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Go by what there is now; raises StoreUnavailable."""
        level, _ = await self._levels.get()
        set_level(_LEVELS.get(level or "", self._own))
