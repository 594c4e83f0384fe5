"""The evaluate call in columns as most ask it: lists of plain numbers and names, nothing wrong.

Its lists become columns where they are read, without an object of any cell. Whatever else a call
may have in it, and whatever may be wrong, is left to `columns_request`, which says so in words.
"""

import secrets
from collections.abc import Callable, Sequence, Sized
from functools import partial
from itertools import accumulate, chain, islice
from typing import Any, NamedTuple

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

_SEED = secrets.randbits(62)  # of the words' places: nobody can have them all in one
_ABSENT = Raw(b"")
_NOTHING = (b"", b"null")
_ISOLATED = MODES.index("isolated")
_SYMBOL_MAX = 64
_SHARED_BYTES = 250_000  # lists of so many bytes are sooner read by two


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
        positions, balances = _read(_positions(asked.columns), _balances(asked.balance_columns))
        return tabled(
            asked,
            _checked(positions),
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


class _Lists(NamedTuple):
    """The lists of a table in the order of its fields, each with what reads it."""

    table: Callable[..., Any]
    rows: int  # at most
    reads: list[tuple[bytes, Callable[[bytes, int], Any]]]


def _positions(columns: _OpenPositions) -> _Lists:
    account = bytes(columns.account_id)
    return _Lists(
        PositionTable,
        items_of(account),
        [
            (account, _names),
            (bytes(columns.symbol), _names),
            (bytes(columns.quantity), partial(_required, low=-LARGEST)),
            (bytes(columns.entry_price), partial(_required, low=SMALLEST)),
            (bytes(columns.margin_mode), _isolated),
            (bytes(columns.leverage), _above_nothing),
            (bytes(columns.contract_size), _above_nothing),
            (bytes(columns.mark_price), _above_nothing),
            (bytes(columns.margin), partial(_figures, low=-LARGEST)),
        ],
    )


def _balances(columns: _OpenBalances | None) -> _Lists:
    if columns is None:
        return _Lists(BalanceTable.empty, 0, [])
    account = bytes(columns.account_id)
    return _Lists(
        BalanceTable,
        items_of(account),
        [
            (account, _names),
            (bytes(columns.asset), _names),
            (bytes(columns.amount), partial(_required, low=-LARGEST)),
            (bytes(columns.weight), partial(_figures, low=0.0, high=1.0)),
            (bytes(columns.price), _above_nothing),
        ],
    )


def _read(*tables: _Lists) -> list[Any]:
    """Return the tables of these lists; where they are long, two read about half of the bytes."""
    reads = [(read, text, table.rows) for table in tables for text, read in table.reads]
    ends = list(accumulate(len(text) for _, text, _ in reads))
    if ends[-1] < _SHARED_BYTES:
        columns = _columns(reads)
    else:
        half = 1 + min(range(len(ends)), key=lambda at: abs(2 * ends[at] - ends[-1]))
        parts = side_by_side(partial(_columns, reads[:half]), partial(_columns, reads[half:]))
        columns = list(chain(*parts))
    found = iter(columns)
    return [table.table(*islice(found, len(table.reads))) for table in tables]


def _columns(reads: Sequence[tuple[Callable[[bytes, int], Any], bytes, int]]) -> list[Any]:
    return [read(text, rows) for read, text, rows in reads]


def _checked(table: PositionTable) -> PositionTable:
    """Return a table all of whose symbols may be one."""
    if not all(0 < len(word) <= _SYMBOL_MAX for word in table.symbol.words):
        raise _NotPlain
    return table


def _accounts(columns: AccountColumns | None) -> AccountTable:
    if columns is None:
        return AccountTable((), (), ())
    for column in (columns.venue, columns.collateral_mode):
        _check_length(column or columns.id, len(columns.id))
    return AccountTable(columns.id, columns.venue or (), columns.collateral_mode or ())


def _names(text: bytes, rows: int) -> Words[str]:
    found = read_words(text, _SEED, rows)
    if found is None:
        raise _NotPlain
    _check_length(found.code, rows)
    return found


def _isolated(text: bytes, rows: int) -> Bools:
    if text in _NOTHING:
        return np.zeros(rows, np.bool_)
    codes = read_choices(text, MODES, rows)
    if codes is None:
        raise _NotPlain
    _check_length(codes, rows)
    isolated: Bools = codes == _ISOLATED
    return isolated


def _figures(text: bytes, rows: int, low: float, high: float = LARGEST) -> Floats:
    """Return numbers, NaN where there is none."""
    if text in _NOTHING:
        return np.full(rows, np.nan)
    figures = read_figures(text, low, high, rows)
    if figures is None:
        raise _NotPlain
    _check_length(figures, rows)
    return figures


_above_nothing = partial(_figures, low=SMALLEST)


def _required(text: bytes, rows: int, low: float) -> Floats:
    figures = _figures(text, rows, low)
    if np.isnan(figures).any():
        raise _NotPlain
    return figures


def _check_length(column: Sized, rows: int) -> None:
    if len(column) != rows:
        raise _NotPlain
