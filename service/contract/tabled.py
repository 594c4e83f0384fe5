"""Accounts in tables, however they came: what is wrong with them, and the columns of the engine.

A table has a row a position, a balance or an account. A fault is named by its column and row, and
with one the whole call is refused: whoever sends tables has them from one place, not from other
people.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from service.contract.decoding import check_count
from service.contract.evaluate_request import EvaluateQuestion
from service.contract.names import ACCOUNT_ID_PATTERN, ASSET_PATTERN
from service.contract.stated import default_lines
from service.contract.table_faults import balance_faults, position_faults
from service.contract.table_rows import by_account
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

    def only(self, rows: Ints) -> "PositionTable":
        """Return some rows."""
        return PositionTable(
            account=self.account.only(rows),
            symbol=self.symbol.only(rows),
            quantity=self.quantity[rows],
            entry_price=self.entry_price[rows],
            isolated=self.isolated[rows],
            leverage=self.leverage[rows],
            contract_size=self.contract_size[rows],
            mark_price=self.mark_price[rows],
            margin=self.margin[rows],
        )


@dataclass(frozen=True, slots=True)
class BalanceTable:
    """A row a balance. Each number is good, NaN: not given."""

    account: Words[str]
    asset: Words[str]
    amount: Floats
    weight: Floats
    price: Floats

    def only(self, rows: Ints) -> "BalanceTable":
        """Return some rows."""
        return BalanceTable(
            self.account.only(rows),
            self.asset.only(rows),
            self.amount[rows],
            self.weight[rows],
            self.price[rows],
        )

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
    if holders.words == owners.words:  # as mostly: one list, and looked at once
        holders = Words(owners.words, holders.code)
        balances = replace(balances, account=holders)
    ids = _ids_of(named.ids, owners, holders)
    _check_names("accountColumns/id", Words.of(named.ids), ACCOUNT_ID_PATTERN)
    _check_names("columns/accountId", owners, ACCOUNT_ID_PATTERN)
    if holders.words is not owners.words:
        _check_names("balanceColumns/accountId", holders, ACCOUNT_ID_PATTERN)
    _check_names("balanceColumns/asset", balances.asset, ASSET_PATTERN)
    check_count(len(ids), accounts_max, "accounts")
    check_count(len(positions.quantity), positions_max, "positions")
    faults = []
    if len(set(named.ids)) < len(named.ids):
        where = _first_again(Words.of(named.ids).code)
        faults.append(
            Fault(f"/accountColumns/id/{where}", "duplicate_id", "this id is there twice")
        )
    given, rows, found = _stated(question, positions, balances, named, ids)
    faults += found
    if faults or not ids:
        nothing = Fault("/columns", "invalid_length", "there is no account")
        raise InvalidInput.of(*(faults[:FAULTS_MAX] or [nothing]))
    return TabledRequest(question, given, len(positions.quantity), ids, rows)


def _ids_of(named: Sequence[str], owners: Words[str], holders: Words[str]) -> list[str]:
    """Return all ids, in the order in which they come first."""
    if not named and (not holders.words or holders.words is owners.words):
        return owners.words
    return list(dict.fromkeys(chain(named, owners.words, holders.words)))


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
    ids: list[str],
) -> tuple[Statements, Ints, list[Fault]]:
    """Return the accounts in their order, the row of each open position, and what is wrong."""
    accounts = len(ids)
    owner, holder = _numbers(table.account, ids), _numbers(held.account, ids)
    rows, positions = by_account(owner, table.quantity != 0.0, accounts)
    kept, balances = by_account(holder, np.ones(len(holder), np.bool_), accounts)
    if rows is not None:
        table = table.only(rows)
    if kept is not None:
        held = held.only(kept)
    given = Statements(
        **_accounts(named, accounts),
        **default_lines(accounts),
        positions=positions,
        balances=balances,
        symbol=table.symbol,
        isolated=table.isolated,
        contracts=table.quantity,
        entry_price=table.entry_price,
        contract_size=table.contract_size,
        leverage=table.leverage,
        margin=np.where(table.isolated, table.margin, np.nan),
        mark=_marks(asked, table),
        asset=held.asset,
        amount=held.amount,
        weight=np.where(np.isnan(held.weight), 1.0, held.weight),
        price=held.price,
    )
    rows = np.arange(len(owner)) if rows is None else rows
    kept = np.arange(len(holder)) if kept is None else kept
    return given, rows, [*position_faults(given, rows), *balance_faults(given, kept)]


def _accounts(named: AccountTable, accounts: int) -> dict[str, Any]:
    """Return venue and mode of every account; those that are not named have the defaults.

    Those that are come first, and in their order. (One that is there twice is refused later.)
    """
    venue = [each or GENERIC_VENUE for each in named.venues[:accounts]]
    venue += [GENERIC_VENUE] * (accounts - len(venue))
    modes, multi = named.modes[:accounts], np.zeros(accounts, np.bool_)
    multi[: len(modes)] = [mode == "multi" for mode in modes]
    return {"venue": venue, "multi": multi}


def _marks(asked: EvaluateQuestion, table: PositionTable) -> Floats:
    """Return positions' own marks, where they are read: no others go first, or no mark."""
    mark = table.mark_price
    if np.isnan(mark).all():
        return mark
    marked = asked.marks or ()
    unread = [asked.price_basis != "mark" or word in marked for word in table.symbol.words]
    return np.where(np.array(unread, np.bool_)[table.symbol.code], np.nan, mark)


def _numbers(names: Words[str], ids: list[str]) -> Ints:
    """Return the place among all ids of each row's."""
    if names.words is ids or names.words == ids[: len(names.words)]:
        return names.code
    return names.ranks(ids)
