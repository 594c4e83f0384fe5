"""The evaluate call in columns: a list a field, a row a position, all lists of one length.

A fault is named by its column and row, and with one the whole call is refused: whoever sends
columns has them from a table, not from other people.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct

from service.contract.decoding import check_count, decode
from service.contract.evaluate_request import EvaluateQuestion, check_strictly
from service.contract.names import ACCOUNT_ID_PATTERN, ASSET_PATTERN, Venue
from service.contract.numbers import Fraction, Number, Positive
from service.contract.positions import MarginMode
from service.contract.stated import default_lines, repeated
from service.errors import Fault, InvalidInput, MalformedBody
from service.risk.columns import Bools, Floats, Ints, Statements, Words
from service.risk.model import GENERIC_VENUE

FAULTS_MAX = 10
_NOT_ASKED = ("findings", "health_limits", "likelihood", "volatility")


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


@dataclass(frozen=True, slots=True)
class TabledRequest:
    """A call in columns as it was read."""

    question: EvaluateQuestion
    given: Statements
    positions: int  # closed ones too
    ids: list[str]
    rows: Ints  # of each position its row in the call

    @property
    def accounts(self) -> int:
        return len(self.ids)

    @property
    def venues(self) -> set[str]:
        return set(self.given.venue)


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
    for name in _NOT_ASKED:
        if getattr(asked, name) is not None:
            detail = "this is said of accounts that are listed one by one"
            raise InvalidInput.of(Fault(f"/{_camel(name)}", "invalid_value", detail))
    held = asked.balance_columns or BalanceColumns(account_id=[], asset=[], amount=[])
    named = asked.account_columns or AccountColumns(id=[])
    tables = (("columns", asked.columns), ("balanceColumns", held), ("accountColumns", named))
    faults = list(chain.from_iterable(_uneven(name, table) for name, table in tables))
    if faults:
        raise InvalidInput.of(*faults[:FAULTS_MAX])
    ids = list(dict.fromkeys(chain(named.id, asked.columns.account_id, held.account_id)))
    _check_names("accountColumns", "id", named.id, ACCOUNT_ID_PATTERN)
    _check_names("columns", "accountId", asked.columns.account_id, ACCOUNT_ID_PATTERN)
    _check_names("balanceColumns", "accountId", held.account_id, ACCOUNT_ID_PATTERN)
    _check_names("balanceColumns", "asset", held.asset, ASSET_PATTERN)
    check_count(len(ids), accounts_max, "accounts")
    check_count(len(asked.columns.symbol), positions_max, "positions")
    if len(set(named.id)) < len(named.id):
        where = _first_again(np.array([ids.index(one) for one in named.id]))
        faults.append(
            Fault(f"/accountColumns/id/{where}", "duplicate_id", "this id is there twice")
        )
    number = {name: index for index, name in enumerate(ids)}
    given, rows, found = _stated(asked, held, named, number)
    faults += found
    if faults or not ids:
        nothing = Fault("/columns", "invalid_length", "there is no account")
        raise InvalidInput.of(*(faults[:FAULTS_MAX] or [nothing]))
    return TabledRequest(asked, given, len(asked.columns.symbol), ids, rows)


def _check_names(table: str, column: str, names: Sequence[str], pattern: str) -> None:
    """Raise InvalidInput where a name is none; each is looked at once, however often it is there.

    A rule for each cell would be most of what reading takes.
    """
    wrong = [name for name in dict.fromkeys(names) if re.search(pattern, name) is None]
    if wrong:
        detail = "this name has characters or a length not allowed"
        places = [names.index(name) for name in wrong[:FAULTS_MAX]]
        raise InvalidInput.of(
            *(Fault(f"/{table}/{column}/{row}", "invalid_name", detail) for row in places)
        )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.title, rest))


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


def _first_again(numbers: Ints) -> int:
    """Return the first row whose number stood there before."""
    _, first = np.unique(numbers, return_index=True)
    return int(np.setdiff1d(np.arange(len(numbers)), first)[0])


def _stated(
    asked: ColumnsRequest, held: BalanceColumns, named: AccountColumns, number: dict[str, int]
) -> tuple[Statements, Ints, list[Fault]]:
    """Return the accounts in their order, the row of each open position, and what is wrong."""
    table, accounts = asked.columns, len(number)
    owner, holder = _numbers(table.account_id, number), _numbers(held.account_id, number)
    quantity = _floats(table.quantity, len(owner))
    open_ = np.flatnonzero(quantity)
    rows = open_[np.argsort(owner[open_], kind="stable")]
    kept = np.argsort(holder, kind="stable")
    symbol, asset = Words.of(table.symbol).only(rows), Words.of(held.asset).only(kept)
    modes = table.margin_mode or ()
    isolated = np.array([mode == "isolated" for mode in modes] or [False] * len(owner), np.bool_)
    mark, margin = _floats(table.mark_price, len(owner))[rows], _floats(table.margin, len(owner))
    mark[_unread(asked, symbol)] = np.nan
    weight = _floats(held.weight, len(holder))[kept]
    given = Statements(
        **_accounts(named, number),
        **default_lines(accounts),
        positions=np.bincount(owner[rows], minlength=accounts),
        balances=np.bincount(holder, minlength=accounts),
        symbol=symbol,
        isolated=isolated[rows],
        contracts=quantity[rows],
        entry_price=_floats(table.entry_price, len(owner))[rows],
        contract_size=_floats(table.contract_size, len(owner))[rows],
        leverage=_floats(table.leverage, len(owner))[rows],
        margin=np.where(isolated, margin, np.nan)[rows],
        mark=mark,
        asset=asset,
        amount=_floats(held.amount, len(holder))[kept],
        weight=np.where(np.isnan(weight), 1.0, weight),
        price=_floats(held.price, len(holder))[kept],
    )
    faults = [*_position_faults(given, owner[rows], rows), *_twice(holder[kept], asset, kept)]
    return given, rows, faults


def _accounts(named: AccountColumns, number: dict[str, int]) -> dict[str, Any]:
    """Return venue and mode of every account; those that are not named have the defaults."""
    venue, multi = [GENERIC_VENUE] * len(number), np.zeros(len(number), np.bool_)
    for name, where in zip(named.id, named.venue or (), strict=False):
        venue[number[name]] = where or GENERIC_VENUE
    for name, mode in zip(named.id, named.collateral_mode or (), strict=False):
        multi[number[name]] = mode == "multi"
    return {"venue": venue, "multi": multi}


def _unread(asked: ColumnsRequest, symbol: Words[str]) -> Bools:
    """Return which positions' own marks are not read: others go first, or no mark."""
    marked = asked.marks or ()
    unread = [asked.price_basis != "mark" or word in marked for word in symbol.words]
    return np.array(unread, np.bool_)[symbol.code]


