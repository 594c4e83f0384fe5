"""The evaluate call in columns as most ask it: lists of plain numbers and names, nothing wrong.

Its lists become columns where they are read, without an object of any cell. Whatever else a call
may have in it, and whatever may be wrong, is left to `columns_request`, which says so in words.
"""

import secrets
from collections.abc import Sized
from functools import partial
from typing import TypedDict

import msgspec
import numpy as np
from msgspec import Raw, Struct

from service.contract.columns_request import AccountColumns
from service.contract.decoding import decode
from service.contract.evaluate_request import EvaluateQuestion, check_strictly
from service.contract.numbers import LARGEST, SMALLEST
from service.contract.tabled import (
    AccountTable,
    BalanceTable,
    PositionTable,
    TabledRequest,
    check_asked,
    tabled,
)
from service.errors import InvalidInput, MalformedBody, TooManyItems
from service.risk.columns import Bools, Floats, Words
from service.side_by_side import side_by_side
from service.text.lists import items_of, read_choices, read_figures, read_words
from service.text.scanned import MODES

SHARED_ROWS = 4_000  # from so many on two read them sooner than one
_SEED = secrets.randbits(62)  # of the words' places: nobody can have them all in one
_ABSENT = Raw(b"")
_NOTHING = (b"", b"null")
_ISOLATED = MODES.index("isolated")
_SYMBOL_MAX = 64


class _OpenPositions(Struct, rename="camel"):
    account_id: Raw
    symbol: Raw
    quantity: Raw
    entry_price: Raw
    margin_mode: Raw = _ABSENT
    leverage: Raw = _ABSENT
    contract_size: Raw = _ABSENT
    mark_price: Raw = _ABSENT
    margin: Raw = _ABSENT


class _OpenBalances(Struct, rename="camel"):
    account_id: Raw
    asset: Raw
    amount: Raw
    weight: Raw = _ABSENT
    price: Raw = _ABSENT


class _OpenColumns(EvaluateQuestion, rename="camel", kw_only=True):
    columns: _OpenPositions
    balance_columns: _OpenBalances | None = None
    account_columns: AccountColumns | None = None
    accounts: Raw = _ABSENT


_decoder = msgspec.json.Decoder(_OpenColumns, strict=False)


class _NotPlain(Exception):
    """Something is not read here."""


def read_plain_columns(raw: bytes, accounts_max: int, positions_max: int) -> TabledRequest | None:
    """Return a call in columns; None: it is none, or not plain, or something is wrong."""
    try:
        asked = decode(raw, _decoder)
        if asked.accounts:
            return None
        if asked.instruments:
            check_strictly(raw)
        check_asked(asked)
        positions, balances = _tables(asked)
        return tabled(
            asked,
            positions,
            balances,
            _accounts(asked.account_columns),
            accounts_max=accounts_max,
            positions_max=positions_max,
        )
    except (_NotPlain, InvalidInput, MalformedBody, TooManyItems):
        return None


def warm_up() -> None:
    """Have it compiled, or read from where it was kept: no call waits for that later."""
    lists = (
        '"accountId":["a"],"symbol":["S"],"quantity":[1],"entryPrice":[1],"marginMode":["cross"]'
    )
    read_plain_columns(f'{{"columns":{{{lists}}}}}'.encode(), 1, 1)


def _tables(asked: _OpenColumns) -> tuple[PositionTable, BalanceTable]:
    """Return positions and balances; of many, two read the lists: numbers take as long as names."""
    rows = items_of(bytes(asked.columns.account_id))
    names, numbers = partial(_names_of, asked.columns, rows), partial(_numbers_of, asked, rows)
    if rows < SHARED_ROWS:
        named, (numbered, balances) = names(), numbers()
    else:
        named, (numbered, balances) = side_by_side(names, numbers)
    return PositionTable(**named, **numbered), balances


class _Named(TypedDict):
    account: Words[str]
    symbol: Words[str]
    isolated: Bools


class _Numbered(TypedDict):
    quantity: Floats
    entry_price: Floats
    leverage: Floats
    contract_size: Floats
    mark_price: Floats
    margin: Floats


def _names_of(columns: _OpenPositions, rows: int) -> _Named:
    symbol = _names(columns.symbol, rows)
    if not all(0 < len(word) <= _SYMBOL_MAX for word in symbol.words):
        raise _NotPlain
    return {
        "account": _names(columns.account_id, rows),
        "symbol": symbol,
        "isolated": _isolated(columns.margin_mode, rows),
    }


def _numbers_of(asked: _OpenColumns, rows: int) -> tuple[_Numbered, BalanceTable]:
    """Return the numbers of positions, and all of balances."""
    columns = asked.columns
    numbered: _Numbered = {
        "quantity": _required(columns.quantity, rows, -LARGEST),
        "entry_price": _required(columns.entry_price, rows, SMALLEST),
        "leverage": _figures(columns.leverage, rows, SMALLEST),
        "contract_size": _figures(columns.contract_size, rows, SMALLEST),
        "mark_price": _figures(columns.mark_price, rows, SMALLEST),
        "margin": _figures(columns.margin, rows, -LARGEST),
    }
    return numbered, _balances(asked.balance_columns)


def _balances(columns: _OpenBalances | None) -> BalanceTable:
    if columns is None:
        return BalanceTable.empty()
    account = bytes(columns.account_id)
    rows = items_of(account)
    return BalanceTable(
        account=_names(account, rows),
        asset=_names(columns.asset, rows),
        amount=_required(columns.amount, rows, -LARGEST),
        weight=_figures(columns.weight, rows, 0.0, 1.0),
        price=_figures(columns.price, rows, SMALLEST),
    )


def _accounts(columns: AccountColumns | None) -> AccountTable:
    if columns is None:
        return AccountTable((), (), ())
    for column in (columns.venue, columns.collateral_mode):
        _check_length(column or columns.id, len(columns.id))
    return AccountTable(columns.id, columns.venue or (), columns.collateral_mode or ())


def _names(list_: Raw | bytes, rows: int) -> Words[str]:
    found = read_words(bytes(list_), _SEED, rows)
    if found is None:
        raise _NotPlain
    _check_length(found.code, rows)
    return found


def _isolated(list_: Raw, rows: int) -> Bools:
    text = bytes(list_)
    if text in _NOTHING:
        return np.zeros(rows, np.bool_)
    codes = read_choices(text, MODES, rows)
    if codes is None:
        raise _NotPlain
    _check_length(codes, rows)
    isolated: Bools = codes == _ISOLATED
    return isolated


def _figures(list_: Raw, rows: int, low: float, high: float = LARGEST) -> Floats:
    """Return numbers, NaN where there is none."""
    text = bytes(list_)
    if text in _NOTHING:
        return np.full(rows, np.nan)
    figures = read_figures(text, low, high, rows)
    if figures is None:
        raise _NotPlain
    _check_length(figures, rows)
    return figures


def _required(list_: Raw, rows: int, low: float) -> Floats:
    figures = _figures(list_, rows, low)
    if np.isnan(figures).any():
        raise _NotPlain
    return figures


def _check_length(column: Sized, rows: int) -> None:
    if len(column) != rows:
        raise _NotPlain
