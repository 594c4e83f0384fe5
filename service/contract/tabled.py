"""Accounts in tables, however they came: what is wrong with them, and the columns of the engine.

A table has a row a position, a balance or an account. A fault is named by its column and row, and
with one the whole call is refused: whoever sends tables has them from one place, not from other
people.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from service.contract.decoding import check_count
from service.contract.evaluate_request import EvaluateQuestion
from service.contract.names import ACCOUNT_ID_PATTERN, ASSET_PATTERN
from service.contract.stated import default_lines, repeated
from service.errors import Fault, InvalidInput
from service.risk.columns import Bools, Floats, Ints, Statements, Words
from service.risk.model import GENERIC_VENUE

FAULTS_MAX = 10
_NOT_ASKED = ("findings", "health_limits", "likelihood", "volatility")


@dataclass(frozen=True, slots=True)
class PositionTable:
    """A row a position; a row of quantity 0 is closed. Each number is good, NaN: not given."""

    account: Words[str]
    symbol: Words[str]
    quantity: Floats  # signed
    entry_price: Floats
    isolated: Bools
    leverage: Floats
    contract_size: Floats
    mark_price: Floats
    margin: Floats


@dataclass(frozen=True, slots=True)
class BalanceTable:
    """A row a balance. Each number is good, NaN: not given."""

    account: Words[str]
    asset: Words[str]
    amount: Floats
    weight: Floats
    price: Floats

    @classmethod
    def empty(cls) -> "BalanceTable":
        """Return a table of no balances."""
        none: Floats = np.zeros(0)
        return cls(Words.of([]), Words.of([]), none, none, none)


@dataclass(frozen=True, slots=True)
class AccountTable:
    """A row an account; None: not given."""

    ids: Sequence[str]
    venues: Sequence[str | None]
    modes: Sequence[str | None]


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


def check_asked(question: EvaluateQuestion) -> None:
    """Raise InvalidInput where a call asks what is only said of accounts one by one."""
    for name in _NOT_ASKED:
        if getattr(question, name) is not None:
            detail = "this is said of accounts that are listed one by one"
            raise InvalidInput.of(Fault(f"/{_camel(name)}", "invalid_value", detail))


def tabled(
    question: EvaluateQuestion,
    positions: PositionTable,
    balances: BalanceTable,
    named: AccountTable,
    *,
    accounts_max: int,
    positions_max: int,
) -> TabledRequest:
    """Return a call of these tables; raises InvalidInput, TooManyItems."""
    owners, holders = positions.account, balances.account
    ids = list(dict.fromkeys(chain(named.ids, owners.words, holders.words)))
    _check_names("accountColumns/id", Words.of(named.ids), ACCOUNT_ID_PATTERN)
    _check_names("columns/accountId", owners, ACCOUNT_ID_PATTERN)
    _check_names("balanceColumns/accountId", holders, ACCOUNT_ID_PATTERN)
    _check_names("balanceColumns/asset", balances.asset, ASSET_PATTERN)
    check_count(len(ids), accounts_max, "accounts")
    check_count(len(positions.quantity), positions_max, "positions")
    number = {name: index for index, name in enumerate(ids)}
    faults = []
    if len(set(named.ids)) < len(named.ids):
        where = _first_again(np.array([number[one] for one in named.ids]))
        faults.append(
            Fault(f"/accountColumns/id/{where}", "duplicate_id", "this id is there twice")
        )
    given, rows, found = _stated(question, positions, balances, named, number)
    faults += found
    if faults or not ids:
        nothing = Fault("/columns", "invalid_length", "there is no account")
        raise InvalidInput.of(*(faults[:FAULTS_MAX] or [nothing]))
    return TabledRequest(question, given, len(positions.quantity), ids, rows)


def _check_names(column: str, names: Words[str], pattern: str) -> None:
    """Raise InvalidInput where a name is none; each is looked at once, however often it is there.

    A rule for each cell would be most of what reading takes.
    """
    if _all_fit(names.words, pattern):
        return
    fits = re.compile(pattern).search
    wrong = [code for code, name in enumerate(names.words) if fits(name) is None]
    if wrong:
        detail = "this name has characters or a length not allowed"
        places = [int(np.argmax(names.code == code)) for code in wrong[:FAULTS_MAX]]
        raise InvalidInput.of(
            *(Fault(f"/{column}/{row}", "invalid_name", detail) for row in places)
        )


def _all_fit(words: Sequence[str], pattern: str) -> bool:
    """Whether all names are good, by one look at all of them; a name has no line break."""
    lines = "\n".join((*words, ""))
    return lines.count("\n") == len(words) and _lines_of(pattern).fullmatch(lines) is not None


@lru_cache(maxsize=8)
def _lines_of(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?:{pattern.removeprefix('^').partition('$')[0]}\n)*+")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.title, rest))


def _first_again(numbers: Ints) -> int:
    """Return the first row whose number stood there before."""
    _, first = np.unique(numbers, return_index=True)
    return int(np.setdiff1d(np.arange(len(numbers)), first)[0])


def _stated(
    asked: EvaluateQuestion,
    table: PositionTable,
    held: BalanceTable,
    named: AccountTable,
    number: dict[str, int],
) -> tuple[Statements, Ints, list[Fault]]:
    """Return the accounts in their order, the row of each open position, and what is wrong."""
    accounts = len(number)
    owner, holder = _numbers(table.account, number), _numbers(held.account, number)
    open_ = np.flatnonzero(table.quantity)
    rows = open_[np.argsort(owner[open_], kind="stable")]
    kept = np.argsort(holder, kind="stable")
    symbol, asset = table.symbol.only(rows), held.asset.only(kept)
    mark, weight = table.mark_price[rows], held.weight[kept]
    mark[_unread(asked, symbol)] = np.nan
    given = Statements(
        **_accounts(named, number),
        **default_lines(accounts),
        positions=np.bincount(owner[rows], minlength=accounts),
        balances=np.bincount(holder, minlength=accounts),
        symbol=symbol,
        isolated=table.isolated[rows],
        contracts=table.quantity[rows],
        entry_price=table.entry_price[rows],
        contract_size=table.contract_size[rows],
        leverage=table.leverage[rows],
        margin=np.where(table.isolated, table.margin, np.nan)[rows],
        mark=mark,
        asset=asset,
        amount=held.amount[kept],
        weight=np.where(np.isnan(weight), 1.0, weight),
        price=held.price[kept],
    )
    faults = [*_position_faults(given, owner[rows], rows), *_twice(holder[kept], asset, kept)]
    return given, rows, faults


def _accounts(named: AccountTable, number: dict[str, int]) -> dict[str, Any]:
    """Return venue and mode of every account; those that are not named have the defaults."""
    venue, multi = [GENERIC_VENUE] * len(number), np.zeros(len(number), np.bool_)
    for name, where in zip(named.ids, named.venues, strict=False):
        venue[number[name]] = where or GENERIC_VENUE
    for name, mode in zip(named.ids, named.modes, strict=False):
        multi[number[name]] = mode == "multi"
    return {"venue": venue, "multi": multi}


def _unread(asked: EvaluateQuestion, symbol: Words[str]) -> Bools:
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


def _numbers(names: Words[str], number: dict[str, int]) -> Ints:
    places: Ints = np.array([number[name] for name in names.words], np.int64)[names.code]
    return places
