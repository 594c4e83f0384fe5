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
from service.risk.columns import Ints
from service.risk.markets import MarketTable
from service.risk.model import Mark


class _Quality(Struct):
    venue: str
    symbol: str
    stale: bool


class _MarkFact(Struct, array_like=True):
    event_time_ms: int
    payload: msgspec.Raw


class _Snapshot(Struct):
    event_time_ms: int
    marks: list[_MarkFact]
    stale: list[tuple[str, str]]
    instruments: list[msgspec.Raw]


_quality_decoder = msgspec.json.Decoder(_Quality)
_snapshot_decoder = msgspec.json.Decoder(_Snapshot)
_encoder = msgspec.json.Encoder()


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
        self._marks: dict[tuple[str, str], _MarkFact] = {}
        self._stale: set[tuple[str, str]] = set()
        self._instruments: dict[tuple[str, str], bytes] = {}

    def mark(self, payload: bytes, event_time_ms: int) -> Touched:
        """Take a mark; `marked` are the markets with another price now, own or of an asset."""
        mark, table = decode_mark(payload), self.table
        before = {row: table.seen(row) for row in table.shown_by(mark.venue, mark.symbol)}
        rows = table.put_mark(mark, event_time_ms)
        self._marks[mark.venue, mark.symbol] = _MarkFact(event_time_ms, msgspec.Raw(payload))
        marked, changed = [], []
        for row in rows:
            (stale, *prices), (stale_now, *prices_now) = before[row], table.seen(row)
            # A venue's first own mark may take over from a stale one of generic's.
            if stale_now != stale:
                changed.append(row)
            if prices_now != prices:
                marked.append(row)
        return Touched(tuple(marked), tuple(changed))

    def renew(self, mark: Mark, payload: bytes, event_time_ms: int, markets: Sequence[int]) -> None:
        """Take a mark that was read already, and changes nothing but the price of these markets."""
        self._marks[mark.venue, mark.symbol] = _MarkFact(event_time_ms, msgspec.Raw(payload))
        self.table.renew_mark(mark, event_time_ms, markets)

    def quality(self, payload: bytes) -> Touched:
        """Take the gate's word that a symbol's marks are stale, or fresh again."""
        word = _quality_decoder.decode(payload)
        name = (word.venue, word.symbol)
        (self._stale.add if word.stale else self._stale.discard)(name)
        return Touched(changed=tuple(self.table.set_stale(*name, word.stale)))

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
        marks, stale = list(self._marks.values()), sorted(self._stale)
        return _encoder.encode(_Snapshot(self.event_time_ms, marks, stale, instruments))

    def restore(self, blob: bytes) -> None:
        """Take in a blob; nothing may have been taken in before."""
        snapshot = _snapshot_decoder.decode(blob)
        self.event_time_ms = snapshot.event_time_ms
        for raw in snapshot.instruments:
            self.instrument(bytes(raw))
        for mark in snapshot.marks:
            self.mark(bytes(mark.payload), mark.event_time_ms)
        for venue, symbol in snapshot.stale:
            self._stale.add((venue, symbol))
            self.table.set_stale(venue, symbol, True)
