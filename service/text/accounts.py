"""Compiled: accounts as clients write them become columns, without a record of any of them.

What is common is read here: positions and balances of plain numbers and names. An account that has
more, or anything that might be wrong, is not ours: then the whole list is read by the decoder that
knows everything, and knows what to say of it.
"""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Bytes, Floats, Ints
from service.risk.compiled import Direct, called, compiled
from service.text.numerals import NOT_READ
from service.text.scanned import (
    ACCOUNT_KEYS,
    ACCOUNTS,
    ASSETS,
    BALANCE_KEYS,
    BALANCES,
    COLLATERAL,
    HELD_FIGURES,
    HELD_ROWS,
    IDS,
    ISOLATED,
    KEYS_OF_OTHERS,
    MODE,
    MODES,
    MULTI,
    OPEN_ROWS,
    POSITION_KEYS,
    POSITIONS,
    ROWS,
    SIDE,
    SIDES,
    SYMBOL,
    SYMBOLS,
    VENUE,
    Scanned,
    empty,
)
from service.text.scanning import (
    PADDING,
    enter,
    is_null,
    names,
    read_figure,
    read_key,
    read_name,
    skip_blanks,
    skip_value,
    sort_words,
    text_end,
)

_POSITION_KEYS, _BALANCE_KEYS = names(POSITION_KEYS), names(BALANCE_KEYS)
_ACCOUNT_KEYS = names((*ACCOUNT_KEYS, *KEYS_OF_OTHERS))
_SIDES, _MODES, _COLLATERAL = names(SIDES), names(MODES), names(COLLATERAL)
_, _WEIGHT, _PRICE = range(len(HELD_FIGURES))
_ID, _VENUE, _ACCOUNT_MODE, _COLLATERAL_MODE, _BALANCES, _POSITIONS = range(len(ACCOUNT_KEYS))
_ID_LETTERS = np.zeros(256, np.bool_)
_ID_LETTERS[[*b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-"]] = True
_ID_MAX, _SYMBOL_MAX, _ASSET_MAX = 128, 64, 32
OBJECTS_MAX = 250_000  # some 250 bytes each
_COMMA, _QUOTE, _BLANK, _BAR = map(ord, '," |')
_OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = map(ord, "{}[]")


class _Rows(NamedTuple):
    """Where the values of some keys go: numbers, a word (which is not put there), names."""

    keys: Ints
    figures: Floats
    names: Ints


def _scan(text: Bytes, venues: Ints, found: Scanned) -> bool:
    """Read a list of accounts; whether it is ours."""
    at = skip_blanks(text, 0)
    if text[at] != _OPEN_LIST:
        return False
    at = skip_blanks(text, at + 1)
    while True:
        at = _account(text, at, venues, found)
        if at < 0:
            return False
        at = skip_blanks(text, at)
        if text[at] == _CLOSE_LIST:
            sort_words(found.words, found.places)
            return True
        if text[at] != _COMMA:
            return False
        at = skip_blanks(text, at + 1)


@called
def _next(text: Bytes, at: int) -> int:
    """Return where an object's next key begins, or its closing bracket stands."""
    if at < 0:
        return NOT_READ
    at = skip_blanks(text, at)
    if text[at] == _COMMA:
        at = skip_blanks(text, at + 1)
        return NOT_READ if text[at] == _CLOSE else at
    return at if text[at] == _CLOSE else NOT_READ


@called
def _account(text: Bytes, at: int, venues: Ints, found: Scanned) -> int:
    """Read an account; return where it ends."""
    if text[at] != _OPEN:
        return NOT_READ
    row = found.counts[ACCOUNTS]
    found.accounts[VENUE, row] = found.accounts[MULTI, row] = found.accounts[ISOLATED, row] = -1
    found.accounts[POSITIONS, row] = found.accounts[BALANCES, row] = 0
    seen, likely = 0, 0
    at = skip_blanks(text, at + 1)
    while text[at] != _CLOSE:
        key, at = read_key(text, at, _ACCOUNT_KEYS, likely)
        if at < 0 or (key >= 0 and seen >> key & 1):
            return NOT_READ
        if key < 0:
            at = skip_value(text, at)
        elif is_null(text, at):
            at = NOT_READ if key == _ID else at + 4
        elif key in (_POSITIONS, _BALANCES):
            at = _list(text, at, key == _POSITIONS, found)
        else:
            at = _account_name(text, at, key, venues, found)
        if key >= 0:
            seen, likely = seen | 1 << key, key + 1
        at = _next(text, at)
        if at < 0:
            return NOT_READ
    found.counts[ACCOUNTS] += 1
    return at + 1 if seen >> _ID & 1 else NOT_READ


@called
def _account_name(text: Bytes, at: int, key: int, venues: Ints, found: Scanned) -> int:
    row = found.counts[ACCOUNTS]
    if key == _ID:
        return _id(text, at, found)
    if key == _VENUE:
        found.accounts[VENUE, row], at = read_name(text, at, venues)
    elif key == _ACCOUNT_MODE:
        found.accounts[ISOLATED, row], at = read_name(text, at, _MODES)
    elif key == _COLLATERAL_MODE:
        found.accounts[MULTI, row], at = read_name(text, at, _COLLATERAL)
    else:
        return NOT_READ
    return at


@called
def _id(text: Bytes, at: int, found: Scanned) -> int:
    """Read an id that no other account has."""
    if text[at] != _QUOTE:
        return NOT_READ
    start = end = at + 1
    while _ID_LETTERS[text[end]]:
        end += 1
    if text[end] != _QUOTE or not 0 < end - start <= _ID_MAX:
        return NOT_READ
    number = enter(text, start, end, IDS, found.words)
    return end + 1 if number == found.counts[ACCOUNTS] else NOT_READ


@called
def _list(text: Bytes, at: int, positions: bool, found: Scanned) -> int:
    """Read the positions of an account, or its balances; return where the list ends."""
    if text[at] != _OPEN_LIST:
        return NOT_READ
    at = skip_blanks(text, at + 1)
    if text[at] == _CLOSE_LIST:
        return at + 1
    while True:
        at = _position(text, at, found) if positions else _balance(text, at, found)
        if at < 0:
            return NOT_READ
        at = skip_blanks(text, at)
        if text[at] == _CLOSE_LIST:
            return at + 1
        if text[at] != _COMMA:
            return NOT_READ
        at = skip_blanks(text, at + 1)


@called
def _position(text: Bytes, at: int, found: Scanned) -> int:
    """Read a position, kept where it is open; return where it ends."""
    row = found.counts[OPEN_ROWS]
    found.positions[SIDE, row] = found.positions[MODE, row] = -1
    rows = _Rows(_POSITION_KEYS, found.figures, found.positions)
    start, end, at = _row(text, at, row, rows)
    if at < 0 or end - start > _SYMBOL_MAX:
        return NOT_READ
    found.counts[ROWS] += 1
    if found.figures[0, row] != 0.0:
        found.positions[SYMBOL, row] = enter(text, start, end, SYMBOLS, found.words)
        found.counts[OPEN_ROWS] += 1
        found.accounts[POSITIONS, found.counts[ACCOUNTS]] += 1
        if found.positions[SYMBOL, row] < 0:
            return NOT_READ
    return at


@called
def _balance(text: Bytes, at: int, found: Scanned) -> int:
    """Read a balance; return where it ends."""
    row, held = found.counts[HELD_ROWS], found.held
    start, end, at = _row(text, at, row, _Rows(_BALANCE_KEYS, held, found.balances))
    wrong = at < 0 or end - start > _ASSET_MAX or _is_no_asset(text, start, end)
    wrong |= held[_WEIGHT, row] < 0.0 or held[_WEIGHT, row] > 1.0 or held[_PRICE, row] <= 0.0
    if wrong:
        return NOT_READ
    found.balances[0, row] = enter(text, start, end, ASSETS, found.words)
    found.counts[HELD_ROWS] += 1
    found.accounts[BALANCES, found.counts[ACCOUNTS]] += 1
    return at if found.balances[0, row] >= 0 else NOT_READ


@called
def _row(text: Bytes, at: int, row: int, rows: _Rows) -> tuple[int, int, int]:
    """Read an object of numbers, one word, a side and a mode; it has the first number and the word.

    Return where the word starts and ends, and where the object does.
    """
    if text[at] != _OPEN:
        return 0, 0, NOT_READ
    figures, word = rows.figures, len(rows.figures)
    for figure in range(word):
        figures[figure, row] = np.nan
    seen, likely, start, end = 0, 0, 0, 0
    at = skip_blanks(text, at + 1)
    while text[at] != _CLOSE:
        key, at = read_key(text, at, rows.keys, likely)
        if at < 0 or (key >= 0 and seen >> key & 1):
            return 0, 0, NOT_READ
        if key < 0:
            at = skip_value(text, at)
        elif is_null(text, at) and key not in (0, word):
            at += 4
        elif key < word:
            figures[key, row], at = read_figure(text, at)
        elif key == word:
            start, end, at = _word(text, at)
        else:
            known = _SIDES if key == word + 1 else _MODES
            rows.names[key - word, row], at = read_name(text, at, known)
        if key >= 0:
            seen, likely = seen | 1 << key, key + 1
        at = _next(text, at)
        if at < 0:
            return 0, 0, NOT_READ
    return start, end, at + 1 if seen >> word & seen & 1 else NOT_READ


@called
def _word(text: Bytes, at: int) -> tuple[int, int, int]:
    """Return where a word starts and ends, and where its text does."""
    if text[at] != _QUOTE:
        return 0, 0, NOT_READ
    end = text_end(text, at + 1)
    if end < 0 or end == at + 1:
        return 0, 0, NOT_READ
    return at + 1, end, end + 1


@called
def _is_no_asset(text: Bytes, start: int, end: int) -> bool:
    wrong = False
    for at in range(start, end):
        wrong |= text[at] <= _BLANK or text[at] == _BAR
    return wrong


_scan_all = Direct(compiled(_scan))


def scan_accounts(text: bytes, venues: Ints, seed: int) -> tuple[bytes, Scanned] | None:
    """Read a list of accounts; None: it is not ours.

    `venues` are `names`. Words are places in the text that is returned with what is found.
    """
    objects = text.count(b"{")
    if objects > OBJECTS_MAX:
        return None
    padded = text + b"\0" * PADDING
    found = empty(objects, seed)
    if not _scan_all(np.frombuffer(padded, np.uint8), venues, found):
        return None
    return padded, found
