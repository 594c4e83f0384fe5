"""The processes of a service together: started in order, replaced one by one, stopped in order.

Valkey starts first and stops last: what the others have to say when they go, they say to it.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from service.supervisor.children import SUPERVISOR, Child, Part, Say

Result = TypeVar("Result")

VALKEY = "valkey"
AT_WORK_WITHIN_S = 300.0  # a release's first start compiles the engine


class Crew:
    """Keeps processes running; `ended` raises what ended one of them for good."""

    def __init__(self, say: Say) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._say = say
        self._members: list[Child] = []
        self._kept: dict[Child, asyncio.Task[None]] = {}  # with those that come and go

    def add(self, part: Part) -> None:
        """Start a process, as a member."""
        child = Child(part, self._say)
        self._members.append(child)
        self._keep(child)

    def settle(self) -> None:
        """From now on one that crashes is started again, however often."""
        for child in self._members:
            child.settled = True

    async def unless_ended(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` returns, or raise what ended a member for good before that."""
        working = asyncio.create_task(work, name="wait for the service")
        try:
            either: tuple[asyncio.Future[Any], ...] = (working, self.ended)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                self.ended.result()
            return await working
        finally:
            working.cancel()

    async def renew(self) -> None:
        """Replace every process but Valkey: a new one is at work before the old one is stopped.

        One that does not come to work changes nothing: the old one stays, and those behind it.
        """
        for old in [child for child in self._members if child.part.name != VALKEY]:
            self._say(SUPERVISOR, f"renewing {old.part.name}")
            new = Child(old.part, self._say)
            if why := await self._why_not_at_work(new):
                self._say(SUPERVISOR, f"{why}\nthe old {old.part.name} stays, nothing is lost")
                await self._stop(new)
                return
            self._members[self._members.index(old)] = new
            new.settled = True
            await self._stop(old)
        self._say(SUPERVISOR, "every process is renewed")

    async def stop(self) -> None:
        """Stop everything at once but Valkey, then Valkey; interrupted, kill what is left."""
        try:
            for last in (False, True):
                async with asyncio.TaskGroup() as stops:
                    for child, task in self._kept.items():
                        if (child.part.name == VALKEY) is last:
                            ending = _end(child, task)
                            stops.create_task(ending, name=f"stop {child.part.name}")
        finally:
            self.ended.cancel()
            for child, task in self._kept.items():
                child.kill()
                task.cancel()

    def _keep(self, child: Child) -> asyncio.Task[None]:
        name = f"keep {child.part.name} running"
        task = self._kept[child] = asyncio.create_task(child.keep_running(), name=name)
        task.add_done_callback(partial(self._over, child))
        return task

    def _over(self, child: Child, task: asyncio.Task[None]) -> None:
        """A member that cannot be kept running is the end of all."""
        error = None if task.cancelled() else task.exception()
        if error is not None and child in self._members and not self.ended.done():
            self.ended.set_exception(error)

    async def _why_not_at_work(self, new: Child) -> str | None:
        """Start it and wait until it is at work; return why it is not."""
        keeping = self._keep(new)
        waiting = asyncio.create_task(new.ready.wait(), name=f"wait for {new.part.name}")
        both = (waiting, keeping)
        await asyncio.wait(both, timeout=AT_WORK_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if new.ready.is_set():
            return None
        if keeping.done():
            return str(keeping.exception())
        return f"the new {new.part.name} was not at work within {AT_WORK_WITHIN_S:g} s"

    async def _stop(self, child: Child) -> None:
        await _end(child, self._kept[child])
        del self._kept[child]


async def _end(child: Child, task: asyncio.Task[None]) -> None:
    """Stop a child; one that is just being started is there only in a moment, and ends then."""
    await child.stop()
    await asyncio.wait((task,), timeout=child.part.stop_within_s)
