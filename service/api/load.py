"""The load of one worker: what waits for the engine and what bodies it holds, both bounded.

Small evaluations are worked one at a time, in the order they came, and between two of them the
worker answers everybody else. Large ones have a queue and a thread of their own: nearly all that
takes long there is compiled, without the interpreter's lock, so nobody waits for them. More than
some of them do not wait: they are refused at once, so that those who wait are answered soon. Bodies
that are large are refused when all of them together would take too much memory; small ones never
are.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import Scope

from service.errors import Overloaded

SMALL_BYTES = 64 * 1_024
Answer = TypeVar("Answer")
_HELD = "plimsoll.body_bytes"  # in the scope of a request


def _nobody_counts() -> object:
    return None


class EngineQueue:
    """The evaluations that wait for the engine, or are on it.

    `bytes_max` is for large ones (some 50 ns of work a byte): one alone may be larger.
    """

    def __init__(self, count_max: int, bytes_max: int) -> None:
        self.waiting = 0
        self.count_refused: Callable[[], Any] = _nobody_counts
        self._bytes = 0
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._engine, self._large = asyncio.Lock(), asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "plimsoll-large")

    def check(self) -> None:
        """Raise Overloaded where one more cannot wait, before its body is read."""
        if self.waiting >= self._count_max:
            self._refuse()

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Wait until those before are done; raises Overloaded. `size` is that of the body."""
        self.check()
        if size > SMALL_BYTES and self.waiting and self._bytes + size > self._bytes_max:
            self._refuse()
        self.waiting += 1
        self._bytes += size
        try:
            async with self._large if size > SMALL_BYTES else self._engine:
                await asyncio.sleep(0)  # others first: who comes now sees that we wait
                yield
        finally:
            self.waiting -= 1
            self._bytes -= size

    async def work(self, size: int, what: Callable[[], Answer]) -> Answer:
        """Do what is to be done with a body, beside everybody else where that is large.

        What is done must not touch what others may change meanwhile.
        """
        if size <= SMALL_BYTES:
            return what()
        return await asyncio.get_running_loop().run_in_executor(self._thread, what)

    def _refuse(self) -> None:
        self.count_refused()
        raise Overloaded(f"{self.waiting} evaluations wait already")


class BodyRoom:
    """The bytes that large bodies take, from their first one until `Pieces` answers their calls."""

    def __init__(self, bytes_max: int) -> None:
        self.held = 0
        self.count_refused: Callable[[], Any] = _nobody_counts
        self._bytes_max = bytes_max

    def hold(self, scope: Scope, size: int) -> None:
        """Take so many bytes for a request, in place of what it had; raises Overloaded."""
        before = scope.get(_HELD, 0)
        wanted = size if size > SMALL_BYTES else 0
        others = self.held - before
        if wanted > before and others and others + wanted > self._bytes_max:
            self.count_refused()
            raise Overloaded("too many large bodies are being read")
        scope[_HELD] = wanted
        self.held = others + wanted

    def release(self, scope: Scope) -> None:
        """Give back what a request has taken."""
        self.held -= scope.pop(_HELD, 0)


@dataclass(frozen=True, slots=True)
class Load:
    """What one worker takes on at a time."""

    queue: EngineQueue
    room: BodyRoom
