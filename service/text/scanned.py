"""Accounts as they were read: columns, and which key of a client's goes to which of them."""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Floats, Ints
from service.text.scanning import Words

# Keys in the order of the columns that their values go to: numbers, a word, names.
FIGURES = (
    "contracts",
    "entryPrice",
    "leverage",
    "contractSize",
    "markPrice",
    "margin",
    "collateral",
    "unrealizedPnl",
    "stopLossPrice",
    "takeProfitPrice",
    "lossBudget",
)
POSITION_KEYS = (*FIGURES, "symbol", "side", "marginMode")
HELD_FIGURES = ("amount", "weight", "price")
BALANCE_KEYS = (*HELD_FIGURES, "asset")
ACCOUNT_KEYS = ("id", "venue", "marginMode", "collateralMode", "balances", "positions")
KEYS_OF_OTHERS = ("thresholds", "repeat", "healthLimits")  # known, and not read here
SIDES, MODES, COLLATERAL = ("long", "short"), ("cross", "isolated"), ("single", "multi")


IDS, SYMBOLS, ASSETS = range(3)  # kinds of words


class Scanned(NamedTuple):
    """What was read, columns of three tables; -1 for a name that is not given, NaN for a number.

    How often a word comes among those of its kind, and where it is in the text, stands in `words`.
    """

    accounts: Ints  # (columns, accounts): venue, multi, isolated, positions, balances
    figures: Floats  # (figures, positions): of open positions
    positions: Ints  # (columns, positions): symbol, side, mode
    held: Floats  # (figures, balances)
    balances: Ints  # (1, balances): asset
    words: Words
    places: Ints  # (2, words): where words start and end, kind by kind, by their numbers
    counts: Ints  # accounts, open positions, balances, positions


VENUE, MULTI, ISOLATED, POSITIONS, BALANCES = range(5)
SYMBOL, SIDE, MODE = range(3)
ACCOUNTS, OPEN_ROWS, HELD_ROWS, ROWS = range(4)


def empty(objects: int, seed: int) -> Scanned:
    """Return room for what a text of so many objects may have."""
    slots = 1 << (2 * objects).bit_length()
    words = Words(
        np.empty((4, objects), np.int64), np.zeros(slots, np.int64), np.zeros(5, np.int64)
    )
    words.counts[-1] = seed
    return Scanned(
        np.empty((5, objects), np.int64),
        np.empty((len(FIGURES), objects)),
        np.empty((3, objects), np.int64),
        np.empty((len(HELD_FIGURES), objects)),
        np.empty((1, objects), np.int64),
        words,
        np.empty((2, objects), np.int64),
        np.zeros(4, np.int64),
    )
