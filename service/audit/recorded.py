"""What the market stream had said as of one market id: read from a snapshot and the entries after.

Plain dictionaries by (venue, symbol): nothing of the tables and columns that the monitor judges by,
so what is derived from here is derived on another way.
"""

from dataclasses import dataclass, field

import msgspec

from service.contract.instruments import decode_instrument
from service.contract.marks import decode_mark
from service.contract.quality import read_quality
from service.errors import ServiceError
from service.monitor.facts import read_snapshot
from service.risk.model import Instrument, Mark
from service.risk.quality import GOOD, Verdict
from service.risk.reports import Key, lookups, worth_of
from service.store.market_stream import MarketEntry


@dataclass(frozen=True, slots=True)
class RecordedMark:
    """A mark and the entry that brought it; `market_id` is None where that is before what we read.

    It was at or before the snapshot then.
    """

    mark: Mark
    market_id: int | None
    event_time_ms: int
    verdict: Verdict = GOOD


@dataclass(slots=True)
class Recorded:
    """Marks, quality and terms as of `market_id`; entries go in one by one, in order."""

    market_id: int = 0
    event_time_ms: int = 0
    marks: dict[Key, RecordedMark] = field(default_factory=dict)
    verdicts: dict[Key, Verdict] = field(default_factory=dict)
    instruments: dict[Key, tuple[Instrument, int | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, market_id: int, blob: bytes) -> "Recorded":
        """Return what a snapshot of that market id says."""
        snapshot, found = read_snapshot(blob), cls(market_id)
        found.event_time_ms = snapshot.event_time_ms
        for raw in snapshot.instruments:
            found._take_instrument(decode_instrument(bytes(raw)), None)
        for fact in snapshot.marks:
            mark = decode_mark(bytes(fact.payload))
            found.marks[mark.venue, mark.symbol] = RecordedMark(mark, None, fact.event_time_ms)
        for word in snapshot.qualities:
            found.verdicts[word.venue, word.symbol] = word.verdict
        return found

    def copy(self) -> "Recorded":
        """Return the same, which goes on by itself."""
        kept = (dict(self.marks), dict(self.verdicts), dict(self.instruments))
        return Recorded(self.market_id, self.event_time_ms, *kept)

    def take(self, entry: MarketEntry) -> Key | None:
        """Take an entry; return whose facts it has changed, None: nobody's.

        One that cannot be read is passed over, as the monitor does.
        """
        self.market_id, self.event_time_ms = entry.market_id, entry.event_time_ms
        try:
            match entry.kind:
                case "m":
                    mark = decode_mark(entry.payload)
                    key = (mark.venue, mark.symbol)
                    self.marks[key] = RecordedMark(mark, entry.market_id, entry.event_time_ms)
                    return key
                case "q":
                    word = read_quality(entry.payload)
                    key = (word.venue, word.symbol)
                    self.verdicts[key] = word.verdict
                    return key
                case "i":
                    return self._take_instrument(decode_instrument(entry.payload), entry.market_id)
        except (ServiceError, msgspec.DecodeError):
            pass
        return None

    def _take_instrument(self, instrument: Instrument, market_id: int | None) -> Key:
        key = (instrument.venue, instrument.symbol)
        self.instruments[key] = (instrument, market_id)
        return key

    def mark_of(self, venue: str, symbol: str) -> RecordedMark | None:
        """Return the mark an account of a venue goes by: the venue's own, else generic's."""
        for key in lookups(venue, symbol):
            if (found := self.marks.get(key)) is not None:
                verdict = self.verdicts.get(key, GOOD)
                return RecordedMark(found.mark, found.market_id, found.event_time_ms, verdict)
        return None

    def instrument_of(self, venue: str, symbol: str) -> tuple[Instrument, int | None] | None:
        """Return the terms an account of a venue goes by, and the entry that brought them."""
        found = (self.instruments.get(key) for key in lookups(venue, symbol))
        return next((terms for terms in found if terms is not None), None)

    def worth_of(self, venue: str, symbol: str) -> float | None:
        """Return what a symbol says that collateral is valued at, None where it says nothing."""
        found = self.mark_of(venue, symbol)
        return None if found is None else worth_of(found.mark)
