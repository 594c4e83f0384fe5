"""Liquidation maps of the accounts that are served here, made while the monitor goes on.

One map at a time, a shard after the other, answered as each is done. Of a shard some accounts at a
time are copied between two entries of the stream, which takes about a millisecond; what is copied
is walked in another thread by code that lets go of the interpreter. So no mark waits, and no more
is in memory than some accounts and the sums of a shard. A shard that has another owner by the end
is not answered: it is asked for again, and whoever has it then makes it anew.
"""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field

import msgspec
import numpy as np

from service.contract.map_parts import (
    MapCell,
    MapPart,
    MapQuestion,
    MapRefused,
    decode_map_question,
    encode_map,
)
from service.errors import StoreUnavailable
from service.monitor.leases import Leases
from service.monitor.pictures import Picture
from service.monitor.shards import Shards
from service.monitor.sharing import Sharing
from service.risk.columns import Floats, Ints
from service.risk.liquidation_map import FIELDS, Found, walk
from service.store.questions import Question, Questions

_log = logging.getLogger(__name__)

PIECE_ACCOUNTS = 1_000
JOBS_MAX = 4  # the one that is made, and those that wait


@dataclass(slots=True)
class _Job:
    """A map to be made, and the shards still to do."""

    question: Question
    asked: MapQuestion
    ends_s: float
    todo: deque[int] = field(default_factory=deque)
    at: int | None = None  # the shard at hand
    pictures: dict[int, tuple[Shards, Picture]] = field(default_factory=dict)  # by book

    def picture_of(self, book: Shards) -> Picture:
        """Return the market that all shards of a book are judged by."""
        if id(book) not in self.pictures:
            self.pictures[id(book)] = (book, Picture(book, self.asked))
        return self.pictures[id(book)][1]


class Maps:
    """The maps of one monitor; `take` and `forget` come from its questions, `work` is a task."""

    def __init__(self, sharing: Sharing, leases: Leases, questions: Questions) -> None:
        self._sharing, self._leases, self._questions = sharing, leases, questions
        self._jobs: dict[str, _Job] = {}  # in the order they came
        self._wanted = asyncio.Event()

    async def take(self, question: Question) -> None:
        """Have a map made of the shards that are served here, or refuse: there are too many."""
        try:
            asked = decode_map_question(question.payload)
        except msgspec.DecodeError as error:
            _log.error("a map that cannot be read: %s", error)
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
        """Nobody waits for a map any more."""
        self._jobs.pop(question.payload.decode(), None)

    async def work(self) -> None:
        """Wait for a map and make it."""
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
            _log.exception("a map was given up")
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

    async def _part(self, job: _Job, shard: int) -> MapPart | None:
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

    async def _walked(self, job: _Job, book: Shards, shard: int) -> MapPart:
        picture, asked = job.picture_of(book), job.asked
        found = _Sums(len(asked.factors))
        accounts = book.residents.all_of(shard)
        for start in range(0, len(accounts), PIECE_ACCOUNTS):
            piece = _of_tenant(book, accounts[start : start + PIECE_ACCOUNTS], asked.tenant)
            batch = picture.batch(book.engine.book, piece)
            found.accounts += len(piece)
            if len(batch.pools.rule):
                shock, most = picture.shock, picture.event_most
                found.add(await asyncio.to_thread(walk, batch, shock, most))
            else:
                await asyncio.sleep(0)
        return found.told(picture)


def _of_tenant(book: Shards, accounts: Ints, tenant: str | None) -> Ints:
    """Keep the accounts that have a pool, and are a tenant's."""
    kept = accounts[book.engine.book.accounts.pools[accounts] > 0]
    if tenant is not None:
        kept = kept[book.engine.book.keys.begin_with(kept, f"{tenant}/")]
    return kept


class _Sums:
    """What the pieces of a shard add up to."""

    def __init__(self, points: int) -> None:
        self.accounts = 0
        self._pools = self._unpriced = 0
        self._liquidated, self._short = np.zeros((2, points), np.int64)
        self._sums: dict[int, Floats] = {}  # by asset

    def add(self, found: Found) -> None:
        self._pools += found.pools
        self._unpriced += found.unpriced
        self._liquidated += found.accounts
        self._short += found.accounts_short
        for asset, sums in zip(found.assets.tolist(), found.sums, strict=True):
            if asset in self._sums:
                self._sums[asset] += sums
            else:
                self._sums[asset] = sums

    def told(self, picture: Picture) -> MapPart:
        """Return it as it is answered; money that nothing is ever liquidated in is left out."""
        cells = [
            MapCell(*picture.key_of(asset), picture.prices_of(asset).tolist(), _flat(sums))
            for asset, sums in self._sums.items()
            if sums.any()
        ]
        return MapPart(
            picture.market_id,
            self.accounts,
            self._pools,
            self._unpriced,
            self._liquidated.tolist(),
            self._short.tolist(),
            cells,
        )


def _flat(sums: Floats) -> list[float]:
    assert sums.shape[1] == FIELDS
    values: list[float] = sums.ravel().tolist()
    return values
