"""Contract specifications and margin tiers, as operators write them and the streams carry them."""

import math
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta, Struct

from service.contract.decoding import decode
from service.contract.mark_rule import (
    MarkRuleDocument,
    OwnMarkDocument,
    from_own_mark,
    from_rule,
    to_own_mark,
    to_rule,
)
from service.contract.names import Asset, Symbol, Venue
from service.contract.numbers import LARGEST, Fraction, NotNegative, Number, Positive
from service.errors import Fault, InvalidInput
from service.risk.model import GENERIC_VENUE, Instrument, Tier
from service.risk.tiers import validate_tiers

FAULTS_MAX = 10


class TierDocument(Struct, rename="camel", omit_defaults=True):
    """Sizes from `minNotional` up to `maxNotional`, in the table's unit, and their rates."""

    min_notional: NotNegative
    maintenance_margin_rate: Fraction
    max_notional: Annotated[Positive, Meta(description="Open at the top where absent.")] | None = (
        None
    )
    max_leverage: Positive | None = None
    maintenance_amount: (
        Annotated[
            Number,
            Meta(
                description="Taken off, in the table's unit. By continuity where absent, as given "
                "where present."
            ),
        ]
        | None
    ) = None


class InstrumentDocument(Struct, rename="camel", omit_defaults=True):
    """A perpetual contract as one venue lists it."""

    symbol: Symbol
    linear: Annotated[bool, Meta(description="False: inverse, margined in the coin.")]
    contract_size: Annotated[
        Positive, Meta(description="Linear: base a contract. Inverse: quote a contract.")
    ]
    base: Asset
    quote: Asset
    settle: Asset
    tiers: Annotated[list[TierDocument], Meta(min_length=1, max_length=200)]
    venue: Venue | None = None
    taker_fee: (
        Annotated[Fraction, Meta(description="Counted where the venue counts one.")] | None
    ) = None
    tiering: Literal["marginal", "whole"] | None = None
    tier_unit: Literal["notional", "contracts"] | None = None
    mark_rule: MarkRuleDocument | None = None
    own_mark: OwnMarkDocument | None = None


class StrictlyTyped(Struct):
    """What the lax reader of numbers in texts would take too much for: 1 or "true" as a boolean."""

    linear: bool


_decoder = msgspec.json.Decoder(InstrumentDocument, strict=False)
_strict_decoder = msgspec.json.Decoder(StrictlyTyped)
_encoder = msgspec.json.Encoder()


def decode_instrument(raw: bytes, pointer: str = "") -> Instrument:
    """Read one instrument; raises InvalidInput for tiers with gaps, overlaps or falling rates."""
    document = decode(raw, _decoder, pointer)
    decode(raw, _strict_decoder, pointer)
    return to_instrument(document, pointer)


def to_instrument(document: InstrumentDocument, pointer: str = "") -> Instrument:
    """Turn a document into the engine's record, tiers checked."""
    tiers = tuple(
        Tier(
            row.min_notional,
            math.inf if row.max_notional is None else row.max_notional,
            row.maintenance_margin_rate,
            row.max_leverage,
            row.maintenance_amount,
        )
        for row in document.tiers
    )
    faults = validate_tiers(tiers)[:FAULTS_MAX]
    if faults:
        where = f"{pointer}/tiers"
        raise InvalidInput.of(
            *(Fault(f"{where}/{row.index}", row.code, row.detail) for row in faults)
        )
    return Instrument(
        document.symbol,
        document.linear,
        document.contract_size,
        document.base,
        document.quote,
        document.settle,
        tiers,
        document.venue or GENERIC_VENUE,
        document.taker_fee,
        document.tiering,
        document.tier_unit or "notional",
        None if document.mark_rule is None else to_rule(document.mark_rule),
        None if document.own_mark is None else to_own_mark(document.own_mark),
    )


def encode_instrument(instrument: Instrument) -> bytes:
    """Write the canonical form that the store and the market stream carry."""
    return _encoder.encode(from_instrument(instrument))


def from_instrument(instrument: Instrument) -> InstrumentDocument:
    """Turn the engine's record back into the document."""
    tiers = [
        TierDocument(
            min_notional=tier.floor,
            maintenance_margin_rate=tier.maintenance_rate,
            max_notional=tier.cap if tier.cap <= LARGEST else None,
            max_leverage=tier.max_leverage,
            maintenance_amount=tier.deduction,
        )
        for tier in instrument.tiers
    ]
    return InstrumentDocument(
        symbol=instrument.symbol,
        linear=instrument.linear,
        contract_size=instrument.contract_size,
        base=instrument.base,
        quote=instrument.quote,
        settle=instrument.settle,
        tiers=tiers,
        venue=cast("Venue", instrument.venue),
        taker_fee=instrument.taker_fee,
        tiering=instrument.tiering,
        tier_unit=instrument.tier_unit,
        mark_rule=None if instrument.mark_rule is None else from_rule(instrument.mark_rule),
        own_mark=None if instrument.own_mark is None else from_own_mark(instrument.own_mark),
    )
