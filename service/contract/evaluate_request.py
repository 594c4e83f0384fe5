"""The evaluate call as it is asked."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from service.contract.accounts import NamedAccountDocument
from service.contract.decoding import Item, check_count, decode
from service.contract.health import HealthLimitsDocument
from service.contract.instruments import InstrumentDocument, StrictlyTyped
from service.contract.likelihood import (
    LikelihoodQuestion,
    VolatilityDocument,
)
from service.contract.numbers import NotNegative, Number, Positive
from service.errors import Fault, InvalidInput

# A body this large may hold a million accounts: they are counted before records are made of them.
COUNT_FIRST_BYTES = 4 * 2**20

PriceBasis: TypeAlias = Literal["mark", "last", "index"]


class Gap(Struct, rename="camel"):
    """A jump of all symbols of a pool at once, coins held with the symbol they are the base of."""

    move_pct: Annotated[
        Number, Meta(description="Percent of the mark, up > 0; no price may fall to 0.")
    ]


class Prices(Struct, rename="camel", kw_only=True):
    """Prices of a call, by symbol and at each account's venue, and which of them counts.

    Where a symbol has no price of the basis, who holds it is UNPRICED. A symbol's mark given here
    takes the place of all that streamed of it; a position's own `markPrice` is a mark.
    """

    marks: (
        Annotated[dict[str, Positive], Meta(description="Symbol to mark, at each account's venue.")]
        | None
    ) = None
    last_prices: Annotated[dict[str, Positive], Meta(description="Symbol to last.")] | None = None
    index_prices: Annotated[dict[str, Positive], Meta(description="Symbol to index.")] | None = None
    price_basis: Annotated[
        PriceBasis, Meta(description="What positions are valued at; coins held: index, else mark.")
    ] = "mark"


class EvaluateQuestion(Prices, rename="camel", kw_only=True):
    """All of an evaluate call but its accounts."""

    instruments: (
        Annotated[list[InstrumentDocument], Meta(description="Override stored ones in this call.")]
        | None
    ) = None
    betas: (
        Annotated[
            dict[str, NotNegative],
            Meta(description="Symbol to its part of a pool's move; 1 where it is not named."),
        ]
        | None
    ) = None
    gap: Gap | None = None
    findings: Annotated[bool, Meta(description="Say what is over a limit.")] | None = None
    health_limits: (
        Annotated[
            HealthLimitsDocument,
            Meta(description="Of the findings, for accounts without their own; asks for them."),
        ]
        | None
    ) = None
    likelihood: LikelihoodQuestion | None = None
    volatility: (
        Annotated[
            dict[str, VolatilityDocument],
            Meta(description="By symbol, before what the streamed marks say."),
        ]
        | None
    ) = None


class EvaluateRequest(EvaluateQuestion, rename="camel", kw_only=True):
    """Accounts to evaluate; nothing of it is kept."""

    accounts: Annotated[list[NamedAccountDocument], Meta(min_length=1)]


class _CountedRequest(Struct):
    accounts: list[Item]
    instruments: list[Item] | None = None


class _StrictRequest(Struct):
    instruments: list[StrictlyTyped] | None = None
    findings: bool | None = None


class _RawEvaluateRequest(Prices, rename="camel", kw_only=True):
    accounts: Annotated[list[msgspec.Raw], Meta(min_length=1)]
    instruments: list[msgspec.Raw] | None = None
    betas: msgspec.Raw = msgspec.Raw(b"null")
    gap: msgspec.Raw = msgspec.Raw(b"null")
    health_limits: msgspec.Raw = msgspec.Raw(b"null")
    likelihood: msgspec.Raw = msgspec.Raw(b"null")
    volatility: msgspec.Raw = msgspec.Raw(b"null")


class OpenRequest(EvaluateQuestion, rename="camel", kw_only=True):
    """An evaluate call whose accounts are not read yet."""

    accounts: msgspec.Raw


_open_decoder = msgspec.json.Decoder(OpenRequest, strict=False)
_decoder = msgspec.json.Decoder(EvaluateRequest, strict=False)
_strict_decoder = msgspec.json.Decoder(_StrictRequest)
_counting_decoder = msgspec.json.Decoder(_CountedRequest)
_raw_decoder = msgspec.json.Decoder(_RawEvaluateRequest, strict=False)
_account_decoder = msgspec.json.Decoder(NamedAccountDocument, strict=False)
_instrument_decoder = msgspec.json.Decoder(InstrumentDocument, strict=False)
_betas_decoder = msgspec.json.Decoder(dict[str, NotNegative] | None, strict=False)
_gap_decoder = msgspec.json.Decoder(Gap | None, strict=False)
_limits_decoder = msgspec.json.Decoder(HealthLimitsDocument | None, strict=False)
_likelihood_decoder = msgspec.json.Decoder(LikelihoodQuestion | None, strict=False)
_volatility_decoder = msgspec.json.Decoder(dict[str, VolatilityDocument] | None, strict=False)


def decode_request(raw: bytes, accounts_max: int) -> tuple[EvaluateRequest, list[int], list[Fault]]:
    """Return the request without its unreadable accounts, where each other one stands, the faults.

    Raises MalformedBody, TooManyItems, and InvalidInput when the fault is not an account's own.
    """
    if len(raw) > COUNT_FIRST_BYTES:
        _check_counts(raw, accounts_max)
    try:
        request = decode(raw, _decoder)
    except InvalidInput:
        return _decode_by_piece(raw, accounts_max)
    check_count(len(request.accounts), accounts_max, "accounts")
    if request.instruments or request.findings is not None:
        decode(raw, _strict_decoder)
    return request, list(range(len(request.accounts))), []


def check_strictly(raw: bytes) -> None:
    """Look again at what must not be written otherwise, as text say; raises InvalidInput."""
    decode(raw, _strict_decoder)


def open_request(raw: bytes) -> OpenRequest:
    """Return a request without a look at its accounts; raises MalformedBody, InvalidInput."""
    request = decode(raw, _open_decoder)
    if request.instruments or request.findings is not None:
        decode(raw, _strict_decoder)
    return request


def _check_counts(raw: bytes, accounts_max: int) -> None:
    counted = decode(raw, _counting_decoder)
    check_count(len(counted.accounts), accounts_max, "accounts")
    check_count(len(counted.instruments or ()), accounts_max, "instruments")


def _decode_by_piece(
    raw: bytes, accounts_max: int
) -> tuple[EvaluateRequest, list[int], list[Fault]]:
    _check_counts(raw, accounts_max)
    pieces = decode(raw, _raw_decoder)
    instruments = [
        decode(bytes(piece), _instrument_decoder, f"/instruments/{index}")
        for index, piece in enumerate(pieces.instruments or ())
    ]
    betas = decode(bytes(pieces.betas), _betas_decoder, "/betas")
    gap = decode(bytes(pieces.gap), _gap_decoder, "/gap")
    accounts: list[NamedAccountDocument] = []
    places: list[int] = []
    faults: list[Fault] = []
    request = EvaluateRequest(
        accounts=accounts,
        marks=pieces.marks,
        last_prices=pieces.last_prices,
        index_prices=pieces.index_prices,
        price_basis=pieces.price_basis,
        instruments=instruments,
        betas=betas,
        gap=gap,
        findings=decode(raw, _strict_decoder).findings,
        health_limits=decode(bytes(pieces.health_limits), _limits_decoder, "/healthLimits"),
        likelihood=decode(bytes(pieces.likelihood), _likelihood_decoder, "/likelihood"),
        volatility=decode(bytes(pieces.volatility), _volatility_decoder, "/volatility"),
    )
    for index, piece in enumerate(pieces.accounts):
        try:
            accounts.append(decode(bytes(piece), _account_decoder, f"/accounts/{index}"))
            places.append(index)
        except InvalidInput as error:
            faults.extend(error.faults)
    return request, places, faults
