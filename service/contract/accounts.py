"""Accounts as clients write them and as the store keeps them: one document, one reading of it."""

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from service.contract.decoding import decode, pointer_to
from service.contract.health import HealthLimitsDocument, to_limits
from service.contract.names import AccountId, Asset, Venue
from service.contract.numbers import Fraction, Milliseconds, Number, Positive
from service.contract.positions import (
    MarginMode,
    PositionDocument,
    margin_of,
    position_faults,
    to_position,
)
from service.errors import Fault, InvalidInput
from service.risk.model import GENERIC_VENUE, Account, Balance, Thresholds

REPEAT_MIN_MS, REPEAT_MAX_MS = 60_000, 7 * 86_400_000
FAULTS_MAX = 10  # of one account: enough to mend it by, too few to hold anybody up

_DEFAULTS = Thresholds()


class BalanceDocument(Struct, rename="camel", omit_defaults=True):
    """An amount of one asset; weight and price count in `multi` collateral mode only."""

    asset: Asset
    amount: Annotated[Number, Meta(description="Negative when borrowed.")]
    weight: Annotated[Fraction, Meta(description="Haircut of a positive amount.")] | None = None
    price: (
        Annotated[Positive, Meta(description="USD, in evaluate calls, where the stream has none.")]
        | None
    ) = None


class ThresholdsDocument(Struct, rename="camel", omit_defaults=True):
    """Lines of the margin ratio: 0 <= hysteresis < warning < marginCall < 1."""

    warning: Number | None = None
    margin_call: Number | None = None
    hysteresis: Number | None = None
    ease_after_ms: Milliseconds | None = None


class RepeatDocument(Struct, rename="camel"):
    """Remind of an alert this often, in event time, while its level lasts or until somebody
    acknowledges it (the alert itself, or the newest of its reminders)."""

    every_ms: Annotated[
        int, Meta(ge=REPEAT_MIN_MS, le=REPEAT_MAX_MS, description="A minute to a week.")
    ]
    until: Literal["resolved", "acknowledged"] = "resolved"


class AccountDocument(Struct, rename="camel", omit_defaults=True):
    """What an account holds; `PUT /v1/accounts/{id}` replaces all of it."""

    venue: Venue | None = None
    margin_mode: (
        Annotated[MarginMode, Meta(description="Of positions that do not say; cross.")] | None
    ) = None
    collateral_mode: Literal["single", "multi"] | None = None
    balances: list[BalanceDocument] | None = None
    positions: list[PositionDocument] | None = None
    thresholds: ThresholdsDocument | None = None
    repeat: Annotated[RepeatDocument, Meta(description="Absent: alerts are told once.")] | None = (
        None
    )
    health_limits: (
        Annotated[
            HealthLimitsDocument,
            Meta(description="Of its health checks, in place of the caller's."),
        ]
        | None
    ) = None


class NamedAccountDocument(AccountDocument, rename="camel", omit_defaults=True, kw_only=True):
    """An account in a batch, under its id."""

    id: AccountId


_document_decoder = msgspec.json.Decoder(AccountDocument, strict=False)
_named_decoder = msgspec.json.Decoder(NamedAccountDocument, strict=False)


def decode_document(raw: bytes, pointer: str = "") -> AccountDocument:
    """Read the body of one account's PUT."""
    return decode(raw, _document_decoder, pointer)


def decode_named(raw: bytes, pointer: str = "") -> NamedAccountDocument:
    """Read one account of a batch."""
    return decode(raw, _named_decoder, pointer)


def decode_all_named(pieces: Sequence[bytes]) -> list[NamedAccountDocument] | None:
    """Read accounts of a batch; None when one cannot be read, `decode_named` says why."""
    try:
        return list(map(_named_decoder.decode, pieces))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def decode_account(raw: bytes, account_key: str) -> Account:
    """Read a document as the store keeps it; stored accounts live on streamed marks alone."""
    return to_account(decode_document(raw), account_key, own_marks=False)


def to_account(
    document: AccountDocument, account_key: str, pointer: str = "", own_marks: bool = True
) -> Account:
    """Turn a document into the engine's record, or raise InvalidInput with its faults.

    `own_marks` keeps the `markPrice` of positions and the `price` of balances (evaluate calls);
    a stored account lives on the stream's alone, so without it they are not read.
    """
    if faults := document_faults(document, pointer, own_marks):
        raise InvalidInput.of(*faults)
    rows = (row for row in document.positions or () if row.contracts != 0.0)
    by_default = document.margin_mode == "isolated"
    return Account(
        account_key,
        document.venue or GENERIC_VENUE,
        document.collateral_mode or "single",
        tuple(_balance(row, own_marks) for row in document.balances or ()),
        tuple(to_position(row, _is_isolated(row, by_default), own_marks) for row in rows),
        thresholds_of(document),
        None if document.health_limits is None else to_limits(document.health_limits),
    )


