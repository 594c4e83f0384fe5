"""Follows every shard's log and hands new entries, once and in order, to whoever listens here.

Pub/sub wakes it, and mostly brings what was committed; the log is the truth, read by offset from
where it stands, so a lost or doubled message changes nothing. Once a second it looks at the log's
ends and its epoch itself. When Redis goes away it comes back with growing pauses and goes on at the
same offsets: the sessions notice nothing but silence. When the log was lost meanwhile (a new epoch,
or an end before where we stand) or trimmed below us, everybody has to subscribe again: `resync`.

A wake-up names all shards that were committed together, and what they have is put in one order
before it is handed on. A look may see some of them committed and others not yet: what it finds
counts from the next look on.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from operator import lt
from typing import Protocol

import anyio

from service.access.silences import SilenceBoard
from service.contract.alerts import ids_of
from service.errors import StoreUnavailable
from service.logs import fields
from service.push.bursts import Burst
from service.push.overheard import Overheard
from service.store.alert_log import LogTail, Overhear
from service.store.log_order import Entries, LogGap, LogOrder, Ordered

LOG = logging.getLogger("plimsoll.push")
# What was announced may not be there yet, or never come: then it is asked for so often.
MISSING_READS, MISSING_PAUSE_S = 10, 0.005
_PAUSE_FIRST_S = 0.05
_PAUSE_MAX_S = 1.0


class LogReader(Entries, Protocol):
    """What following needs of the alert log; everything may raise StoreUnavailable."""

    async def tails(self) -> list[LogTail]: ...

    def listen(
        self, overhear: Overhear | None = None
    ) -> AsyncIterator[list[tuple[int, int]] | None]: ...


class Audience(Protocol):
    """Who is told of new entries; every call returns at once."""

    @property
    def listening(self) -> bool:
        """Whether a burst would reach anybody; if not, the follower need not read it."""

    def broadcast(self, burst: Burst) -> None: ...

    def resync(self) -> None: ...


class LogFollower:
    """`settle` makes sure that the store belongs to us and returns the log's epoch."""

    def __init__(
        self,
        log: LogReader,
        settle: Callable[[], Awaitable[str]],
        audience: Audience,
        silences: SilenceBoard,
        *,
        frame_max: int,
        look_every_s: float = 1.0,
    ) -> None:
        self._log, self._overheard = log, Overheard(log)
        self._settle = settle
        self._audience = audience
        self._silences = silences
        self._frame_max = frame_max
        self._look_every_s = look_every_s
        self._known: list[int] = []  # offsets that are in the log, as far as we heard
        self._seen: list[int] = []  # that the last look found
        self._order = LogOrder(())
        self._missed = 0  # readings in a row that lacked something announced
        self._woken = asyncio.Event()
        self._moved = asyncio.Event()
        self.epoch = ""

    @property
    def positions(self) -> tuple[int, ...]:
        """The offset by shard of the last alert that was handed on; none before the first look."""
        return self._order.offsets

    async def run(self) -> None:
        """Follow until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear, name="push wake-ups")
            tasks.start_soon(self._follow, name="push follower")

    async def ready(self) -> None:
        """Return once the log was reached, and the silences are known, for the first time."""
        await self._silences.known()
        while not self.positions:
            await self._movement()

    async def reach(self, offsets: Sequence[int]) -> None:
        """Return once everything up to these offsets, which are in the log, was handed on."""
        for shard, offset in enumerate(offsets):
            self._announce(shard, offset)
        while any(have < offset for have, offset in zip(self.positions, offsets, strict=True)):
            await self._movement()

    async def _movement(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    def _announce(self, shard: int, offset: int) -> None:
        if shard < len(self._known) and offset > self._known[shard]:
            self._known[shard] = offset
            self._woken.set()

    async def _hear(self) -> None:
        pause = _PAUSE_FIRST_S
        while True:
            try:
                async for message in self._log.listen(self._overheard.take):
                    pause = _PAUSE_FIRST_S
                    if message is None:
                        self._overheard.forget()
                    for shard, offset in message or ():
                        self._announce(shard, offset)
            except StoreUnavailable:
                LOG.debug("no wake-ups while the store is away")
            await anyio.sleep(pause)
            pause = min(2 * pause, _PAUSE_MAX_S)

    async def _follow(self) -> None:
        pause = _PAUSE_FIRST_S
        while True:
            try:
                await self._look()
                pause = _PAUSE_FIRST_S
                deadline = anyio.current_time() + self._look_every_s
                await self._hand_on()
                while await self._woken_before(deadline):
                    await self._hand_on()
            except StoreUnavailable as error:
                LOG.warning("the alert log is out of reach: %s", error.detail)
                await anyio.sleep(pause)
                pause = min(2 * pause, _PAUSE_MAX_S)

    async def _woken_before(self, deadline: float) -> bool:
        left = deadline - anyio.current_time()
        if left > 0.0:
            with anyio.move_on_after(left):
                await self._woken.wait()
                return True
        return False

    async def _look(self) -> None:
        """Compare the log's epoch and ends with where we stand."""
        epoch = await self._settle()
        tails = [tail.offset for tail in await self._log.tails()]
        if not self.positions:
            self._begin(epoch, tails)
        elif epoch != self.epoch:
            self._start_over("it has a new epoch", epoch, tails)
        elif any(tail < have for tail, have in zip(tails, self.positions, strict=True)):
            self._start_over("it ends before where we stood", epoch, tails)
        self._known = list(map(max, self._known, self._seen))
        self._seen = tails
        self._moved.set()

    def _begin(self, epoch: str, tails: list[int]) -> None:
        self.epoch, self._order = epoch, LogOrder(tails)
        self._overheard.forget()
        self._known, self._seen = list(tails), list(tails)

    def _start_over(self, why: str, epoch: str, tails: list[int]) -> None:
        LOG.warning("everybody subscribes to the alert log again: %s", why)
        self._begin(epoch, tails)
        self._audience.resync()

    async def _hand_on(self) -> None:
        """Read and broadcast until nothing that we know of is left."""
        self._woken.clear()
        while any(map(lt, self.positions, self._known)):
            if not self._audience.listening:
                self._order = LogOrder(list(map(max, self.positions, self._known)))
                break
            try:
                await self._read()
            except LogGap:
                self._start_over("it was trimmed below where we stood", self.epoch, self._known)
                break
            alerts = self._order.take(self._known)
            if alerts.keys:
                self._audience.broadcast(self.burst(alerts))
                if LOG.isEnabledFor(logging.DEBUG):
                    said = fields(count=len(alerts.keys), alerts=ids_of(alerts.alerts))
                    LOG.debug("alerts are handed on", extra=said)
            self._moved.set()
        self._moved.set()

    def burst(self, alerts: Ordered) -> Burst:
        """Return alerts of the log as what is handed on of them."""
        return Burst(self.epoch, alerts, self._frame_max, self._silences.now)

    async def _read(self) -> None:
        """Read on where nothing is at hand; what was announced in vain is forgotten in the end."""
        missing = await self._order.read(self._overheard, self._known)
        self._missed = self._missed + 1 if missing else 0
        if self._missed > MISSING_READS:
            for shard, offset in missing:
                self._known[shard] = offset
        elif missing:
            await anyio.sleep(MISSING_PAUSE_S)
