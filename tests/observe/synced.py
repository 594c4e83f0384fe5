"""An account sync process as the service hears of it: its report, again and again."""

import asyncio
import contextlib
import threading

import msgspec

from service.contract.sync import SyncFigures
from service.errors import StoreUnavailable
from service.store import keys
from service.store.client import connect
from service.store.health import Roll

EVERY_S = 0.2


class Synced:
    """One account at one venue; `age_s` is how old the venue's word of it is said to be."""

    def __init__(self, redis_url: str) -> None:
        self.age_s = 1.0
        self._redis_url = redis_url
        self._tries = 0

    def report(self, ended: threading.Event) -> None:
        self._tries += 1
        with contextlib.suppress(StoreUnavailable):  # as the process itself: nobody asks meanwhile
            asyncio.run(self._report())
        ended.wait(EVERY_S)

    async def _report(self) -> None:
        told = SyncFigures("okx", 5.0, age_s=self.age_s, troubles={"throttled": self._tries})
        async with connect(self._redis_url) as client:
            await Roll(client, "synced", keys.SYNCS).report(msgspec.json.encode({"desk": told}))
