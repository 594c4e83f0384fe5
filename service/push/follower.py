"""Follows every shard's log and hands new entries, once and in order, to whoever listens here.

Pub/sub only wakes it; the log is the truth, read by offset from where it stands, so a lost or
doubled wake-up changes nothing. Once a second it looks at the log's ends and its epoch itself. When
Redis goes away it comes back with growing pauses and goes on at the same offsets: the sessions
notice nothing but silence. When the log was lost meanwhile (a new epoch, or an end before where we
stand) or trimmed below us, everybody has to subscribe again: `resync`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

import anyio

from service.errors import StoreUnavailable
from service.push.bursts import Burst
from service.store.alert_log import LogEntry, LogTail

LOG = logging.getLogger("plimsoll.push")
# Together they bound what one reading brings, 64 entries.
SHARDS_A_READ = 8
ENTRIES_A_READ = 8
_PAUSE_FIRST_S = 0.05
_PAUSE_MAX_S = 1.0


class LogReader(Protocol):
    """What following needs of the alert log; everything may raise StoreUnavailable."""

    async def tails(self) -> list[LogTail]: ...

    async def read_many(
        self, positions: Sequence[tuple[int, int]], count: int
    ) -> list[list[LogEntry]]: ...

    def listen(self) -> AsyncIterator[tuple[int, int] | None]: ...


class Audience(Protocol):
    """Who is told of new entries; every call returns at once."""

    @property
    def listening(self) -> bool:
        """Whether a burst would reach anybody; if not, the follower need not read it."""

    def broadcast(self, burst: Burst) -> None: ...

    def resync(self) -> None: ...


class LogFollower:
    """`positions[shard]` is the offset of the last alert of the shard that was handed on.

    `settle` makes sure that the store belongs to us and returns the log's epoch.
    """

    def __init__(
        self,
        log: LogReader,
        settle: Callable[[], Awaitable[str]],
        audience: Audience,
        *,
        frame_max: int,
        look_every_s: float = 1.0,
    ) -> None:
        self._log = log
        self._settle = settle
        self._audience = audience
        self._frame_max = frame_max
        self._look_every_s = look_every_s
        self._known: list[int] = []  # offsets that are in the log, as far as we heard
        self._woken = asyncio.Event()
        self._moved = asyncio.Event()
        self.epoch = ""
        self.positions: list[int] = []

    async def run(self) -> None:
        """Follow until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear, name="push wake-ups")
            tasks.start_soon(self._follow, name="push follower")

    async def ready(self) -> None:
        """Return once the log was reached for the first time."""
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
                async for message in self._log.listen():
                    pause = _PAUSE_FIRST_S
                    if message is not None:
                        self._announce(*message)
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
            self.epoch, self.positions, self._known = epoch, list(tails), list(tails)
        elif epoch != self.epoch:
            self._start_over("it has a new epoch", epoch, tails)
        elif any(tail < have for tail, have in zip(tails, self.positions, strict=True)):
            self._start_over("it ends before where we stood", epoch, tails)
        # A wake-up may have come while we asked, and know more than the answer.
        for shard, tail in enumerate(tails):
            self._known[shard] = max(self._known[shard], tail)
        self._moved.set()

    def _start_over(self, why: str, epoch: str, tails: list[int]) -> None:
        LOG.warning("everybody subscribes to the alert log again: %s", why)
        self.epoch, self.positions, self._known = epoch, list(tails), list(tails)
        self._audience.resync()

    async def _hand_on(self) -> None:
        """Read and broadcast until nothing that we know of is left."""
        self._woken.clear()
        while behind := self._behind():
            if not self._audience.listening:
                self.positions = [
                    max(pair) for pair in zip(self.positions, self._known, strict=True)
                ]
                break
            answers = await self._log.read_many(behind, ENTRIES_A_READ)
            for (shard, _), entries in zip(behind, answers, strict=True):
                self._broadcast(shard, entries)
            self._moved.set()
        self._moved.set()

    def _behind(self) -> list[tuple[int, int]]:
        pairs = enumerate(zip(self.positions, self._known, strict=True))
        return [(shard, have) for shard, (have, known) in pairs if have < known][:SHARDS_A_READ]

    def _broadcast(self, shard: int, entries: list[LogEntry]) -> None:
        if not entries or entries[0].offset_first > self.positions[shard] + 1:
            tails = list(self.positions)
            tails[shard] = self._known[shard]
            self._start_over("it was trimmed below where we stood", self.epoch, tails)
            return
        burst = Burst(self.epoch, self.positions, shard, entries, self._frame_max)
        self._audience.broadcast(burst)
        self.positions[shard] = burst.last
