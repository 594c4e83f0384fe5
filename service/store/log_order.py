"""The logs of all shards as one: their alerts in the order of rank and account.

Each shard's log is in that order, so what was read of all of them can be put together up to the
first place at which a shard has more that was not read. What comes after it waits for more.
"""

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol, TypeAlias

import numpy as np

from service.risk.columns import Ints
from service.store.log_entries import LogEntry, split_alerts

ENTRIES_A_READ = 4  # a shard, of a log with small entries
_LARGE_BYTES = 2**20  # read of all shards: then entries are read one by one

_Place: TypeAlias = tuple[int, int, int]  # market id, round, level downwards


@dataclass(frozen=True, slots=True)
class Ordered:
    """Alerts one after the other, as columns, and the offsets by shard before the first."""

    before: tuple[int, ...]
    shards: Ints
    keys: list[str]
    alerts: list[bytes]
    levels: list[int]
    traces: tuple[str, ...] = ()  # of marks that somebody follows, each once

    def offsets(self, count: int) -> tuple[int, ...]:
        """Return the offsets by shard after the first `count` alerts."""
        taken = np.bincount(self.shards[:count], minlength=len(self.before))
        return tuple((np.array(self.before) + taken).tolist())


@dataclass(slots=True)
class _Piece:
    """Alerts of a shard that are of one rank."""

    place: _Place
    keys: list[str]
    alerts: list[bytes]
    trace: str = ""


class Entries(Protocol):
    """Where entries are read from; may raise StoreUnavailable."""

    async def read_many(
        self, positions: Sequence[tuple[int, int]], count: int
    ) -> list[list[LogEntry]]: ...


class LogGap(Exception):
    """Entries that are asked for are gone from the log."""


class LogOrder:
    """Takes entries of shards in, gives alerts out; `offsets[shard]` is what was given out last."""

    def __init__(self, offsets: Sequence[int]) -> None:
        self.offsets = tuple(offsets)
        self._read_to = list(offsets)
        self._pieces: list[deque[_Piece]] = [deque() for _ in offsets]
        self._count = 1  # entries of a shard in the next reading: nobody knows yet how large

    async def read(self, log: Entries, ends: Sequence[int]) -> list[tuple[int, int]]:
        """Read on, up to `ends`, the shards of which nothing is at hand.

        Returns (shard, offset) of those that had nothing after it, short of their ends. Raises
        LogGap when the next alert is gone but a later one is there.
        """
        wanted = [
            (shard, read_to)
            for shard, (read_to, end) in enumerate(zip(self._read_to, ends, strict=True))
            if read_to < end and not self._pieces[shard]
        ]
        answers = await log.read_many(wanted, self._count)
        size = sum(len(entry.alerts) for entries in answers for entry in entries)
        self._count = 1 if size > _LARGE_BYTES else ENTRIES_A_READ
        return [
            place
            for place, entries in zip(wanted, answers, strict=True)
            if not self._add(place[0], entries, ends[place[0]])
        ]

    def _add(self, shard: int, entries: Sequence[LogEntry], end: int) -> bool:
        """Take entries that follow what is there, up to offset `end`; return whether any did."""
        for entry in entries:
            after = self._read_to[shard]
            if after >= end:
                break
            if entry.offset_first > after + 1:
                raise LogGap
            self._take_in(shard, entry, after + 1, min(entry.offset_last, end))
        return bool(entries)

    def _take_in(self, shard: int, entry: LogEntry, first: int, last: int) -> None:
        alerts, offset = split_alerts(entry.alerts), entry.offset_first
        for rank, count in entry.runs:
            start, stop = max(first, offset), min(last, offset + count - 1)
            if start <= stop:
                part = slice(start - entry.offset_first, stop + 1 - entry.offset_first)
                place = (rank.market_id, rank.round, -rank.level)
                trace = entry.traces.get(rank.market_id, "")
                piece = _Piece(place, entry.account_keys[part], alerts[part], trace)
                self._pieces[shard].append(piece)
            offset += count
        self._read_to[shard] = last

    def take(self, ends: Sequence[int]) -> Ordered:
        """Return what is at hand in order, as far as nothing up to `ends` can come between."""
        before, found = self.offsets, _Columns()
        limit = self._limit(ends)
        for place, shards in sorted(self._by_place(limit).items()):
            last_key = limit[1] if limit is not None and place == limit[0] else None
            found.add([(shard, self._pop(shard, last_key)) for shard in shards])
        ordered = found.ordered(before)
        self.offsets = ordered.offsets(len(ordered.keys))
        return ordered

    def _limit(self, ends: Sequence[int]) -> tuple[_Place, str] | None:
        """Return the last place that nothing unread comes before; None: there is nothing unread."""
        last = []
        for shard, pieces in enumerate(self._pieces):
            if self._read_to[shard] < ends[shard]:
                if not pieces:
                    return (0, 0, 0), ""
                last.append((pieces[-1].place, pieces[-1].keys[-1]))
        return min(last, default=None)

    def _by_place(self, limit: tuple[_Place, str] | None) -> dict[_Place, list[int]]:
        """Return the shards of each piece, up to the limit."""
        shards: dict[_Place, list[int]] = defaultdict(list)
        for shard, pieces in enumerate(self._pieces):
            for piece in pieces:
                if limit is not None and piece.place > limit[0]:
                    break
                shards[piece.place].append(shard)
        return shards

    def _pop(self, shard: int, last_key: str | None) -> _Piece:
        """Take a shard's first piece out; with a last key only what is not after it."""
        piece = self._pieces[shard][0]
        count = len(piece.keys) if last_key is None else bisect_right(piece.keys, last_key)
        if count == len(piece.keys):
            return self._pieces[shard].popleft()
        rest = _Piece(piece.place, piece.keys[count:], piece.alerts[count:], piece.trace)
        self._pieces[shard][0] = rest
        return _Piece(piece.place, piece.keys[:count], piece.alerts[:count], piece.trace)


class _Columns:
    """Gathers pieces, place by place."""

    def __init__(self) -> None:
        self._shards: list[int] = []
        self._keys: list[str] = []
        self._alerts: list[bytes] = []
        self._levels: list[int] = []
        self._traces: dict[str, None] = {}

    def add(self, pieces: Sequence[tuple[int, _Piece]]) -> None:
        """Add the pieces of one place: by account, each account in the order of its shard."""
        shards = [shard for shard, piece in pieces for _ in piece.keys]
        keys = [key for _, piece in pieces for key in piece.keys]
        alerts = [alert for _, piece in pieces for alert in piece.alerts]
        if len(pieces) > 1:
            order = sorted(range(len(keys)), key=keys.__getitem__)
            shards, keys = [shards[row] for row in order], [keys[row] for row in order]
            alerts = [alerts[row] for row in order]
        self._traces |= {piece.trace: None for _, piece in pieces if piece.trace}
        self._shards += shards
        self._keys += keys
        self._alerts += alerts
        self._levels += repeat(-pieces[0][1].place[2], len(keys))

    def ordered(self, before: tuple[int, ...]) -> Ordered:
        shards = np.array(self._shards, np.int64)
        traces = tuple(self._traces)
        return Ordered(before, shards, self._keys, self._alerts, self._levels, traces)
