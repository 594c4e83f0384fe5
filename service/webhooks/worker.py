"""The process that delivers: one at a time by a lease, a task for each webhook, the log in view.

While it cannot renew its lease it stops in time, so that two never deliver for longer than a call
lasts; what both send has the same id.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NoReturn, Protocol

from service.access.silences import SilenceBoard
from service.errors import StoreUnavailable
from service.store.alert_log import LEASE_MS, LogTail
from service.store.log_order import Entries
from service.webhooks.batches import LogState
from service.webhooks.delivery import Deliveries, LeaseLost, Ledger, Pace, Road

LOOK_EVERY_S = 1.0
# Looks come no closer than this: what a burst logs meanwhile goes out together.
_GATHER_S = 0.05
_PAUSE_S = 0.25
_MENDING_S = 5.0

_log = logging.getLogger("plimsoll.webhooks")


class Log(Entries, Protocol):
    """What a worker needs of the alert log."""

    async def tails(self) -> list[LogTail]: ...

    def listen(self) -> AsyncIterator[list[tuple[int, int]] | None]: ...


class Registry(Ledger, Protocol):
    """What a worker needs of the stored receivers."""

    async def acquire(self, lease_ms: int) -> int | None: ...

    async def renew(self, token: int, lease_ms: int) -> bool: ...

    async def all_keys(self) -> list[str]: ...


class DeliveryWorker:
    """Tells all receivers of a kind (`named` so in the log), by their road.

    `settle` makes sure that the store is ours and returns the log's epoch.
    """

    def __init__(
        self,
        log: Log,
        registry: Registry,
        settle: Callable[[], Awaitable[str]],
        road: Road,
        *,
        named: str = "webhooks",
        silences: SilenceBoard,
        pace: Pace | None = None,
    ) -> None:
        self._log, self._registry, self._settle, self._road = log, registry, settle, road
        self._named = named
        self._pace = pace or Pace()
        self._silences = silences
        self._woken = asyncio.Event()
        self._all: dict[str, Deliveries] = {}
        self._away = False  # the store, as far as we have said

    async def run(self) -> None:
        """Deliver whenever nobody else does, until cancelled."""
        while True:
            try:
                token = await self._registry.acquire(LEASE_MS)
                if token is not None:
                    await self._deliver(token)
            except StoreUnavailable as error:
                self._tell_away(error)
            await asyncio.sleep(_PAUSE_S)

    async def _deliver(self, token: int) -> None:
        """Deliver until the lease is lost; given back when we are stopped."""
        _log.info("this process delivers to %s", self._named)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_lease(token), name="lease")
                tasks.create_task(self._hear(), name="wake-ups")
                tasks.create_task(self._silences.run(), name="silences")
                tasks.create_task(self._look_on(token, tasks), name="look-out")
        except* LeaseLost:
            said = "another process delivers to %s, or the lease could not be renewed"
            _log.warning(said, self._named)
        finally:
            self._all = {}
            await self._give_back(token)

    def _tell_away(self, error: StoreUnavailable) -> None:
        """Say once that the store is away, however long it is."""
        if not self._away:
            _log.warning("%s wait for the store: %s", self._named, error.detail)
        self._away = True

    async def _give_back(self, token: int) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._registry.renew(token, 0)
        except (StoreUnavailable, TimeoutError):
            _log.debug("the lease ends by itself")

    async def _keep_lease(self, token: int) -> NoReturn:
        lease_s, renewed_at = LEASE_MS / 1e3, time.monotonic()
        while True:
            await asyncio.sleep(lease_s / 4.0)
            began = time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, renewed_at + lease_s - began)):
                    if not await self._registry.renew(token, LEASE_MS):
                        raise LeaseLost
                renewed_at = began
            except (StoreUnavailable, TimeoutError):
                if time.monotonic() - renewed_at >= lease_s:
                    raise LeaseLost from None

    async def _hear(self) -> NoReturn:
        while True:
            try:
                async for _ in self._log.listen():
                    self._woken.set()
            except StoreUnavailable:
                _log.debug("no wake-ups while the store is away")
            await asyncio.sleep(_PAUSE_S)

    async def _look_on(self, token: int, tasks: asyncio.TaskGroup) -> NoReturn:
        """Look at the log at every wake-up, and at who is to be called every second."""
        looked_at, epoch = 0.0, ""
        await self._silences.known()
        while True:
            self._woken.clear()
            try:
                if time.monotonic() - looked_at >= LOOK_EVERY_S:
                    epoch = await self._settle()
                    await self._take_up(token, tasks)
                    looked_at = time.monotonic()
                state = LogState(epoch, await self._log.tails()) if self._all else None
                self._away = False
            except StoreUnavailable as error:
                self._tell_away(error)
                await asyncio.sleep(_PAUSE_S)
                continue
            for deliveries in self._all.values():
                if deliveries.state != state or deliveries.has_letters:
                    deliveries.state = state
                    deliveries.wake()
            await self._gather()

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_GATHER_S)

    async def _take_up(self, token: int, tasks: asyncio.TaskGroup) -> None:
        """Begin with new receivers, tell all of letters to send again; who is gone ends itself."""
        found = await self._registry.all_keys()
        again = await self._registry.again(found)
        for key in found:
            if key not in self._all:
                self._all[key] = Deliveries(
                    key,
                    token,
                    log=self._log,
                    ledger=self._registry,
                    road=self._road,
                    pace=self._pace,
                    silences=self._silences,
                )
                tasks.create_task(self._live(key), name="deliveries")
            self._all[key].has_letters |= key in again

    async def _live(self, key: str) -> None:
        deliveries = self._all[key]
        try:
            await deliveries.run()
        except (LeaseLost, asyncio.CancelledError):
            raise
        except Exception:
            _log.exception("deliveries to one of the %s failed; they begin again", self._named)
            await asyncio.sleep(_MENDING_S)
        finally:
            self._all.pop(key, None)
