"""Answers from the book about a market's queue of auto-deleveraging, by its holders alone.

In the queue are the positions of one side by the venue's rule (`risk/adl.py`). Those whose pool is
itself at LIQUIDATION or beyond are not: they are to be closed, and can take nothing over.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

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
from service.store.keys import split_tenant_key


@dataclass(slots=True)
class _Queue:
    """A row a position, in the order of the queue; of shards that are served."""

    score: Floats
    account: Ints
    isolated: Bools
    size: Floats
    shard: Ints
    unpriced: Ints  # shards of the positions that are in no queue


def tell_queue(shards: Shards, payload: bytes) -> bytes:
    """Return the first positions after a place; raises msgspec.DecodeError."""
    asked = read_question(payload)
    keys, queue = shards.engine.book.keys, _queue(shards, asked.queue)
    first = 0 if asked.after is None else _place(shards.engine.book, queue, asked.after, after=True)
    found: list[QueuedPosition] = []
    for row in range(first, len(queue.score)):
        if len(found) == asked.limit:
            break
        key = keys[int(queue.account[row])]
        if asked.tenant in (None, split_tenant_key(key)[0]):
            place = QueuePlace(float(queue.score[row]), key, bool(queue.isolated[row]))
            found.append(QueuedPosition(place, float(queue.size[row])))
    return encode(found)


def tell_ahead(shards: Shards, payload: bytes) -> bytes:
    """Return how much stands ahead of places, by shard; raises msgspec.DecodeError."""
    asked = read_ahead_question(payload)
    book, queue = shards.engine.book, _queue(shards, asked.queue)
    ends = [_place(book, queue, place) for place in asked.places]
    answer = AheadAnswer(
        shards.engine.market_id, [_of_shard(queue, shard, ends) for shard in shards.ledgers]
    )
    return encode(answer)


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


def _queue(shards: Shards, name: QueueName) -> _Queue:
    """Return the part of a queue that is in the shards that are served."""
    book = shards.engine.book
    market = _market(book, name)
    slots = np.unique(book.holders_of(market)) if market >= 0 else np.zeros(0, np.int64)
    slots = slots[book.pools.level[slots] < Level.LIQUIDATION]
    owners = book.pools.account[slots].astype(np.int64)
    shard = shards.residents.shards_of(owners)
    served = np.isin(shard, list(shards.ledgers))
    slots, owners, shard = slots[served], owners[served], shard[served]
    batch = book.batch(slots)
    assessment = assess(batch)
    score = scores(batch, assessment)
    on_side = (batch.legs.market == market) & ((batch.legs.contracts > 0.0) == name.long)
    rows = np.flatnonzero(on_side & ~np.isnan(score))
    pool = batch.legs.pool
    queue = _Queue(
        np.clip(score[rows], -LARGEST, LARGEST),
        owners[pool[rows]],
        batch.pools.isolated[pool[rows]],
        np.abs(assessment.legs.size[rows]),
        shard[pool[rows]],
        shard[pool[on_side & np.isnan(score)]],
    )
    return _sorted(book, queue)


def _market(book: Book, name: QueueName) -> int:
    """Return the number of a market as its venue's accounts see it; -1: nobody holds it."""
    wanted = (name.venue, name.symbol)
    shown = book.table.shown_by(name.venue, name.symbol)
    return next((row for row in shown if book.table.market_key(row) == wanted), -1)


def _sorted(book: Book, queue: _Queue) -> _Queue:
    """Put positions in the queue's total order; only among equal scores are names looked at."""
    order = np.argsort(-queue.score, kind="stable")
    score = queue.score[order]
    edges = np.flatnonzero(np.diff(score, prepend=np.nan, append=np.nan))
    for first, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if end - first > 1:
            names = [_name(book, queue, row) for row in order[first:end].tolist()]
            order[first:end] = order[first:end][sorted(range(len(names)), key=names.__getitem__)]
    return _Queue(
        score,
        queue.account[order],
        queue.isolated[order],
        queue.size[order],
        queue.shard[order],
        queue.unpriced,
    )


def _name(book: Book, queue: _Queue, row: int) -> tuple[str, bool]:
    return book.keys[int(queue.account[row])], bool(queue.isolated[row])


def _place(book: Book, queue: _Queue, place: QueuePlace, *, after: bool = False) -> int:
    """Return how many positions stand ahead of a place, with `after` the one there too."""
    falling = -queue.score
    first = int(np.searchsorted(falling, -place.score, "left"))
    end = int(np.searchsorted(falling, -place.score, "right"))
    wanted = (place.account_key, place.isolated)
    cut = bisect_right if after else bisect_left
    return cut(range(end), wanted, first, end, key=lambda row: _name(book, queue, row))
