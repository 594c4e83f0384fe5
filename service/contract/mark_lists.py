"""A list of marks, read mark by mark: what is good goes into the market stream, what is not is told
where and why. The same for `POST /v1/marks` and for the frames of `/v1/marks/stream`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from service.contract.decoding import Item, check_count, decode
from service.contract.marks import MarkDocument
from service.contract.problems import ItemResult, refused
from service.contract.results import MarksRequest
from service.errors import Fault, InvalidInput
from service.store.market_stream import NewMark

_REFUSALS = {
    "stale_timestamp": "older than the newest of this venue, symbol and source",
    "future_timestamp": "the timestamp is in the future",
    "timestamp_required": "the service goes by the marks' own timestamps",
    "repeated": "taken before",
    "beyond_band": "a jump; it is believed when it lasts",
    "implausible": "a jump by orders of scale; it is believed when it lasts",
    "unconfirmed": "the first price of a symbol; it is believed when the next says the same",
    "disagreement": "the other source says otherwise",
    "outlier": "most other sources say otherwise",
    "reserved_source": "its marks are made here: this source is the service's",
    "too_many_sources": "the symbol has as many sources as it may have",
}


class _CountedMarks(msgspec.Struct):
    marks: list[Item]


class _RawMarks(msgspec.Struct):
    marks: list[msgspec.Raw]


_fast_decoder = msgspec.json.Decoder(MarksRequest, strict=False)
_counting_decoder = msgspec.json.Decoder(_CountedMarks)
_raw_decoder = msgspec.json.Decoder(_RawMarks)
_mark_decoder = msgspec.json.Decoder(MarkDocument, strict=False)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class MarkList:
    """The good marks, in order, where each stands in the list, and the others' results."""

    marks: list[NewMark]
    places: Sequence[int]
    refused: list[ItemResult]

    @property
    def count(self) -> int:
        """Return how many there were."""
        return len(self.marks) + len(self.refused)

    @property
    def unread(self) -> Counter[str]:
        """Return by reason how many were no marks."""
        return Counter(item.errors[0].code for item in self.refused if item.errors)

    def results(self, taken: Sequence[int | str]) -> list[ItemResult]:
        """Return what became of each mark, given what the stream said of the good; in no order."""
        return [*self.refused, *map(_result, self.places, taken)]


def read_marks(body: bytes, marks_max: int) -> MarkList:
    """Read `{"marks": [...]}`.

    Raises MalformedBody, TooManyItems, and InvalidInput where the list itself is wrong.
    """
    try:
        request = decode(body, _fast_decoder)
    except InvalidInput:
        return _read_by_piece(body, marks_max)
    check_count(len(request.marks), marks_max, "marks")
    return MarkList([_new_mark(each) for each in request.marks], range(len(request.marks)), [])


def newest_of(taken: Sequence[int | str]) -> int:
    """Return the market id of the last mark that was taken, 0 where none was."""
    return max((outcome for outcome in taken if isinstance(outcome, int)), default=0)


def _read_by_piece(body: bytes, marks_max: int) -> MarkList:
    check_count(len(decode(body, _counting_decoder).marks), marks_max, "marks")
    pieces = decode(body, _raw_decoder).marks
    if not pieces:
        detail = "there must be one mark at least"
        raise InvalidInput.of(Fault("/marks", "invalid_length", detail))
    marks, places, bad = [], [], []
    for index, piece in enumerate(pieces):
        try:
            marks.append(_new_mark(decode(bytes(piece), _mark_decoder, f"/marks/{index}")))
            places.append(index)
        except InvalidInput as error:
            bad.append(refused(index, error.faults))
    return MarkList(marks, places, bad)


def _new_mark(document: MarkDocument) -> NewMark:
    """Return the mark as the stream carries it, which always names the venue."""
    venue = document.venue = document.venue or "generic"
    document.source = document.source or None
    payload, source = _encoder.encode(document), document.source or ""
    price = document.mark_price
    return NewMark(venue, document.symbol, payload, document.timestamp, source, price)


def _result(index: int, outcome: int | str) -> ItemResult:
    if isinstance(outcome, int):
        return ItemResult(index, "ok", market_id=outcome)
    fault = Fault(f"/marks/{index}", outcome, _REFUSALS.get(outcome, "refused"))
    return refused(index, (fault,))
