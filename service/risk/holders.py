"""Who holds a market: its legs beside each other, with the edges of their safe bands.

One arena of columns; a market owns a segment of it with some room to grow, so that a tick looks at
one slice (`low`, `high`) and writing the bands of any mixture of legs is one assignment. `place`
leads from a leg's row to where its band stands. A band is closed: a mark with low <= mark <= high
cannot change anything the leg's pool is judged by. A leg without a proven band has low = +inf and
is due at every mark.
"""

from dataclasses import dataclass, field

import numpy as np

from service.risk.columns import Floats, Ints
from service.risk.growing import grow
from service.risk.rows import Int32s, floats, int32s


@dataclass(slots=True)
class _Arena:
    low: Floats = field(default_factory=floats)
    high: Floats = field(default_factory=floats)
    row: Int32s = field(default_factory=int32s)


@dataclass(slots=True)
class _Places:
    place: Int32s = field(default_factory=int32s)  # by leg row; meaningless for a row not held


@dataclass(slots=True)
class _Segment:
    start: int = 0
    count: int = 0
    capacity: int = 0


class Holders:
    """Legs by market; rows are the book's leg rows, markets the market table's."""

    def __init__(self) -> None:
        self._arena = _Arena()
        self._used = 0
        self._places = _Places()
        self._segments: dict[int, _Segment] = {}

    def add(self, markets: Ints, rows: Ints) -> None:
        """Enter legs; until `set_bands` they are due at every mark."""
        if not len(rows):
            return
        grow(self._places, int(rows.max()) + 1)
        if len(rows) == 1:
            self._append(int(markets[0]), rows)
            return
        order = np.argsort(markets, kind="stable")
        borders = np.flatnonzero(np.diff(markets[order])) + 1
        for part in np.split(order, borders):
            self._append(int(markets[part[0]]), rows[part])

    def remove(self, markets: Ints, rows: Ints) -> None:
        """Take legs out; the last leg of the segment moves into the gap."""
        place, arena = self._places.place, self._arena
        for market, row in zip(markets.tolist(), rows.tolist(), strict=True):
            segment = self._segments[market]
            segment.count -= 1
            last, gap = segment.start + segment.count, int(place[row])
            moved = arena.row[last]
            arena.row[gap], arena.low[gap], arena.high[gap] = (
                moved,
                arena.low[last],
                arena.high[last],
            )
            place[moved] = gap

    def due(self, market: int, mark: float) -> Ints:
        """Return the rows whose band does not hold this mark."""
        segment = self._segments.get(market)
        if segment is None:
            return np.zeros(0, np.int64)
        part, arena = slice(segment.start, segment.start + segment.count), self._arena
        outside = np.flatnonzero((mark < arena.low[part]) | (mark > arena.high[part]))
        return arena.row[part][outside].astype(np.int64)

    def rows(self, market: int) -> Ints:
        """Return the rows of all legs in the market."""
        segment = self._segments.get(market)
        if segment is None:
            return np.zeros(0, np.int64)
        return self._arena.row[segment.start : segment.start + segment.count].astype(np.int64)

    def set_bands(self, rows: Ints, low: Floats, high: Floats) -> None:
        """Write the bands of these legs."""
        places = self._places.place[rows]
        self._arena.low[places] = low
        self._arena.high[places] = high

    def bands(self, rows: Ints) -> tuple[Floats, Floats]:
        """Return (low, high) of these legs."""
        places = self._places.place[rows]
        return self._arena.low[places], self._arena.high[places]

    def _append(self, market: int, rows: Ints) -> None:
        segment = self._segments.setdefault(market, _Segment())
        if segment.count + len(rows) > segment.capacity:
            self._move(segment, segment.count + len(rows))
        first = segment.start + segment.count
        part = slice(first, first + len(rows))
        self._arena.row[part] = rows
        self._arena.low[part] = np.inf
        self._arena.high[part] = -np.inf
        self._places.place[rows] = np.arange(first, first + len(rows))
        segment.count += len(rows)

    def _move(self, segment: _Segment, count: int) -> None:
        """Give the segment a larger place at the end.

        When more than half the arena is abandoned, the gaps are closed first.
        """
        capacity = max(16, count + (count >> 1))
        held = sum(each.capacity for each in self._segments.values())
        if self._used > 2 * held + 4_096:
            self._close_gaps()
        grow(self._arena, self._used + capacity)
        self._copy(segment, self._used)
        segment.capacity = capacity
        self._used += capacity

    def _copy(self, segment: _Segment, start: int) -> None:
        old = slice(segment.start, segment.start + segment.count)
        new = slice(start, start + segment.count)
        for column in (self._arena.row, self._arena.low, self._arena.high):
            column[new] = column[old].copy()
        self._places.place[self._arena.row[new]] = np.arange(new.start, new.stop)
        segment.start = start

    def _close_gaps(self) -> None:
        self._used = 0
        for segment in sorted(self._segments.values(), key=lambda each: each.start):
            self._copy(segment, self._used)
            self._used += segment.capacity
