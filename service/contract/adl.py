"""The auto-deleveraging queue of a market's side: what monitors are asked of it, what is shown.

The order is total, so that a page can go on where the last one ended: score falling, account key
rising, cross before isolated. A page takes two questions. "adl": the first positions after a place.
"adl_ahead": how many positions, and how much size, stand ahead of each of these, by shard: a shard
that changes hands just then may be answered for twice, and counts once. A queue moves with every
mark; both answers are as of the moment they are given.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from service.contract.alerts import Count, Side
from service.contract.names import Symbol, Venue
from service.contract.numbers import Number

QUEUE, AHEAD = "adl", "adl_ahead"


class QueuePlace(Struct, array_like=True, frozen=True):
    """Where a position stands."""

    score: Number
    account_key: str
    isolated: bool

    def order(self) -> tuple[float, str, bool]:
        """Return what to sort by."""
        return -self.score, self.account_key, self.isolated


class QueueName(Struct, array_like=True, frozen=True):
    """Which queue."""

    venue: str
    symbol: str
    long: bool


class QueueQuestion(Struct, frozen=True):
    """The first `limit` positions that come after `after`; of one tenant, or of all (None)."""

    queue: QueueName
    limit: int
    tenant: str | None
    after: QueuePlace | None = None


class QueuedPosition(Struct, array_like=True, frozen=True):
    """A position in a queue; size in base (inverse: in quote)."""

    place: QueuePlace
    size: float


class AheadQuestion(Struct, frozen=True):
    """What stands ahead of each of these places, which are in order."""

    queue: QueueName
    places: list[QueuePlace]


class ShardQueue(Struct, array_like=True, frozen=True):
    """What a shard has of a queue, whole and ahead of each place that was asked for."""

    shard: int
    positions: int
    size: float
    unpriced: int
    ahead: list[int]
    ahead_size: list[float]


class AheadAnswer(Struct, frozen=True):
    """Of each shard of a monitor, as of a market id."""

    market_id: int
    shards: list[ShardQueue]


class AdlPosition(Struct, rename="camel", frozen=True, omit_defaults=True):
    """A position in the queue."""

    rank: Annotated[int, Meta(ge=1, description="Among all positions of the queue.")]
    lights: Annotated[
        int, Meta(ge=1, le=5, description="Five: in the first fifth of the queue, by size.")
    ]
    account_id: str
    margin_mode: Literal["isolated", "cross"]
    score: Annotated[float, Meta(description="By the venue's rule; the highest is first.")]
    size: Annotated[float, Meta(ge=0, description="Base; inverse: quote.")]
    tenant: Annotated[str, Meta(description="For the operator alone.")] | None = None


class AdlView(Struct, rename="camel", frozen=True):
    """A page of a queue; counts and size are of the whole queue, whoever asks."""

    venue: Venue
    symbol: Symbol
    side: Side
    positions: Count
    size: float
    unpriced: Annotated[
        int, Meta(ge=0, description="Positions on this side without a price: in no queue.")
    ]
    market_id: Annotated[Count, Meta(description="As of here at least.")]
    queue: list[AdlPosition]
    cursor: str | None


_encoder = msgspec.json.Encoder()
_question_decoder = msgspec.json.Decoder(QueueQuestion)
_positions_decoder = msgspec.json.Decoder(list[QueuedPosition])
_ahead_question_decoder = msgspec.json.Decoder(AheadQuestion)
_ahead_answer_decoder = msgspec.json.Decoder(AheadAnswer)
PLACE_DECODER = msgspec.json.Decoder(QueuePlace)


def encode(record: Struct | Sequence[QueuedPosition]) -> bytes:
    """Write a question or an answer."""
    return _encoder.encode(record)


def read_question(payload: bytes) -> QueueQuestion:
    return _question_decoder.decode(payload)


def read_positions(answer: bytes) -> list[QueuedPosition]:
    return _positions_decoder.decode(answer)


def read_ahead_question(payload: bytes) -> AheadQuestion:
    return _ahead_question_decoder.decode(payload)


def read_ahead(answer: bytes) -> AheadAnswer:
    return _ahead_answer_decoder.decode(answer)