def document_faults(
    document: AccountDocument,
    pointer: str = "",
    own_marks: bool = True,
    marked: Collection[str] = (),
) -> list[Fault]:
    """Return what is wrong with an account beyond its types, at most FAULTS_MAX.

    Where a symbol is `marked`, a mark of its own is not read.
    """
    faults = []
    if document.positions:
        faults = _positions_faults(document, pointer, own_marks, marked)
    if document.balances and len(document.balances) > 1:
        faults += _balances_faults(document.balances, pointer)
    if document.thresholds is not None and not in_order(thresholds_of(document)):
        rule = "0 <= hysteresis < warning < marginCall < 1 must hold"
        faults.append(Fault(f"{pointer}/thresholds", "invalid_thresholds", rule))
    return faults[:FAULTS_MAX]


def _balances_faults(balances: Sequence[BalanceDocument], pointer: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, row in enumerate(balances):
        if row.asset in seen:
            where = pointer + pointer_to("balances", index, "asset")
            yield Fault(where, "duplicate_asset", "this asset is listed twice")
        seen.add(row.asset)


def _balance(row: BalanceDocument, own_prices: bool) -> Balance:
    weight = 1.0 if row.weight is None else row.weight
    return Balance(row.asset, row.amount, weight, row.price if own_prices else None)


def in_order(lines: Thresholds) -> bool:
    """Return whether the lines of the margin ratio stand as they must."""
    return 0.0 <= lines.hysteresis < lines.warning < lines.margin_call < 1.0


def thresholds_of(document: AccountDocument) -> Thresholds:
    """Return the lines of an account and when it is reminded; the defaults where it is silent."""
    given, repeat = document.thresholds or ThresholdsDocument(), document.repeat
    return Thresholds(
        _DEFAULTS.warning if given.warning is None else given.warning,
        _DEFAULTS.margin_call if given.margin_call is None else given.margin_call,
        _DEFAULTS.hysteresis if given.hysteresis is None else given.hysteresis,
        _DEFAULTS.ease_after_ms if given.ease_after_ms is None else given.ease_after_ms,
        0 if repeat is None else repeat.every_ms,
        repeat is not None and repeat.until == "acknowledged",
    )


def _is_isolated(row: PositionDocument, by_default: bool) -> bool:
    return by_default if row.margin_mode is None else row.margin_mode == "isolated"


def _positions_faults(
    document: AccountDocument, pointer: str, own_marks: bool, marked: Collection[str]
) -> list[Fault]:
    faults: list[Fault] = []
    by_default = document.margin_mode == "isolated"
    seen: set[tuple[str, str | None, bool]] = set()
    marks: dict[str, float] = {}
    for index, row in enumerate(document.positions or ()):
        if row.contracts == 0.0:
            continue
        isolated = _is_isolated(row, by_default)
        own_mark = own_marks and row.symbol not in marked
        found = position_faults(row, isolated, own_mark)
        if (name := (row.symbol, row.side, isolated)) in seen:
            found.append(("", "duplicate_position", "symbol, side and marginMode are listed twice"))
        seen.add(name)
        if own_mark and row.mark_price is not None:
            first = marks.setdefault(row.symbol, row.mark_price)
            if first != row.mark_price:
                detail = "another position of this symbol has a different markPrice"
                found.append(("/markPrice", "conflicting_mark", detail))
        for field, code, detail in found:
            faults.append(Fault(f"{pointer}/positions/{index}{field}", code, detail))
        if len(faults) >= FAULTS_MAX:
            break
    return faults


_encoder = msgspec.json.Encoder()


def encode_document(document: AccountDocument) -> bytes:
    """Write the form the store keeps: no closed rows, own marks or id, and margin as `margin`.

    The document's own rows are brought into that form.
    """
    kept = [row for row in document.positions or () if row.contracts != 0.0]
    for row in kept:
        row.margin_mode = row.margin_mode or document.margin_mode or "cross"
        row.margin = margin_of(row) if row.margin_mode == "isolated" else None
        row.mark_price = row.collateral = row.unrealized_pnl = None
    return _encoder.encode(
        AccountDocument(
            venue=document.venue or "generic",
            collateral_mode=document.collateral_mode or "single",
            balances=document.balances or [],
            positions=kept,
            thresholds=document.thresholds,
            repeat=document.repeat,
            health_limits=document.health_limits,
        )
    )
