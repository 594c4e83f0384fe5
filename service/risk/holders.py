"""Who holds a market: its legs beside each other, with the edges of their safe bands.

One arena of columns; a market owns a segment of it with some room to grow. The arena is cut into
blocks, each with the highest of its lows and the lowest of its highs: a mark inside those is inside
every band of the block, so a calm tick looks at the summaries alone. For that the legs of a segment
stand in the order of their distance to the nearer edge, as it was when `arrange` put them so; what
comes due often shares few blocks.

A band is closed: a mark with low <= mark <= high cannot change anything the leg's pool is judged
by. A leg without a proven band has low = +inf and is due at every mark. Summaries may be tighter
than the bands, never wider.
"""

from dataclasses import dataclass, field

import numpy as np

from service.risk.columns import Floats, Ints
from service.risk.growing import grow
from service.risk.rows import Int32s, LegColumns, Records, floats, int32s

BLOCK = 64  # legs; compiled code divides by it

SEGMENT = np.dtype(
    [
        ("start", np.int64),  # a multiple of BLOCK, as is the capacity
        ("count", np.int64),
        ("capacity", np.int64),
        ("wasted", np.int64),  # blocks looked at for nothing since it was arranged
    ]
)


@dataclass(slots=True)
class Arena:
    """A row a place; unused places belong to nobody."""

    low: Floats = field(default_factory=floats)
    high: Floats = field(default_factory=floats)
    row: Int32s = field(default_factory=int32s)


@dataclass(slots=True)
class Summaries:
    """A row a block of the arena."""

    low: Floats = field(default_factory=floats)  # at least the highest low
    high: Floats = field(default_factory=floats)  # at most the lowest high


class Holders:
    """Legs by market; rows are the book's leg rows, markets the market table's."""

    def __init__(self, legs: LegColumns) -> None:
        self.arena = Arena()
        self.blocks = Summaries()
        self.segments: Records = np.zeros(8, SEGMENT)
        self._legs = legs
        self._used = 0

    def add(self, markets: Ints, rows: Ints) -> None:
        """Enter legs; until they are given bands they are due at every mark."""
        if not len(rows):
            return
        most = int(markets.max())
        if most >= len(self.segments):
            self.segments = np.concatenate([self.segments, np.zeros(most + 1, SEGMENT)])
        if len(rows) == 1:
            self._append(int(markets[0]), rows)
            return
        order = np.argsort(markets, kind="stable")
        borders = np.flatnonzero(np.diff(markets[order])) + 1
        for part in np.split(order, borders):
            self._append(int(markets[part[0]]), rows[part])

    def remove(self, markets: Ints, rows: Ints) -> None:
        """Take legs out; the last legs of their segments move into the gaps."""
        order = np.argsort(markets, kind="stable")
        borders = np.flatnonzero(np.diff(markets[order])) + 1
        for part in np.split(order, borders) if len(rows) else ():
            self._take_out(int(markets[part[0]]), rows[part])

    def _take_out(self, market: int, rows: Ints) -> None:
        segment, arena, place = self.segments[market], self.arena, self._legs.place
        segment["count"] -= len(rows)
        end = int(segment["start"] + segment["count"])
        places = place[rows].astype(np.int64)
        last = np.arange(end, end + len(rows))
        moved = last[~np.isin(last, places)] if len(rows) > 1 else last[last != places]
        gaps = places[places < end]
        arena.row[gaps] = arena.row[moved]
        place[arena.row[gaps]] = gaps
        self._write(gaps, arena.low[moved], arena.high[moved])

    def rows(self, market: int) -> Ints:
        """Return the rows of all legs in the market."""
        if market >= len(self.segments):
            return np.zeros(0, np.int64)
        return self.arena.row[self._part(market)].astype(np.int64)

    def set_bands(self, rows: Ints, low: Floats, high: Floats) -> None:
        """Write the bands of these legs."""
        self._write(self._legs.place[rows].astype(np.int64), low, high)

    def bands(self, rows: Ints) -> tuple[Floats, Floats]:
        """Return (low, high) of these legs."""
        places = self._legs.place[rows]
        return self.arena.low[places], self.arena.high[places]

    def arrange(self, market: int, mark: float) -> None:
        """Put the market's legs in the order of their distance to an edge, and sum them up anew."""
        part, arena = self._part(market), self.arena
        order = np.argsort(np.minimum(mark - arena.low[part], arena.high[part] - mark))
        for column in (arena.row, arena.low, arena.high):
            column[part] = column[part][order]
        self._legs.place[arena.row[part]] = np.arange(part.start, part.stop)
        self.segments[market]["wasted"] = 0
        self._sum_up(part)

    def _part(self, market: int) -> slice:
        segment = self.segments[market]
        return slice(int(segment["start"]), int(segment["start"] + segment["count"]))

    def _write(self, places: Ints, low: Floats, high: Floats) -> None:
        self.arena.low[places], self.arena.high[places] = low, high
        np.maximum.at(self.blocks.low, places // BLOCK, low)
        np.minimum.at(self.blocks.high, places // BLOCK, high)

    def _sum_up(self, part: slice) -> None:
        """Make the summaries of a segment's blocks exact."""
        if part.start < part.stop:
            first, last = part.start // BLOCK, (part.stop - 1) // BLOCK + 1
            cuts = np.arange(part.start, part.stop, BLOCK) - part.start
            self.blocks.low[first:last] = np.maximum.reduceat(self.arena.low[part], cuts)
            self.blocks.high[first:last] = np.minimum.reduceat(self.arena.high[part], cuts)

    def _append(self, market: int, rows: Ints) -> None:
        segment = self.segments[market]
        if segment["count"] + len(rows) > segment["capacity"]:
            self._move(market, int(segment["count"]) + len(rows))
        first = int(segment["start"] + segment["count"])
        part = slice(first, first + len(rows))
        self.arena.row[part] = rows
        self._legs.place[rows] = np.arange(part.start, part.stop)
        self._write(np.arange(part.start, part.stop), np.array(np.inf), np.array(-np.inf))
        segment["count"] += len(rows)

    def _move(self, market: int, count: int) -> None:
        """Give the segment a larger place at the end.

        When more than a third of the arena is abandoned, the gaps are closed first.
        """
        capacity = -(-(count + (count >> 2)) // BLOCK) * BLOCK
        held = int(self.segments["capacity"].sum())
        if 2 * self._used > 3 * held + 64 * BLOCK:
            self._close_gaps()
        self._make_room(self._used + capacity)
        self._copy(market, self._used)
        self.segments[market]["capacity"] = capacity
        self._used += capacity

    def _make_room(self, places: int) -> None:
        grow(self.arena, places)
        blocks = -(-len(self.arena.row) // BLOCK)
        known = len(self.blocks.low)
        grow(self.blocks, blocks)
        self.blocks.low[known:], self.blocks.high[known:] = -np.inf, np.inf

    def _copy(self, market: int, start: int) -> None:
        old = self._part(market)
        new = slice(start, start + old.stop - old.start)
        for column in (self.arena.row, self.arena.low, self.arena.high):
            column[new] = column[old].copy()
        self._legs.place[self.arena.row[new]] = np.arange(new.start, new.stop)
        self.segments[market]["start"] = start
        self._sum_up(new)

    def _close_gaps(self) -> None:
        self._used = 0
        for market in np.argsort(self.segments["start"], kind="stable").tolist():
            if self.segments[market]["capacity"]:
                self._copy(market, self._used)
                self._used += int(self.segments[market]["capacity"])
