"""Mark prices as feeds post them and as the market stream carries them."""

from typing import Annotated, cast

import msgspec
from msgspec import Meta, Struct

from service.contract.decoding import decode
from service.contract.names import Source, Symbol, Venue
from service.contract.numbers import Milliseconds, NotNegative, Number, Positive
from service.risk.model import GENERIC_VENUE, Mark


class MarkDocument(Struct, rename="camel", omit_defaults=True):
    """One price report of one (venue, symbol)."""

    symbol: Symbol
    mark_price: Positive
    venue: Venue | None = None
    index_price: Positive | None = None
    last_price: Positive | None = None
    funding_rate: (
        Annotated[Number, Meta(description="Of one payment, longs to shorts, of the notional.")]
        | None
    ) = None
    funding_interval_h: (
        Annotated[
            Positive, Meta(description="Hours between payments; the venue's usual where absent.")
        ]
        | None
    ) = None
    timestamp: (
        Annotated[Milliseconds, Meta(description="The source's own clock, epoch ms.")] | None
    ) = None
    source: Source | None = None
    open_interest: (
        Annotated[NotNegative, Meta(description="In the base coin, one side of it.")] | None
    ) = None
    day_volume: (
        Annotated[NotNegative, Meta(description="In the base coin, of the last 24 hours.")] | None
    ) = None


_decoder = msgspec.json.Decoder(MarkDocument, strict=False)
_encoder = msgspec.json.Encoder()


def decode_mark(raw: bytes, pointer: str = "") -> Mark:
    """Read one mark; raises InvalidInput or MalformedBody."""
    return to_mark(decode(raw, _decoder, pointer))


def to_mark(document: MarkDocument) -> Mark:
    """Turn a document into the engine's record."""
    return Mark(
        document.symbol,
        document.mark_price,
        document.venue or GENERIC_VENUE,
        document.index_price,
        document.last_price,
        document.funding_rate,
        document.timestamp,
        document.source or "",
        document.funding_interval_h,
        document.open_interest,
        document.day_volume,
    )


def encode_mark(mark: Mark) -> bytes:
    """Write the canonical form that the market stream carries."""
    return _encoder.encode(from_mark(mark))


def from_mark(mark: Mark) -> MarkDocument:
    """Turn the engine's record back into the document."""
    return MarkDocument(
        symbol=mark.symbol,
        mark_price=mark.mark_price,
        venue=cast("Venue", mark.venue),
        index_price=mark.index_price,
        last_price=mark.last_price,
        funding_rate=mark.funding_rate,
        funding_interval_h=mark.funding_interval_h,
        timestamp=mark.timestamp_ms,
        source=mark.source or None,
        open_interest=mark.open_interest,
        day_volume=mark.day_volume,
    )
