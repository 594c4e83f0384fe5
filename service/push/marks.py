"""The `marks` channel: the newest mark of each symbol, conflated for every client at its own speed.

What this worker knows of the marks it is told by whoever follows the market stream here.
"""

import logging
from collections.abc import Callable, Iterable, Iterator

import msgspec

from service.contract.decoding import unreadable_left_out
from service.contract.frames import MarkUpdate
from service.contract.quality import QUALITY_NAMES, QualityName, read_quality
from service.push.conflated import Conflated
from service.push.outbox import Outbox
from service.push.symbol_choice import SymbolChoice
from service.store.market_stream import MarketEntry, NewestMark

_log = logging.getLogger("plimsoll.push")
_MARK = msgspec.json.Decoder(MarkUpdate)


class MarkSubscription(Conflated):
    """The newest marks of some symbols."""

    def __init__(self, subscription_id: str, symbols: SymbolChoice, outbox: Outbox) -> None:
        super().__init__(subscription_id, "marks", "marks", outbox)
        self._symbols = symbols

    def note(self, mark: MarkUpdate, encoded: str) -> None:
        """Take note of a mark; returns at once."""
        if mark.symbol in self._symbols:
            self.take((mark.venue, mark.symbol), encoded)


class MarkBoard:
    """The newest mark and the quality of every (venue, symbol), and who listens to marks.

    `changed` hears of a venue's symbol that went stale, or is fresh again.
    """

    def __init__(self, changed: Callable[[str, str, bool], None]) -> None:
        self._changed = changed
        self._newest: dict[tuple[str, str], MarkUpdate] = {}
        self._qualities: dict[tuple[str, str], QualityName] = {}  # of those that are not good
        self._listeners: set[MarkSubscription] = set()

    def __iter__(self) -> Iterator[MarkSubscription]:
        return iter(self._listeners)

    def picture(self, marks: Iterable[NewestMark]) -> None:
        """Take all newest marks anew: the stream was away, or is read for the first time."""
        for mark in marks:
            entry = MarketEntry(mark.market_id, "m", mark.event_time_ms, mark.payload)
            with unreadable_left_out(_log):
                self._put(entry)
                self._judge(mark.venue, mark.symbol, QUALITY_NAMES[mark.verdict.quality])

    def entry(self, entry: MarketEntry) -> None:
        """Take an entry of the market stream."""
        if entry.kind == "m":
            self._put(entry)
        elif entry.kind == "q":
            word = read_quality(entry.payload)
            self._judge(word.venue, word.symbol, word.quality)

    def add(self, subscription: MarkSubscription) -> None:
        """Put a subscription through: it gets the newest marks, then every change."""
        self._listeners.add(subscription)
        for mark in self._newest.values():
            subscription.note(mark, _encoded(mark))

    def remove(self, subscription: MarkSubscription) -> None:
        self._listeners.discard(subscription)

    def _put(self, entry: MarketEntry) -> None:
        mark = _MARK.decode(entry.payload)
        self._show(
            msgspec.structs.replace(
                mark,
                market_id=entry.market_id,
                event_time=entry.event_time_ms,
                quality=self._qualities.get((mark.venue, mark.symbol), "good"),
            )
        )

    def _show(self, mark: MarkUpdate) -> None:
        if self._newest.get((mark.venue, mark.symbol)) == mark:
            return
        self._newest[mark.venue, mark.symbol] = mark
        if self._listeners:
            encoded = _encoded(mark)
            for subscription in self._listeners:
                subscription.note(mark, encoded)

    def _judge(self, venue: str, symbol: str, quality: QualityName) -> None:
        name = (venue, symbol)
        before = self._qualities.pop(name, "good")
        if quality != "good":
            self._qualities[name] = quality
        if (quality == "stale") != (before == "stale"):
            self._changed(venue, symbol, quality == "stale")
        if quality != before and (mark := self._newest.get(name)) is not None:
            self._show(msgspec.structs.replace(mark, quality=quality))


def _encoded(mark: MarkUpdate) -> str:
    return msgspec.json.encode(mark).decode()
