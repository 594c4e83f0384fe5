"""Marks that are judged in one go, before each is told of in its turn.

Of most marks there is nothing to tell, and what Python does about each costs many times what its
pools do. So the next marks go through compiled code together, one after the other; then each is
taken for itself: the market table shows it, and its alerts are written at the marks of that moment.

Only plain marks go together: those that change a price and nothing else. An entry of another kind,
a mark that takes over from another venue's, one that reprices collateral: each is taken alone.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from service.contract.marks import decode_mark
from service.errors import ServiceError
from service.monitor.alerts import STILL, Moves
from service.monitor.facts import MarketFacts
from service.monitor.judges import Entries, Judge, Ticked
from service.monitor.judging import NOTHING
from service.monitor.rounds import Round, moves_of
from service.risk.book import Book
from service.risk.market_rows import LARGEST, SMALLEST
from service.risk.model import Mark
from service.store.market_stream import MarketEntry

MARKS_MAX = 256  # judged in one go
_NOTHING = Ticked(0, NOTHING, [], [], [], NOTHING.slots, NOTHING.slots, leaves_more=False)


class Ahead:
    """The marks that were judged and are still to be taken; its length says how many.

    `ticked` is what all of them have come to, `moves` what is to be told of that.
    """

    def __init__(self, book: Book, facts: MarketFacts, judge: Judge) -> None:
        self._book, self._facts, self._judge = book, facts, judge
        self._marks: deque[_Judged] = deque()
        self.ticked, self.moves = _NOTHING, STILL
        self._row = 0  # the last of the entry that was taken last
        self._entries = Entries()
        self._reach = MARKS_MAX  # so many are read: few where few are judged in one go
        self._told = 0  # of the moves

    def __len__(self) -> int:
        return len(self._marks)

    def look(self, entries: Sequence[MarketEntry], first: int) -> None:
        """Judge the entries from `first` on as far as they are plain marks."""
        rows = self._entries
        rows.rows = 0
        for entry in islice(entries, first, first + self._reach):
            mark = _readable(entry)
            markets = None if mark is None else self._moved_by(mark)
            if mark is None or markets is None or not rows.has_room(len(markets)):
                break
            rows.add(markets, (mark.mark_price,) * len(markets), entry.event_time_ms)
            self._marks.append(_Judged(entry, mark, markets, rows.rows - 1))
        if not self._marks:
            return
        self.ticked, self._told = self._judge.tick(rows), 0
        read = len(self._marks)
        while self._marks[-1].row >= self.ticked.rows:
            self._marks.pop()
        taken = len(self._marks)
        self._reach = MARKS_MAX if taken == read else 2 * taken
        changed = self.ticked.changed
        self.moves = moves_of(self._book, changed, Round("mark")) if changed else STILL

    def take(self, entry: MarketEntry) -> Moves:
        """Take the next mark's facts; return who has moved at it."""
        judged, mark, markets, self._row = self._marks.popleft()
        assert judged.market_id == entry.market_id, "an entry was judged, and another is taken"
        self._facts.event_time_ms = entry.event_time_ms
        self._facts.renew(mark, entry.payload, entry.event_time_ms, markets)
        first, self._told = self._told, self.ticked.moved[self._row]
        return self.moves.part(first, self._told) if self._told > first else STILL

    @property
    def looked_at(self) -> tuple[int, int]:
        """Return how many pools and blocks were looked at since the start, this mark included."""
        return self.ticked.judged[self._row], self.ticked.blocks[self._row]

    def _moved_by(self, mark: Mark) -> Sequence[int] | None:
        """Return the markets that get another price by a mark; None: more would change."""
        table = self._facts.table
        markets = table.showing(mark.venue, mark.symbol)
        if markets is None or not SMALLEST <= mark.mark_price <= LARGEST:
            return None
        for market in markets:
            for asset in table.assets_priced_by(market):
                if len(self._book.priced_by(asset)):
                    return None
        return markets


class _Judged(NamedTuple):
    """A mark that was judged, the markets that show it, and the last of its rows."""

    entry: MarketEntry
    mark: Mark
    markets: Sequence[int]
    row: int


def _readable(entry: MarketEntry) -> Mark | None:
    """Return an entry's mark; what cannot be read is another's to say."""
    if entry.kind != "m":
        return None
    try:
        return decode_mark(entry.payload)
    except (ServiceError, msgspec.DecodeError):
        return None
