"""Compiled: whether accounts that were read are sound, and what follows where they are silent.

What is unsound here has a fault of its own; what that is somebody else says who reads it again.
"""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Bools, Floats, Ints
from service.risk.compiled import Direct, called, compiled
from service.text.scanned import (
    ACCOUNTS,
    ASSETS,
    BALANCES,
    FIGURES,
    HELD_FIGURES,
    ISOLATED,
    MODE,
    MULTI,
    OPEN_ROWS,
    POSITIONS,
    SIDE,
    SYMBOL,
    SYMBOLS,
    Scanned,
)

(
    CONTRACTS,
    ENTRY_PRICE,
    LEVERAGE,
    CONTRACT_SIZE,
    MARK,
    MARGIN,
    _COLLATERAL,
    _PNL,
    _STOP,
    _PROFIT,
    _BUDGET,
) = range(len(FIGURES))
AMOUNT, WEIGHT, PRICE = range(len(HELD_FIGURES))
_SHORT = _IS_ISOLATED = _IS_MULTI = 1


class _Notes(NamedTuple):
    """The last account, counted from 1, that had a position of a name, a mark, an asset."""

    named: Ints  # (symbols x side x mode)
    marked: Ints  # (symbols)
    mark: Floats
    held: Ints  # (assets)


class Modes(NamedTuple):
    """Which accounts count all in USD, and which positions have a margin of their own."""

    multi: Bools
    isolated: Bools


def _settle(found: Scanned, unread: Bools, notes: _Notes, modes: Modes) -> bool:
    row, held = 0, 0
    for account in range(found.counts[ACCOUNTS]):
        default = found.accounts[ISOLATED, account] == _IS_ISOLATED
        modes.multi[account] = found.accounts[MULTI, account] == _IS_MULTI
        for _ in range(found.accounts[POSITIONS, account]):
            if found.positions[MODE, row] < 0:
                found.positions[MODE, row] = default
            modes.isolated[row] = found.positions[MODE, row] == _IS_ISOLATED
            if unread[found.positions[SYMBOL, row]]:
                found.figures[MARK, row] = np.nan
            if not (_is_sound(found, row) and _is_new(found, row, account + 1, notes)):
                return False
            _put_sign_and_margin(found, row)
            row += 1
        for _ in range(found.accounts[BALANCES, account]):
            asset = found.balances[0, held]
            if notes.held[asset] == account + 1:
                return False
            notes.held[asset] = account + 1
            if np.isnan(found.held[WEIGHT, held]):
                found.held[WEIGHT, held] = 1.0
            held += 1
    return True


@called
def _is_sound(found: Scanned, row: int) -> bool:
    """Whether a position has what an open one needs, and nothing that cannot be."""
    figures = found.figures
    lacking = np.isnan(figures[MARGIN, row]) and np.isnan(figures[_COLLATERAL, row])
    lacking = lacking and np.isnan(figures[LEVERAGE, row])
    wrong = figures[CONTRACTS, row] < 0.0 or not figures[ENTRY_PRICE, row] > 0.0
    wrong |= found.positions[SIDE, row] < 0 or figures[LEVERAGE, row] <= 0.0
    wrong |= figures[CONTRACT_SIZE, row] <= 0.0 or figures[MARK, row] <= 0.0
    wrong |= figures[_STOP, row] < 0.0 or figures[_PROFIT, row] < 0.0
    wrong |= figures[_BUDGET, row] <= 0.0
    wrong |= found.positions[MODE, row] == _IS_ISOLATED and lacking
    return not (wrong or np.isinf(_without_pnl(found, row)))


@called
def _without_pnl(found: Scanned, row: int) -> float:
    """Return a collateral less the unrealised PnL that ccxt's has in."""
    pnl = found.figures[_PNL, row]
    return float(found.figures[_COLLATERAL, row] - (0.0 if np.isnan(pnl) else pnl))


@called
def _is_new(found: Scanned, row: int, owner: int, notes: _Notes) -> bool:
    """Whether an account has no other position of that name, and no other mark of its symbol."""
    symbol, mark = found.positions[SYMBOL, row], found.figures[MARK, row]
    name = (symbol * 2 + found.positions[SIDE, row]) * 2 + found.positions[MODE, row]
    new = notes.named[name] != owner
    notes.named[name] = owner
    if not np.isnan(mark):
        new &= notes.marked[symbol] != owner or notes.mark[symbol] == mark
        notes.marked[symbol], notes.mark[symbol] = owner, mark
    return bool(new)


@called
def _put_sign_and_margin(found: Scanned, row: int) -> None:
    if found.positions[SIDE, row] == _SHORT:
        found.figures[CONTRACTS, row] = -found.figures[CONTRACTS, row]
    if found.positions[MODE, row] != _IS_ISOLATED:
        found.figures[MARGIN, row] = np.nan
    elif np.isnan(found.figures[MARGIN, row]):
        found.figures[MARGIN, row] = _without_pnl(found, row)


_settle_all = Direct(compiled(_settle))


def settle(found: Scanned, unread: Bools) -> Modes | None:
    """Put signs and margins where they follow from the rest; None: something is unsound.

    `unread`: the symbols whose positions' own marks are not read.
    """
    symbols, assets = found.words.counts[SYMBOLS], found.words.counts[ASSETS]
    notes = _Notes(
        np.zeros(4 * symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.empty(symbols),
        np.zeros(assets, np.int64),
    )
    accounts, rows = int(found.counts[ACCOUNTS]), int(found.counts[OPEN_ROWS])
    modes = Modes(np.empty(accounts, np.bool_), np.empty(rows, np.bool_))
    return modes if _settle_all(found, unread, notes, modes) else None
