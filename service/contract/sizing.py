"""`POST /v1/size`: how large a position may be for what its stop may lose and what there is."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from service.contract.alerts import Side
from service.contract.decoding import decode
from service.contract.instruments import InstrumentDocument, StrictlyTyped
from service.contract.names import Symbol, Venue
from service.contract.numbers import NotNegative, Positive


class SizeRequest(Struct, rename="camel"):
    """A trade before it is made; money in the contract's settle asset."""

    symbol: Symbol
    side: Side
    stop_price: Positive
    budget: Annotated[Positive, Meta(description="What the stop may lose, closing fee in.")]
    capital: Annotated[Positive, Meta(description="What may be given as margin.")]
    venue: Venue | None = None
    entry_price: (
        Annotated[Positive, Meta(description="The newest streamed mark where absent.")] | None
    ) = None
    leverage_max: Annotated[Positive, Meta(description="Besides the venue's own; 125.")] | None = (
        None
    )
    clearance: (
        Annotated[
            NotNegative,
            Meta(
                description="Liquidation lies beyond the stop by this share of entry to stop; 0.1."
            ),
        ]
        | None
    ) = None
    instruments: (
        Annotated[list[InstrumentDocument], Meta(description="Override stored ones in this call.")]
        | None
    ) = None


class SizeAnswer(Struct, rename="camel"):
    """The largest isolated position; `boundBy` is what a larger one would break."""

    timestamp: int
    symbol: str
    side: Side
    venue: str
    instrument_venue: str
    settle: str
    entry_price: float
    stop_price: float
    bound_by: Literal["budget", "capital"]
    contracts: float
    leverage: Annotated[float, Meta(description="The most it may have.")]
    margin: float
    loss_at_stop: Annotated[float, Meta(description="Against the entry, closing fee in.")]
    liquidation_price: Annotated[float | None, Meta(description="null: nothing liquidates it")]


class _StrictRequest(Struct):
    instruments: list[StrictlyTyped] | None = None


_decoder = msgspec.json.Decoder(SizeRequest, strict=False)
_strict_decoder = msgspec.json.Decoder(_StrictRequest)


def decode_size(raw: bytes) -> SizeRequest:
    """Read the body; raises MalformedBody, InvalidInput."""
    request = decode(raw, _decoder)
    if request.instruments:
        decode(raw, _strict_decoder)
    return request
