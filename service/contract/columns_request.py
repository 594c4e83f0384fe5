"""The evaluate call in columns: a list a field, a row a position, all lists of one length."""

from collections.abc import Sequence
from itertools import chain
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from service.contract.decoding import decode
from service.contract.evaluate_request import EvaluateQuestion, check_strictly
from service.contract.names import Venue
from service.contract.numbers import Fraction, Number, Positive
from service.contract.positions import MarginMode
from service.contract.tabled import (
    FAULTS_MAX,
    AccountTable,
    BalanceTable,
    PositionTable,
    TabledRequest,
    check_asked,
    tabled,
)
from service.errors import Fault, InvalidInput, MalformedBody
from service.risk.columns import Floats, Words


class PositionColumns(Struct, rename="camel", kw_only=True):
    """A row a position; a row of quantity 0 is a closed position and ignored."""

    account_id: list[str]
    symbol: list[Annotated[str, Meta(min_length=1, max_length=64)]]
    quantity: Annotated[list[Number], Meta(description="Contracts: long > 0, short < 0.")]
    entry_price: list[Positive]
    margin_mode: Annotated[list[MarginMode | None], Meta(description="Absent: cross.")] | None = (
        None
    )
    leverage: list[Positive | None] | None = None
    contract_size: list[Positive | None] | None = None
    mark_price: list[Positive | None] | None = None
    margin: (
        Annotated[list[Number | None], Meta(description="Isolated margin without unrealised PnL.")]
        | None
    ) = None


class BalanceColumns(Struct, rename="camel", kw_only=True):
    """A row a balance."""

    account_id: list[str]
    asset: list[str]
    amount: list[Number]
    weight: list[Fraction | None] | None = None
    price: list[Positive | None] | None = None


class AccountColumns(Struct, rename="camel", kw_only=True):
    """A row an account; who is not named is generic, in collateral mode single."""

    id: list[str]
    venue: list[Venue | None] | None = None
    collateral_mode: list[Annotated[str, Meta(pattern="^(single|multi)$")] | None] | None = None


class ColumnsRequest(EvaluateQuestion, rename="camel", kw_only=True):
    """Accounts to evaluate, in columns; the answer is in columns too, and nothing is kept."""

    columns: PositionColumns
    balance_columns: BalanceColumns | None = None
    account_columns: AccountColumns | None = None


_decoder = msgspec.json.Decoder(ColumnsRequest, strict=False)


class _Form(Struct):
    columns: msgspec.Raw = msgspec.Raw(b"")
    accounts: msgspec.Raw = msgspec.Raw(b"")


_form_decoder = msgspec.json.Decoder(_Form)


def in_columns(raw: bytes) -> bool:
    """Whether a call is in columns; what is no JSON at all is not."""
    try:
        form = decode(raw, _form_decoder)
    except (InvalidInput, MalformedBody):
        return False
    return bool(form.columns) and not form.accounts


def read_columns(raw: bytes, accounts_max: int, positions_max: int) -> TabledRequest:
    """Return a call in columns; raises MalformedBody, InvalidInput, TooManyItems."""
    asked = decode(raw, _decoder)
    if asked.instruments:
        check_strictly(raw)
    check_asked(asked)
    held = asked.balance_columns or BalanceColumns(account_id=[], asset=[], amount=[])
    named = asked.account_columns or AccountColumns(id=[])
    tables = (("columns", asked.columns), ("balanceColumns", held), ("accountColumns", named))
    faults = list(chain.from_iterable(_uneven(name, table) for name, table in tables))
    if faults:
        raise InvalidInput.of(*faults[:FAULTS_MAX])
    return tabled(
        asked,
        _position_table(asked.columns),
        _balance_table(held),
        _account_table(named),
        accounts_max=accounts_max,
        positions_max=positions_max,
    )


def _position_table(columns: PositionColumns) -> PositionTable:
    rows, modes = len(columns.account_id), columns.margin_mode
    isolated = [mode == "isolated" for mode in modes] if modes else [False] * rows
    return PositionTable(
        account=Words.of(columns.account_id),
        symbol=Words.of(columns.symbol),
        quantity=_floats(columns.quantity, rows),
        entry_price=_floats(columns.entry_price, rows),
        isolated=np.array(isolated, np.bool_),
        leverage=_floats(columns.leverage, rows),
        contract_size=_floats(columns.contract_size, rows),
        mark_price=_floats(columns.mark_price, rows),
        margin=_floats(columns.margin, rows),
    )


def _balance_table(columns: BalanceColumns) -> BalanceTable:
    """Return balances as columns of numbers."""
    rows = len(columns.account_id)
    return BalanceTable(
        account=Words.of(columns.account_id),
        asset=Words.of(columns.asset),
        amount=_floats(columns.amount, rows),
        weight=_floats(columns.weight, rows),
        price=_floats(columns.price, rows),
    )


def _account_table(columns: AccountColumns) -> AccountTable:
    return AccountTable(columns.id, columns.venue or (), columns.collateral_mode or ())


def _uneven(name: str, table: Struct) -> list[Fault]:
    """Return a fault for each column that is not as long as the first of its table."""
    columns = {
        each.encode_name: getattr(table, each.name) for each in msgspec.structs.fields(table)
    }
    first, *others = columns.items()
    return [
        Fault(f"/{name}/{other}", "invalid_length", f"there must be as many as in {first[0]}")
        for other, column in others
        if column is not None and len(column) != len(first[1])
    ]


def _floats(values: Sequence[float | None] | None, rows: int) -> Floats:
    """Return a column of numbers, NaN where there is none."""
    return np.full(rows, np.nan) if values is None else np.array(values, np.float64)
