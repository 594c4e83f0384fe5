"""The evaluate call, asked and answered; a figure without a value is null, its reason beside it.

The answer's records are filled from columns (`map` over lists, in the order of the fields), so the
order of fields is part of the code that fills them; NaN is written as null by the encoder.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from service.contract.accounts import NamedAccountDocument
from service.contract.alerts import LevelName, Side, ToRestore
from service.contract.decoding import Item, check_count, decode
from service.contract.health import FindingAnswer, HealthLimitsDocument
from service.contract.instruments import InstrumentDocument, StrictlyTyped
from service.contract.likelihood import (
    AccountLikelihood,
    LikelihoodQuestion,
    VolatilityDocument,
)
from service.contract.numbers import NotNegative, Number, Positive
from service.contract.problems import FaultAnswer
from service.errors import Fault, InvalidInput

# A body this large may hold a million accounts: they are counted before records are made of them.
COUNT_FIRST_BYTES = 4 * 2**20

Figure: TypeAlias = Annotated[float | None, Meta(description="null: has no value, see the reason")]
MarkSource: TypeAlias = Literal["request", "position", "stream"]


class Gap(Struct, rename="camel"):
    """A jump of all symbols of a pool at once, coins held with the symbol they are the base of."""

    move_pct: Annotated[
        Number, Meta(description="Percent of the mark, up > 0; no price may fall to 0.")
    ]


class EvaluateRequest(Struct, rename="camel"):
    """Accounts to evaluate; nothing of it is kept."""

    accounts: Annotated[list[NamedAccountDocument], Meta(min_length=1)]
    marks: (
        Annotated[dict[str, Positive], Meta(description="Symbol to mark, at each account's venue.")]
        | None
    ) = None
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


class _CountedRequest(Struct):
    accounts: list[Item]
    instruments: list[Item] | None = None


class _StrictRequest(Struct):
    instruments: list[StrictlyTyped] | None = None
    findings: bool | None = None


class _RawEvaluateRequest(Struct, rename="camel"):
    accounts: Annotated[list[msgspec.Raw], Meta(min_length=1)]
    marks: msgspec.Raw = msgspec.Raw(b"null")
    instruments: list[msgspec.Raw] | None = None
    betas: msgspec.Raw = msgspec.Raw(b"null")
    gap: msgspec.Raw = msgspec.Raw(b"null")
    health_limits: msgspec.Raw = msgspec.Raw(b"null")
    likelihood: msgspec.Raw = msgspec.Raw(b"null")
    volatility: msgspec.Raw = msgspec.Raw(b"null")


class PositionAnswer(Struct, rename="camel", gc=False):
    """One position; money in its pool's settle asset."""

    symbol: str
    side: Side
    contracts: float
    margin_mode: Literal["isolated", "cross"]
    instrument_venue: str | None
    mark_venue: str | None
    mark_source: MarkSource | None
    mark_price: Figure
    mark_age_ms: int | None
    stale: bool
    notional: Figure
    unrealized_pnl: Figure
    initial_margin: Figure
    maintenance_margin: Figure
    margin_ratio: Figure
    leverage: Figure
    liquidation_price: Figure
    liquidation_price_reason: str | None
    liquidation_price_below: Figure
    liquidation_price_above: Figure
    bankruptcy_price: Figure
    bankruptcy_price_reason: str | None
    distance_pct: Figure
    gap_to_liquidation_pct: Figure
    gap_to_liquidation_reason: str | None
    gap_to_owe_pct: Figure
    gap_to_owe_reason: str | None


class AfterGap(Struct, rename="camel", gc=False):
    """What the asked gap leaves of a pool, closed whole where it is to be liquidated; who pays.

    `shortfall` is what all others add up to. What a fund or a queue can pay is not known here: the
    first of them that the venue has is taken to pay all of it.
    """

    level: LevelName
    reason: str | None
    equity: Figure
    shortfall: Figure
    fund: Figure
    deleveraged: Figure
    socialised: Figure
    owed: Figure
    venue: Figure


