"""Accounts of a call as columns; what their types cannot say is looked for in all of them at once.

A look over whole columns finds the accounts that may be at fault. Only those are read again one by
one (`document_faults`), for what exactly is wrong and where; the others cost no object of their
own beyond the decoder's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypedDict

import numpy as np

from service.contract.accounts import (
    AccountDocument,
    BalanceDocument,
    in_order,
    thresholds_of,
)
from service.contract.positions import PositionDocument
from service.risk.columns import Bools, Floats, Ints, Statements, Words
from service.risk.model import GENERIC_VENUE, Thresholds

_LINES = Thresholds()
# Columns of one row: what accounts have that give none.
_RATIOS = np.array([[_LINES.warning], [_LINES.margin_call], [_LINES.hysteresis]])
_TIMES_MS = np.array([[_LINES.ease_after_ms], [_LINES.repeat_every_ms]])


@dataclass(slots=True)
class Stated:
    """Accounts as columns; `suspects` are those that `document_faults` must be asked about."""

    statements: Statements
    suspects: Bools  # (accounts,)


def state(documents: Sequence[AccountDocument], marked: Collection[str] = ()) -> Stated:
    """Return accounts as columns; where a symbol is `marked`, its position's own mark is not read.

    Every account at fault is a suspect; a suspect may be without a fault.
    """
    held = [[row for row in each.positions or () if row.contracts != 0.0] for each in documents]
    rows = list(chain.from_iterable(held))
    counts = _ints(list(map(len, held)))
    owner = np.repeat(np.arange(len(documents)), counts)
    balances = [row for each in documents for row in each.balances or ()]
    holding = _ints([len(each.balances or ()) for each in documents])
    lines, suspects = _lines(documents)
    legs = _Legs.of(rows, owner, documents, marked)
    suspects[owner[legs.suspects(owner)]] = True
    assets = Words.of([row.asset for row in balances])
    holder = np.repeat(np.arange(len(documents)), holding)
    suspects[holder[repeated(holder, assets.code)]] = True
    return Stated(
        Statements(
            venue=[each.venue or GENERIC_VENUE for each in documents],
            multi=np.array([each.collateral_mode == "multi" for each in documents], np.bool_),
            **lines,
            positions=counts,
            balances=holding,
            **legs.columns(),
            **_holdings(balances, assets),
        ),
        suspects,
    )


class LineColumns(TypedDict):
    warning: Floats
    margin_call: Floats
    hysteresis: Floats
    ease_after_ms: Ints
    repeat_every_ms: Ints
    repeat_until_acknowledged: Bools


def default_lines(rows: int) -> LineColumns:
    """Return the lines of accounts that give none."""
    ratios, times = np.empty((3, rows)), np.empty((2, rows), np.int64)
    ratios[:], times[:] = _RATIOS, _TIMES_MS
    return LineColumns(
        warning=ratios[0],
        margin_call=ratios[1],
        hysteresis=ratios[2],
        ease_after_ms=times[0],
        repeat_every_ms=times[1],
        repeat_until_acknowledged=np.zeros(rows, np.bool_),
    )


def _lines(documents: Sequence[AccountDocument]) -> tuple[LineColumns, Bools]:
    """Return the lines of every account, most have the defaults, and where their order is wrong."""
    rows = len(documents)
    columns = default_lines(rows)
    wrong = np.zeros(rows, np.bool_)
    for row, document in enumerate(documents):
        if document.thresholds is None and document.repeat is None:
            continue
        lines = thresholds_of(document)
        for name, column in columns.items():
            column[row] = getattr(lines, name)  # type: ignore[index]
        wrong[row] = not in_order(lines)
    return columns, wrong


class _LegColumns(TypedDict):
    symbol: Words[str]
    isolated: Bools
    contracts: Floats
    entry_price: Floats
    contract_size: Floats
    leverage: Floats
    margin: Floats
    mark: Floats


@dataclass(slots=True)
class _Legs:
    """Open positions as columns, before their sizes have a sign; NaN: not given."""

    symbol: Words[str]
    short: Bools
    sided: Bools
    isolated: Bools
    contracts: Floats  # unsigned
    entry_price: Floats
    contract_size: Floats
    leverage: Floats
    given_margin: Floats
    collateral: Floats  # ccxt's: has the unrealised PnL in
    without_pnl: Floats  # the collateral, less that
    mark: Floats
    stop_loss: Floats
    take_profit: Floats
    loss_budget: Floats

    @classmethod
    def of(
        cls,
        rows: Sequence[PositionDocument],
        owner: Ints,
        documents: Sequence[AccountDocument],
        marked: Collection[str],
    ) -> "_Legs":
        symbol, side = Words.of([row.symbol for row in rows]), [row.side for row in rows]
        mark = _floats([row.mark_price for row in rows])
        if marked:
            dropped = np.array([word in marked for word in symbol.words], np.bool_)
            mark[dropped[symbol.code]] = np.nan
        collateral = _floats([row.collateral for row in rows])
        pnl = np.nan_to_num(_floats([row.unrealized_pnl for row in rows]))
        with np.errstate(over="ignore"):  # what overflows is at fault
            without_pnl = collateral - pnl
        return cls(
            symbol=symbol,
            short=np.array([each == "short" for each in side], np.bool_),
            sided=np.array([each is not None for each in side], np.bool_),
            isolated=_isolated(rows, owner, documents),
            contracts=_floats([row.contracts for row in rows]),
            entry_price=_floats([row.entry_price for row in rows]),
            contract_size=_floats([row.contract_size for row in rows]),
            leverage=_floats([row.leverage for row in rows]),
            given_margin=_floats([row.margin for row in rows]),
            collateral=collateral,
            without_pnl=without_pnl,
            mark=mark,
            stop_loss=_floats([row.stop_loss_price for row in rows]),
            take_profit=_floats([row.take_profit_price for row in rows]),
            loss_budget=_floats([row.loss_budget for row in rows]),
        )

    def suspects(self, owner: Ints) -> Ints:
        """Return the rows of accounts to look at, in no order and perhaps more than once."""
        lacking = np.isnan(self.given_margin) & np.isnan(self.collateral) & np.isnan(self.leverage)
        wrong = (self.contracts < 0.0) | ~self.sided | ~(self.entry_price > 0.0)
        wrong |= (self.leverage <= 0.0) | (self.contract_size <= 0.0) | (self.mark <= 0.0)
        wrong |= (self.stop_loss < 0.0) | (self.take_profit < 0.0) | (self.loss_budget <= 0.0)
        wrong |= (self.isolated & lacking) | np.isinf(self.without_pnl)
        name = (self.symbol.code * 2 + self.short) * 2 + self.isolated
        marked = np.flatnonzero(~np.isnan(self.mark))
        conflicting = marked[repeated(owner[marked], self.symbol.code[marked])]
        return np.concatenate((np.flatnonzero(wrong), repeated(owner, name), conflicting))

    def columns(self) -> _LegColumns:
        margin = np.where(np.isnan(self.given_margin), self.without_pnl, self.given_margin)
        return _LegColumns(
            symbol=self.symbol,
            isolated=self.isolated,
            contracts=np.where(self.short, -self.contracts, self.contracts),
            entry_price=self.entry_price,
            contract_size=self.contract_size,
            leverage=self.leverage,
            margin=np.where(self.isolated, margin, np.nan),
            mark=self.mark,
        )


def _isolated(
    rows: Sequence[PositionDocument], owner: Ints, documents: Sequence[AccountDocument]
) -> Bools:
    """Return which positions are isolated; one that does not say is as its account says."""
    modes = [row.margin_mode for row in rows]
    isolated = np.array([mode == "isolated" for mode in modes], np.bool_)
    if None in modes:
        by_default = np.array([each.margin_mode == "isolated" for each in documents], np.bool_)
        isolated |= np.array([mode is None for mode in modes], np.bool_) & by_default[owner]
    return isolated


class _HoldingColumns(TypedDict):
    asset: Words[str]
    amount: Floats
    weight: Floats
    price: Floats


def _holdings(rows: Sequence[BalanceDocument], assets: Words[str]) -> _HoldingColumns:
    weight = _floats([row.weight for row in rows])
    return _HoldingColumns(
        asset=assets,
        amount=_floats([row.amount for row in rows]),
        weight=np.where(np.isnan(weight), 1.0, weight),
        price=_floats([row.price for row in rows]),
    )


def repeated(owner: Ints, code: Ints) -> Ints:
    """Return a row of each owner that has a code twice."""
    number = owner * (int(code.max(initial=0)) + 1) + code
    order = np.argsort(number)
    again: Ints = order[1:][np.diff(number[order]) == 0]
    return again


def _ints(values: list[int]) -> Ints:
    return np.array(values, np.int64)


def _floats(values: Sequence[float | None]) -> Floats:
    """Return a column, NaN for None; most are given by all or by none, which is a short way."""
    missing = values.count(None)
    if missing == len(values):
        return np.full(len(values), np.nan)
    if missing:
        return np.array(values, np.float64)
    return np.fromiter(values, np.float64, len(values))
