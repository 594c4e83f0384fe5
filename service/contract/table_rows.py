"""Compiled: rows of a table by account, and a look at all of them that says whether they are good.

Rows mostly stand by account already, and mostly they are good: both is seen in one pass. What is
wrong with rows that are not is for others to say.
"""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Bools, Floats, Ints
from service.risk.compiled import Direct, compiled


class Positions(NamedTuple):
    """Columns of positions, an account's behind those of the one before; NaN: not given."""

    symbol: Ints
    isolated: Bools
    contracts: Floats  # signed
    leverage: Floats
    margin: Floats
    mark: Floats


def by_account(owner: Ints, kept: Bools, accounts: int) -> tuple[Ints | None, Ints]:
    """Return the rows that are kept, by account, and how many each has; None: as they stand."""
    counts, rows = np.zeros(accounts, np.int64), np.empty(len(owner), np.int64)
    starts = np.empty(accounts, np.int64)
    count = _sort_rows(owner, kept, counts, starts, rows)
    return (None if count < 0 else rows[:count]), counts


def _sort(owner: Ints, kept: Bools, counts: Ints, starts: Ints, rows: Ints) -> int:
    """Write the rows in order; -1: they are already."""
    last, in_order = 0, True
    for row in range(len(owner)):
        if kept[row]:
            counts[owner[row]] += 1
        in_order = in_order and kept[row] and owner[row] >= last
        last = owner[row]
    if in_order:
        return -1
    count = 0
    for account in range(len(counts)):
        starts[account] = count
        count += counts[account]
    for row in range(len(owner)):
        if kept[row]:
            rows[starts[owner[row]]] = row
            starts[owner[row]] += 1
    return count


def are_good(counts: Ints, positions: Positions, symbols: int) -> bool:
    """Whether isolated positions have a margin, and accounts no position or mark twice.

    `counts` are of each account. A mark that is there twice is good if it is the same.
    """
    seen, marked, marks = (
        np.zeros(4 * symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.empty(symbols),
    )
    return bool(_look(counts, positions, seen, marked, marks))


def _are_good(counts: Ints, positions: Positions, seen: Ints, marked: Ints, marks: Floats) -> bool:
    """`seen` and `marked`: the last account, counted from 1, with a position or mark of a name."""
    row = 0
    for account in range(len(counts)):
        for _ in range(counts[account]):
            symbol, isolated, mark = (
                positions.symbol[row],
                positions.isolated[row],
                positions.mark[row],
            )
            if isolated and np.isnan(positions.margin[row]) and np.isnan(positions.leverage[row]):
                return False
            name = (symbol * 2 + (positions.contracts[row] < 0.0)) * 2 + isolated
            if seen[name] == account + 1:
                return False
            seen[name] = account + 1
            if not np.isnan(mark):
                if marked[symbol] == account + 1 and marks[symbol] != mark:
                    return False
                marked[symbol], marks[symbol] = account + 1, mark
            row += 1
    return True


def all_differ(counts: Ints, code: Ints, codes: int) -> bool:
    """Whether no account, of which each has so many rows, has a code twice."""
    return bool(_differ(counts, code, np.zeros(codes, np.int64)))


def _all_differ(counts: Ints, code: Ints, seen: Ints) -> bool:
    row = 0
    for account in range(len(counts)):
        for _ in range(counts[account]):
            if seen[code[row]] == account + 1:
                return False
            seen[code[row]] = account + 1
            row += 1
    return True


def come_in_order(codes: Ints, many: int) -> bool:
    """Whether so many codes are all there, and come first in the order of their numbers."""
    return bool(_find_order(codes, many))


def _come_in_order(codes: Ints, many: int) -> bool:
    known = 0
    for row in range(len(codes)):
        if codes[row] < 0 or codes[row] > known:
            return False
        known += codes[row] == known
    return known == many


def warm_up() -> None:
    """Have it compiled, or read from where it was kept: no call waits for that later."""
    none = np.zeros(0, np.int64)
    by_account(none, none != 0, 0)
    come_in_order(none, 0)
    all_differ(none, none, 0)


_find_order = Direct(compiled(_come_in_order))
_sort_rows = Direct(compiled(_sort))
_look = Direct(compiled(_are_good))
_differ = Direct(compiled(_all_differ))