class PoolAnswer(Struct, rename="camel", gc=False):
    """One margin pool: what is liquidated as one. Money in `settle`."""

    kind: Literal["cross", "isolated"]
    settle: str
    symbol: str | None
    side: Side | None
    level: LevelName
    reason: str | None
    stale: bool
    wallet_balance: Figure
    unrealized_pnl: Figure
    equity: Figure
    initial_margin: Figure
    maintenance_margin: Figure
    margin_ratio: Figure
    health_factor: Figure
    available_margin: Figure
    margin_deficit: Figure
    shortfall: Figure
    owed: Figure
    max_loss: Figure
    max_loss_reason: str | None
    gap_to_liquidation_pct: Figure
    gap_to_liquidation_reason: str | None
    gap_to_owe_pct: Figure
    gap_to_owe_reason: str | None
    after_gap: AfterGap | None
    to_restore: ToRestore


class AccountAnswer(Struct, rename="camel"):
    """One account; its totals are in `currency`."""

    id: str
    level: LevelName
    currency: str
    totals_reason: str | None
    stale: bool
    equity: Figure
    wallet_balance: Figure
    unrealized_pnl: Figure
    initial_margin: Figure
    maintenance_margin: Figure
    margin_ratio: Figure
    health_factor: Figure
    available_margin: Figure
    margin_deficit: Figure
    shortfall: Figure
    owed: Figure
    to_restore: ToRestore
    pools: list[PoolAnswer]
    positions: list[PositionAnswer]
    findings: (
        Annotated[
            list[FindingAnswer],
            Meta(description="Over a limit, the worst first; where asked for."),
        ]
        | None
    )
    likelihood: Annotated[AccountLikelihood, Meta(description="Where asked for.")] | None


class EvaluateAnswer(Struct, rename="camel"):
    """The accounts that could be evaluated, in the order asked, and what was wrong with others."""

    timestamp: int
    accounts: list[AccountAnswer]
    problems: list[FaultAnswer]


_decoder = msgspec.json.Decoder(EvaluateRequest, strict=False)
_strict_decoder = msgspec.json.Decoder(_StrictRequest)
_counting_decoder = msgspec.json.Decoder(_CountedRequest)
_raw_decoder = msgspec.json.Decoder(_RawEvaluateRequest)
_account_decoder = msgspec.json.Decoder(NamedAccountDocument, strict=False)
_instrument_decoder = msgspec.json.Decoder(InstrumentDocument, strict=False)
_marks_decoder = msgspec.json.Decoder(dict[str, Positive] | None, strict=False)
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


def _check_counts(raw: bytes, accounts_max: int) -> None:
    counted = decode(raw, _counting_decoder)
    check_count(len(counted.accounts), accounts_max, "accounts")
    check_count(len(counted.instruments or ()), accounts_max, "instruments")


def _decode_by_piece(
    raw: bytes, accounts_max: int
) -> tuple[EvaluateRequest, list[int], list[Fault]]:
    _check_counts(raw, accounts_max)
    pieces = decode(raw, _raw_decoder)
    marks = decode(bytes(pieces.marks), _marks_decoder, "/marks")
    instruments = [
        decode(bytes(piece), _instrument_decoder, f"/instruments/{index}")
        for index, piece in enumerate(pieces.instruments or ())
    ]
    betas = decode(bytes(pieces.betas), _betas_decoder, "/betas")
    gap = decode(bytes(pieces.gap), _gap_decoder, "/gap")
    question = EvaluateRequest(
        [],
        marks,
        instruments,
        betas,
        gap,
        decode(raw, _strict_decoder).findings,
        decode(bytes(pieces.health_limits), _limits_decoder, "/healthLimits"),
        decode(bytes(pieces.likelihood), _likelihood_decoder, "/likelihood"),
        decode(bytes(pieces.volatility), _volatility_decoder, "/volatility"),
    )
    accounts: list[NamedAccountDocument] = []
    places: list[int] = []
    faults: list[Fault] = []
    for index, piece in enumerate(pieces.accounts):
        try:
            accounts.append(decode(bytes(piece), _account_decoder, f"/accounts/{index}"))
            places.append(index)
        except InvalidInput as error:
            faults.extend(error.faults)
    question.accounts = accounts
    return question, places, faults
