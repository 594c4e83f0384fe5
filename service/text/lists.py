"""Compiled: columns as clients write them in JSON, lists of numbers, names or a few known words.

What a list may have that is not plain, and whatever may be wrong with it, is not read: then the
decoder that knows everything reads the call again, and knows what to say of it.
"""

import numpy as np

from service.risk.columns import Bytes, Floats, Ints, Words
from service.risk.compiled import Direct, called, compiled
from service.text.numerals import NOT_READ
from service.text.scanning import (
    END,
    PADDING,
    START,
    enter,
    is_null,
    names,
    read_figure,
    read_name,
    skip_blanks,
    text_end,
)
from service.text.scanning import Words as FoundWords

_COMMA, _QUOTE, _BREAK = map(ord, ',"\n')
_OPEN, _CLOSE = map(ord, "[]")
_NULL_BYTES = len("null")
_KIND = 0  # the only kind of words in a list
_MANY_BYTES = 4_096  # from so many on a column of them is sooner counted


def items_of(text: bytes) -> int:
    """Return how many items a list has at most: one more than there are commas."""
    if len(text) < _MANY_BYTES:
        return text.count(b",") + (not text[1:-1].isspace() and len(text) > len("[]"))
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == _COMMA)) + 1


def read_figures(text: bytes, low: float, high: float, rows: int) -> Floats | None:
    """Return a list of numbers from `low` to `high`, or null: NaN; None: it is not ours.

    No list is ours that has more than so many rows.
    """
    padded, figures = _padded(text), np.empty(rows)
    count = _read_figures(padded, low, high, figures)
    return None if count < 0 else figures[:count]


def read_words(text: bytes, seed: int, rows: int) -> Words[str] | None:
    """Return a list of names; None: it is not ours. `seed`: nobody outside knows it."""
    padded = _padded(text)
    slots = 1 << (2 * rows).bit_length()
    found = FoundWords(
        np.empty((4, rows), np.int64), np.zeros(slots, np.int64), np.zeros(3, np.int64)
    )
    found.counts[-1] = seed
    codes = np.empty(rows, np.int64)
    count = _read_words(padded, codes, found)
    if count < 0:
        return None
    return Words(_listed(padded, found), codes[:count])


def _listed(text: Bytes, found: FoundWords) -> list[str]:
    """Return the words: no word has a line break, and to split a text is sooner done than to cut
    each word out of it.
    """
    lines = np.empty(len(text) + len(found.columns[START]), np.uint8)
    length = _write_lines(text, found, lines)
    return lines[:length].tobytes().decode("ascii").split("\n")[:-1]


def read_choices(text: bytes, allowed: tuple[str, ...], rows: int) -> Ints | None:
    """Return the places of words among a few, -1 for null; None: it is not ours."""
    codes = np.empty(rows, np.int64)
    count = _read_choices(_padded(text), names(allowed), codes)
    return None if count < 0 else codes[:count]


def _padded(text: bytes) -> Bytes:
    return np.frombuffer(text + b"\0" * PADDING, np.uint8)


@called
def _first(text: Bytes) -> int:
    """Return where the first item of a list begins, or its closing bracket stands."""
    at = skip_blanks(text, 0)
    return skip_blanks(text, at + 1) if text[at] == _OPEN else NOT_READ


@called
def _next(text: Bytes, at: int) -> int:
    """Return where the item after one begins, or the closing bracket stands."""
    at = skip_blanks(text, at)
    if text[at] == _COMMA:
        at = skip_blanks(text, at + 1)
        return NOT_READ if text[at] == _CLOSE else at
    return at if text[at] == _CLOSE else NOT_READ


def _figures(text: Bytes, low: float, high: float, figures: Floats) -> int:
    at, count = _first(text), 0
    while at >= 0 and text[at] != _CLOSE:
        if count == len(figures):
            return NOT_READ
        if is_null(text, at):
            figures[count] = np.nan
            at += _NULL_BYTES
        else:
            figures[count], at = read_figure(text, at)
            if at < 0 or not low <= figures[count] <= high:
                return NOT_READ
        count += 1
        at = _next(text, at)
    return count if at >= 0 else NOT_READ


def _words(text: Bytes, codes: Ints, found: FoundWords) -> int:
    at, count = _first(text), 0
    while at >= 0 and text[at] != _CLOSE:
        end = text_end(text, at + 1) if text[at] == _QUOTE else NOT_READ
        if end < 0 or count == len(codes):
            return NOT_READ
        codes[count] = enter(text, at + 1, end, _KIND, found)
        if codes[count] < 0:
            return NOT_READ
        count += 1
        at = _next(text, end + 1)
    return count if at >= 0 else NOT_READ


def _choices(text: Bytes, allowed: Ints, codes: Ints) -> int:
    at, count = _first(text), 0
    while at >= 0 and text[at] != _CLOSE:
        if count == len(codes):
            return NOT_READ
        if is_null(text, at):
            codes[count], at = -1, at + _NULL_BYTES
        else:
            codes[count], at = read_name(text, at, allowed)
            if at < 0:
                return NOT_READ
        count += 1
        at = _next(text, at)
    return count if at >= 0 else NOT_READ


def _lines(text: Bytes, found: FoundWords, lines: Bytes) -> int:
    """Write the words in their order, each with a line break behind it; return how long that is."""
    length = 0
    for word in range(found.counts[_KIND]):
        for at in range(found.columns[START, word], found.columns[END, word]):
            lines[length] = text[at]
            length += 1
        lines[length] = _BREAK
        length += 1
    return length


_write_lines = Direct(compiled(_lines))
_read_figures = Direct(compiled(_figures))
_read_words = Direct(compiled(_words))
_read_choices = Direct(compiled(_choices))
