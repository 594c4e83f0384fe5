"""Answers from the book about a market's queue of auto-deleveraging, by its holders alone.

In the queue are the positions of one side by the venue's rule (`risk/adl.py`). Those whose pool is
itself at LIQUIDATION or beyond are not: they are to be closed, and can take nothing over.

A market may have very many holders, and alerts do not wait for a queue: it is put together some
accounts at a time, each at the marks of its moment, and serves all questions of the next moment.
"""

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from service.contract.adl import (
    AheadAnswer,
    QueuedPosition,
    QueueName,
    QueuePlace,
    ShardQueue,
    encode,
    read_ahead_question,
    read_question,
)
from service.contract.numbers import LARGEST
from service.monitor.shards import Shards
from service.risk.adl import scores
from service.risk.book import Book
from service.risk.columns import Bools, Floats, Ints
from service.risk.evaluate import assess
from service.risk.model import Level
from service.risk.names import Names
from service.store.keys import split_tenant_key

ACCOUNTS_AT_ONCE = 1_000  # some milliseconds
KEPT_S = 0.5  # a page asks twice


@dataclass(slots=True)
class _Queue:
    """A row a position, in the order of the queue."""

    score: Floats
    account: Ints
    isolated: Bools
    size: Floats
    shard: Ints
    unpriced: Ints  # shards of the positions that are in no queue
    served: frozenset[int] = frozenset()  # shards that were served while it was put together
    market_id: int = 0
    made_at_s: float = 0.0


class Queues:
    """The queues of a monitor that were asked for just now."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Shards, dict[QueueName, _Queue]] = WeakKeyDictionary()

    async def first(self, shards: Shards, payload: bytes) -> tuple[list[int], bytes]:
        """Return the first positions after a place, and for which shards these speak.

        Raises msgspec.DecodeError.
        """
        asked = read_question(payload)
        queue, keys = await self._queue(shards, asked.queue), shards.engine.book.keys
        first = 0 if asked.after is None else _place(keys, queue, asked.after, after=True)
        served = sorted(queue.served & shards.ledgers.keys())
        rows = first + np.flatnonzero(np.isin(queue.shard[first:], served))
        found: list[QueuedPosition] = []
        for number, row in enumerate(rows.tolist()):
            if len(found) == asked.limit:
                break
            if number % ACCOUNTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            key = keys[int(queue.account[row])]
            if asked.tenant in (None, split_tenant_key(key)[0]):
                place = QueuePlace(float(queue.score[row]), key, bool(queue.isolated[row]))
                found.append(QueuedPosition(place, float(queue.size[row])))
        return served, encode(found)

    async def ahead(self, shards: Shards, payload: bytes) -> tuple[list[int], bytes]:
        """Return how much stands ahead of places by shard, and of which shards.

        Raises msgspec.DecodeError.
        """
        asked = read_ahead_question(payload)
        queue, keys = await self._queue(shards, asked.queue), shards.engine.book.keys
        ends = [_place(keys, queue, place) for place in asked.places]
        served = sorted(queue.served & shards.ledgers.keys())
        told = [_of_shard(queue, shard, ends) for shard in served]
        return served, encode(AheadAnswer(queue.market_id, told))

    async def _queue(self, shards: Shards, name: QueueName) -> _Queue:
        now_s = time.monotonic()
        kept = self._kept.setdefault(shards, {})
        for known in [known for known, queue in kept.items() if now_s > queue.made_at_s + KEPT_S]:
            del kept[known]
        if name not in kept:
            kept[name] = await _made(shards, name)
        return kept[name]


async def _made(shards: Shards, name: QueueName) -> _Queue:
    """Return a market's queue; a shard that comes or goes meanwhile is not in it."""
    book, market_id = shards.engine.book, shards.engine.market_id
    market = _market(book, name)
    holders = book.holders_of(market) if market >= 0 else np.zeros(0, np.int64)
    accounts = np.unique(book.pools.account[holders]).astype(np.int64)
    owners, ledgers = shards.residents.shards_of(accounts), dict(shards.ledgers)
    accounts = accounts[np.isin(owners, list(ledgers))]
    parts = [_part(shards, name, market, accounts[:0])]
    for start in range(0, len(accounts), ACCOUNTS_AT_ONCE):
        parts.append(_part(shards, name, market, accounts[start : start + ACCOUNTS_AT_ONCE]))
        await asyncio.sleep(0)
    queue = _sorted(book.keys, _joined(parts))
    queue.served = frozenset(
        shard for shard, ledger in ledgers.items() if shards.ledgers.get(shard) is ledger
    )
    queue.market_id, queue.made_at_s = market_id, time.monotonic()
    return queue