def _position_faults(given: Statements, owner: Ints, rows: Ints) -> list[Fault]:
    faults = []
    lacking = given.isolated & np.isnan(given.margin) & np.isnan(given.leverage)
    for row in rows[lacking].tolist():
        detail = "an isolated position has a margin or a leverage"
        faults.append(Fault(f"/columns/margin/{row}", "missing_margin", detail))
    short = given.contracts < 0.0
    name = (given.symbol.code * 2 + short) * 2 + given.isolated
    for row in rows[repeated(owner, name)].tolist():
        detail = "symbol, side and marginMode are listed twice for this account"
        faults.append(Fault(f"/columns/symbol/{row}", "duplicate_position", detail))
    marked = np.flatnonzero(~np.isnan(given.mark))
    pool = owner[marked] * max(1, len(given.symbol.words)) + given.symbol.code[marked]
    _, first, back = np.unique(pool, return_index=True, return_inverse=True)
    other = marked[given.mark[marked] != given.mark[marked][first][back]]
    for row in rows[other].tolist():
        detail = "another position of this symbol has a different markPrice"
        faults.append(Fault(f"/columns/markPrice/{row}", "conflicting_mark", detail))
    return faults


def _twice(holder: Ints, asset: Words[str], kept: Ints) -> list[Fault]:
    detail = "this asset is listed twice for this account"
    return [
        Fault(f"/balanceColumns/asset/{row}", "duplicate_asset", detail)
        for row in kept[repeated(holder, asset.code)].tolist()
    ]


def _numbers(names: Sequence[str], number: dict[str, int]) -> Ints:
    return np.fromiter(map(number.__getitem__, names), np.int64, len(names))


def _floats(values: Sequence[float | None] | None, rows: int) -> Floats:
    """Return a column of numbers, NaN where there is none."""
    return np.full(rows, np.nan) if values is None else np.array(values, np.float64)
