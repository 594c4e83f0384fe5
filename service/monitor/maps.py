"""Maps and scenarios of the accounts that are served here, made while the monitor goes on.

One at a time, a shard after the other, answered as each is done. Of a shard some accounts at a time
are copied between two entries of the stream, which takes about a millisecond; what is copied is
walked in another thread by code that mostly lets go of the interpreter. So no mark waits, and no
more is in memory than some accounts and the sums of a shard. A shard that has another owner by the
end is not answered: it is asked for again, and whoever has it then makes it anew.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from service.contract.map_parts import (
    MAP,
    MapPart,
    MapQuestion,
    MapRefused,
    decode_map_question,
    encode_map,
)
from service.contract.scenario_parts import (
    SCENARIOS,
    ScenariosPart,
    ScenariosQuestion,
    decode_scenarios_question,
)
from service.errors import StoreUnavailable
from service.monitor.leases import Leases
from service.monitor.map_making import MapMaking
from service.monitor.scenario_making import ScenarioMaking
from service.monitor.shards import Shards
from service.monitor.sharing import Sharing
from service.risk.columns import Ints
from service.store.questions import Question, Questions

_log = logging.getLogger(__name__)

PIECE_ACCOUNTS = 1_000
JOBS_MAX = 4  # the one that is made, and those that wait

_Asked = MapQuestion | ScenariosQuestion
_Part = MapPart | ScenariosPart
_READERS: dict[str, Callable[[bytes], _Asked]] = {
    MAP: decode_map_question,
    SCENARIOS: decode_scenarios_question,
}


class _Sums(Protocol):
    """A shard's part while it is made."""

    async def add(self, accounts: Ints) -> None: ...

    def told(self) -> _Part: ...


class _Making(Protocol):
    """How a book's parts are made."""

    def begin(self) -> _Sums: ...


def _making_of(book: Shards, asked: _Asked) -> _Making:
    if isinstance(asked, MapQuestion):
        return MapMaking(book, asked)
    return ScenarioMaking(book, asked)


@dataclass(slots=True)
class _Job:
    """A map or scenarios to be made, and the shards still to do."""

    question: Question
    asked: _Asked
    ends_s: float
    todo: deque[int] = field(default_factory=deque)
    at: int | None = None  # the shard at hand
    makings: dict[int, tuple[Shards, _Making]] = field(default_factory=dict)  # by book

    def making_of(self, book: Shards) -> _Making:
        """Return what all shards of a book are made by: one market."""
        if id(book) not in self.makings:
            self.makings[id(book)] = (book, _making_of(book, self.asked))
        return self.makings[id(book)][1]


class Maps:
    """Those of one monitor; `take` and `forget` come from its questions, `work` is a task."""

    def __init__(self, sharing: Sharing, leases: Leases, questions: Questions) -> None:
        self._sharing, self._leases, self._questions = sharing, leases, questions
        self._jobs: dict[str, _Job] = {}  # in the order they came
        self._wanted = asyncio.Event()

    async def take(self, question: Question) -> None:
        """Have one made of the shards that are served here, or refuse: there are too many."""
        try:
            asked = _READERS[question.kind](question.payload)
        except msgspec.DecodeError as error:
            _log.error("a map or scenarios that cannot be read: %s", error)
            return
        mine = sorted(set(asked.shards) & set(self._sharing.served))
        job = self._jobs.get(asked.job)
        if job is None and not mine:
            return
        if job is None and len(self._jobs) >= JOBS_MAX:
            await self._questions.answer(question, mine, encode_map(MapRefused()))
            return
        ends_s = time.monotonic() + asked.lasts_s
        if job is None:
            job = self._jobs[asked.job] = _Job(question, asked, ends_s)
        job.todo.extend(shard for shard in mine if shard not in (job.at, *job.todo))
        self._wanted.set()

    def forget(self, question: Question) -> None:
        """Nobody waits for it any more."""
        self._jobs.pop(question.payload.decode(), None)

    async def work(self) -> None:
        """Wait for one and make it."""
        await self._wanted.wait()
        job = next(iter(self._jobs.values()), None)
        if job is None:
            self._wanted.clear()
            return
        try:
            await self._make(job)
        except StoreUnavailable:
            raise
        except Exception:  # a mistake of ours costs the map; whoever is monitored stays so
            _log.exception("a map, or scenarios, were given up")
        finally:
            self._jobs.pop(job.asked.job, None)

    async def _make(self, job: _Job) -> None:
        while job.todo and self._is_awaited(job):
            job.at = job.todo.popleft()
            part = await self._part(job, job.at)
            if part is not None:
                await self._questions.answer(job.question, [job.at], encode_map(part))
            job.at = None

    def _is_awaited(self, job: _Job) -> bool:
        return job.asked.job in self._jobs and time.monotonic() < job.ends_s

    async def _part(self, job: _Job, shard: int) -> _Part | None:
        """Return a shard's part, made of a book that served it all the while; None: we lost it."""
        while self._is_awaited(job) and (book := self._book_of(shard)) is not None:
            ledger = book.ledgers[shard]
            part = await self._walked(job, book, shard)
            if not self._leases.sure:
                return None
            if book.ledgers.get(shard) is ledger:
                return part
        return None

    def _book_of(self, shard: int) -> Shards | None:
        return next((book for book in self._sharing.serving if shard in book.ledgers), None)

    async def _walked(self, job: _Job, book: Shards, shard: int) -> _Part | None:
        """Return a shard's part as a book has it; None: nobody waits for it."""
        sums = job.making_of(book).begin()
        accounts = book.residents.all_of(shard)
        for start in range(0, len(accounts), PIECE_ACCOUNTS):
            if not self._is_awaited(job):
                return None
            piece = accounts[start : start + PIECE_ACCOUNTS]
            await sums.add(_of_tenant(book, piece, job.asked.tenant))
        return sums.told()


def _of_tenant(book: Shards, accounts: Ints, tenant: str | None) -> Ints:
    """Keep the accounts that have a pool, and are a tenant's."""
    kept = accounts[book.engine.book.accounts.pools[accounts] > 0]
    if tenant is not None:
        kept = kept[book.engine.book.keys.begin_with(kept, f"{tenant}/")]
    return kept