def _joined(parts: Sequence[_Queue]) -> _Queue:
    return _Queue(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.account for part in parts]),
        np.concatenate([part.isolated for part in parts]),
        np.concatenate([part.size for part in parts]),
        np.concatenate([part.shard for part in parts]),
        np.concatenate([part.unpriced for part in parts]),
    )


def _part(shards: Shards, name: QueueName, market: int, accounts: Ints) -> _Queue:
    """Return the positions of some accounts at this moment, in any order."""
    book = shards.engine.book
    slots = _holding(book, market, book.slots_of_all(accounts))
    owners = book.pools.account[slots].astype(np.int64)
    shard = shards.residents.shards_of(owners)
    batch = book.batch(slots)
    assessment = assess(batch)
    score, pool = scores(batch, assessment), batch.legs.pool
    on_side = (batch.legs.market == market) & ((batch.legs.contracts > 0.0) == name.long)
    rows = np.flatnonzero(on_side & ~np.isnan(score))
    return _Queue(
        np.clip(score[rows], -LARGEST, LARGEST),
        owners[pool[rows]],
        batch.pools.isolated[pool[rows]],
        np.abs(assessment.legs.size[rows]),
        shard[pool[rows]],
        shard[pool[on_side & np.isnan(score)]],
    )


def _holding(book: Book, market: int, slots: Ints) -> Ints:
    """Return those of the pools that hold the market and are not to be liquidated."""
    slots = slots[book.pools.level[slots] < Level.LIQUIDATION]
    owner = np.repeat(np.arange(len(slots)), book.pools.legs[slots])
    held = book.legs.market[book.rows_of(slots)] == market
    holding: Ints = slots[np.unique(owner[held])]
    return holding


def _market(book: Book, name: QueueName) -> int:
    """Return the number of a market as its venue's accounts see it; -1: nobody holds it."""
    wanted = (name.venue, name.symbol)
    shown = book.table.shown_by(name.venue, name.symbol)
    return next((row for row in shown if book.table.market_key(row) == wanted), -1)


def _sorted(keys: Names, queue: _Queue) -> _Queue:
    """Put positions in the queue's total order; only among equal scores are names looked at."""
    order = np.argsort(-queue.score, kind="stable")
    score = queue.score[order]
    edges = np.flatnonzero(np.diff(score, prepend=np.nan, append=np.nan))
    equal = np.flatnonzero(np.diff(edges) > 1)
    for first, end in zip(edges[equal].tolist(), edges[equal + 1].tolist(), strict=True):
        names = [_name(keys, queue, row) for row in order[first:end].tolist()]
        order[first:end] = order[first:end][sorted(range(len(names)), key=names.__getitem__)]
    return _Queue(
        score,
        queue.account[order],
        queue.isolated[order],
        queue.size[order],
        queue.shard[order],
        queue.unpriced,
    )


def _name(keys: Names, queue: _Queue, row: int) -> tuple[str, bool]:
    return keys[int(queue.account[row])], bool(queue.isolated[row])


def _place(keys: Names, queue: _Queue, place: QueuePlace, *, after: bool = False) -> int:
    """Return how many positions stand ahead of a place, with `after` the one there too."""
    first = len(queue.score) - int(np.searchsorted(queue.score[::-1], place.score, "right"))
    end = len(queue.score) - int(np.searchsorted(queue.score[::-1], place.score, "left"))
    wanted = (place.account_key, place.isolated)
    cut = bisect_right if after else bisect_left
    return cut(range(end), wanted, first, end, key=lambda row: _name(keys, queue, row))


def _of_shard(queue: _Queue, shard: int, ends: Sequence[int]) -> ShardQueue:
    rows = np.flatnonzero(queue.shard == shard)
    sums = np.concatenate(([0.0], np.cumsum(queue.size[rows])))
    ahead = np.searchsorted(rows, np.array(ends, np.int64))
    return ShardQueue(
        shard,
        len(rows),
        float(sums[-1]),
        int(np.count_nonzero(queue.unpriced == shard)),
        ahead.tolist(),
        sums[ahead].tolist(),
    )
