"""`POST /v1/evaluate:ccxt`: an account as ccxt's methods return it, unchanged."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from service.contract.accounts import AccountDocument
from service.contract.decoding import decode
from service.contract.evaluation import EvaluateAnswer
from service.contract.instruments import InstrumentDocument
from service.contract.names import AccountId, Venue
from service.contract.numbers import Fraction, Positive
from service.contract.positions import MarginMode

CcxtObject = dict[str, Any]


class CcxtRequest(Struct, rename="camel", kw_only=True):
    """What ccxt returned of one account; nothing of it is kept."""

    venue: Venue
    positions: Annotated[list[CcxtObject], Meta(description="Of `fetch_positions()`.")]
    balance: Annotated[CcxtObject, Meta(description="Of `fetch_balance()`, its `info` included.")]
    id: AccountId = "ccxt"
    leverage_tiers: (
        Annotated[
            CcxtObject,
            Meta(description="Of `fetch_leverage_tiers()`: before the stored tables."),
        ]
        | None
    ) = None
    markets: (
        Annotated[
            CcxtObject,
            Meta(description="Of `load_markets()`, those held: contract sizes for the tiers."),
        ]
        | None
    ) = None
    marks: (
        Annotated[dict[str, Positive], Meta(description="Before those of the positions.")] | None
    ) = None
    collateral_mode: (
        Annotated[Literal["single", "multi"], Meta(description="Where the venue does not say.")]
        | None
    ) = None
    margin_mode: (
        Annotated[MarginMode, Meta(description="Of positions that do not say it.")] | None
    ) = None
    weights: (
        Annotated[dict[str, Fraction], Meta(description="Haircuts by asset, of `multi`.")] | None
    ) = None


class RemarkAnswer(Struct):
    """Something that was worked out of the venue's own words, or left out."""

    pointer: Annotated[str, Meta(description="JSON pointer into the body.")]
    code: Annotated[str, Meta(description="For programs; never changes its meaning.")]
    detail: Annotated[str, Meta(description="For people.")]


class CcxtReadAnswer(Struct):
    """How the objects were understood; `account` is what `PUT /v1/accounts/{id}` takes."""

    account: AccountDocument
    instruments: list[InstrumentDocument]
    remarks: list[RemarkAnswer]


class CcxtAnswer(EvaluateAnswer):
    """The evaluation, and how the account was read."""

    read: CcxtReadAnswer


_decoder = msgspec.json.Decoder(CcxtRequest)


def decode_ccxt(raw: bytes) -> CcxtRequest:
    """Read the body; raises InvalidInput, MalformedBody."""
    return decode(raw, _decoder)
