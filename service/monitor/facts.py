"""What the market stream has said so far: the engine's table, and a blob to restart from.

A snapshot is the newest mark, the quality and the terms of every symbol as of one market id. Pools
are never restored from newer marks than the ones they were committed at: that would invent a
crossing, or lose one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import Struct

from service.contract.instruments import decode_instrument
from service.contract.marks import decode_mark
from service.contract.quality import QualityEntry, read_quality
from service.risk.columns import Ints
from service.risk.markets import MarketTable
from service.risk.model import Mark
from service.risk.quality import GOOD


class MarkFact(Struct, array_like=True):
    """A symbol's newest mark as the stream carries it, and the event time of its entry."""

    event_time_ms: int
    payload: msgspec.Raw


class Snapshot(Struct):
    """All that the stream has said up to one market id."""

    event_time_ms: int
    marks: list[MarkFact]
    qualities: list[QualityEntry]  # of the symbols that are not good
    instruments: list[msgspec.Raw]


_snapshot_decoder = msgspec.json.Decoder(Snapshot)
_encoder = msgspec.json.Encoder()


def read_snapshot(blob: bytes) -> Snapshot:
    """Return what `MarketFacts.snapshot` has written."""
    return _snapshot_decoder.decode(blob)


@dataclass(frozen=True, slots=True)
class Touched:
    """Markets an entry has touched.

    They moved to a new mark, or changed in a way that no band covers; and markets that settle
    elsewhere now.
    """

    marked: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()
    resettled: tuple[int, ...] = ()


class MarketFacts:
    """The market table with the raw payloads it was made of; entries go in one by one, in order."""

    def __init__(self, pegged: Iterable[str] = ()) -> None:
        self.table = MarketTable(pegged=pegged)
        self.event_time_ms = 0
        self._marks: dict[tuple[str, str], MarkFact] = {}
        self._qualities: dict[tuple[str, str], QualityEntry] = {}
        self._instruments: dict[tuple[str, str], bytes] = {}

    def mark(self, payload: bytes, event_time_ms: int) -> Touched:
        """Take a mark; `marked` are the markets with another price now, own or of an asset."""
        mark, table = decode_mark(payload), self.table
        before = {row: table.seen(row) for row in table.shown_by(mark.venue, mark.symbol)}
        rows = table.put_mark(mark, event_time_ms)
        self._marks[mark.venue, mark.symbol] = MarkFact(event_time_ms, msgspec.Raw(payload))
        marked, changed = [], []
        for row in rows:
            (standing, *prices), (standing_now, *prices_now) = before[row], table.seen(row)
            # A venue's first own mark may take over from a doubtful one of generic's.
            if standing_now != standing:
                changed.append(row)
            if prices_now != prices:
                marked.append(row)
        return Touched(tuple(marked), tuple(changed))

    def renew(self, mark: Mark, payload: bytes, event_time_ms: int, markets: Sequence[int]) -> None:
        """Take a mark that was read already, and changes nothing but the price of these markets."""
        self._marks[mark.venue, mark.symbol] = MarkFact(event_time_ms, msgspec.Raw(payload))
        self.table.renew_mark(mark, event_time_ms, markets)

    def quality(self, payload: bytes) -> Touched:
        """Take the gate's word on a symbol's marks."""
        return self._judge(read_quality(payload))

    def _judge(self, word: QualityEntry) -> Touched:
        name = (word.venue, word.symbol)
        self._qualities.pop(name, None)
        if word.verdict != GOOD:
            self._qualities[name] = word
        return Touched(changed=tuple(self.table.judge_marks(*name, word.verdict)))

    def instrument(self, payload: bytes) -> Touched:
        """Take a contract's new terms."""
        instrument = decode_instrument(payload)
        settle: Ints = self.table.columns().settle.copy()
        rows = self.table.put_instrument(instrument)
        self._instruments[instrument.venue, instrument.symbol] = payload
        now = self.table.columns().settle
        resettled = np.flatnonzero(now[: len(settle)] != settle)
        return Touched(changed=tuple(rows), resettled=tuple(resettled.tolist()))

    def snapshot(self) -> bytes:
        """Return everything as one blob."""
        instruments = [msgspec.Raw(payload) for payload in self._instruments.values()]
        marks, qualities = list(self._marks.values()), list(self._qualities.values())
        return _encoder.encode(Snapshot(self.event_time_ms, marks, qualities, instruments))

    def restore(self, blob: bytes) -> None:
        """Take in a blob; nothing may have been taken in before."""
        snapshot = read_snapshot(blob)
        self.event_time_ms = snapshot.event_time_ms
        for raw in snapshot.instruments:
            self.instrument(bytes(raw))
        for mark in snapshot.marks:
            self.mark(bytes(mark.payload), mark.event_time_ms)
        for word in snapshot.qualities:
            self._judge(word)
