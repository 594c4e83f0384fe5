"""Compiled: the parts of JSON that is known to be well formed, wherever they begin.

Whatever a part cannot be sure about is NOT_READ: a text with an escape, one that is no ASCII, a
number of many digits. Then somebody else reads all of it. Texts end with PADDING zeros.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from service.risk.columns import Bytes, Ints
from service.risk.compiled import called, inlined
from service.text.machine import leading_zeros, word_at
from service.text.numerals import NOT_READ, read_number

PADDING = 16
PROBES_MAX = 64  # for a word among others: more is no accident
_WORD_BYTES = 8
_QUOTE, _ESCAPE, _COMMA, _COLON = map(ord, '"\\,:')
_OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = map(ord, "{}[]")
_BLANK, _DELETE = ord(" "), 0x7F
_NULL = int.from_bytes(b"null", "little")
_MIX = 0x2545_F491_4F6C_DD1D


def _eight_times(byte: int) -> int:
    return int.from_bytes(bytes([byte]) * _WORD_BYTES, "little", signed=True)


_QUOTES, _ESCAPES, _DELETES, _BLANKS = map(_eight_times, (_QUOTE, _ESCAPE, _DELETE, _BLANK))
_ONES, _HIGHEST_BITS = _eight_times(1), _eight_times(0x80)


class Words(NamedTuple):
    """The different words of a text, each of a kind; its number counts those of its kind."""

    columns: Ints  # (4, words): start, end, kind, number
    slots: Ints  # a power of two: the place of a word here, and one more; 0: none
    counts: Ints  # of each kind, then of all, then a seed that nobody outside knows


START, END, KIND, NUMBER = range(4)


@cache
def names(words: tuple[str, ...]) -> Ints:
    """Return names as they are looked for: length, and the bytes in two words; shape (names, 3)."""
    assert all(len(word) <= 2 * _WORD_BYTES for word in words)
    texts = [word.encode().ljust(2 * _WORD_BYTES, b"\0") for word in words]
    halves = np.frombuffer(b"".join(texts), np.int64).reshape(-1, 2)
    found = np.column_stack(([len(word) for word in words], halves))
    found.flags.writeable = False
    return found


@called
def skip_blanks(text: Bytes, at: int) -> int:
    """Return where the next part begins."""
    while text[at] != 0 and text[at] <= _BLANK:
        at += 1
    return at


@called
def text_end(text: Bytes, at: int) -> int:
    """Return where the closing quote of a text is that begins there; NOT_READ with an escape."""
    stops = _stops(word_at(text, at))
    while not stops:
        at += _WORD_BYTES
        stops = _stops(word_at(text, at))
    first = stops & -stops
    at += (8 * _WORD_BYTES - 1 - leading_zeros(first)) >> 3
    return at if text[at] == _QUOTE else NOT_READ


@inlined
def _stops(word: int) -> int:
    """Return a word whose lowest bit is in the first byte that no plain text has; 0: all has.

    A byte less its bound turns negative where it is below, and only then borrows from the next.
    """
    quote, escape, delete = word ^ _QUOTES, word ^ _ESCAPES, word ^ _DELETES
    stops = ((quote - _ONES) & ~quote) | ((escape - _ONES) & ~escape)
    stops |= ((delete - _ONES) & ~delete) | ((word - _BLANKS) & ~word)
    return (stops | word) & _HIGHEST_BITS


@called
def name_of(text: Bytes, start: int, end: int, known: Ints, likely: int) -> int:
    """Return which of some names stands there, NOT_READ where none of them; `likely` is a guess."""
    length = end - start
    if length > 2 * _WORD_BYTES:
        return NOT_READ
    first = _masked(word_at(text, start), length)
    second = _masked(word_at(text, start + _WORD_BYTES), length - _WORD_BYTES)
    for turn in range(len(known)):
        name = likely + turn
        if name >= len(known):
            name -= len(known)
        if known[name, 0] == length and known[name, 1] == first and known[name, 2] == second:
            return name
    return NOT_READ


@called
def _masked(word: int, length: int) -> int:
    """Return the first bytes of a word."""
    if length <= 0:
        return 0
    return word & ((1 << 8 * length) - 1) if length < _WORD_BYTES else word


@called
def read_key(text: Bytes, at: int, known: Ints, likely: int) -> tuple[int, int]:
    """Return which key begins there, NOT_READ for another, and where its value does (or not)."""
    if text[at] != _QUOTE:
        return NOT_READ, NOT_READ
    end = text_end(text, at + 1)
    if end < 0:
        return NOT_READ, NOT_READ
    key = name_of(text, at + 1, end, known, likely)
    at = skip_blanks(text, end + 1)
    if text[at] != _COLON:
        return NOT_READ, NOT_READ
    return key, skip_blanks(text, at + 1)


@called
def read_name(text: Bytes, at: int, known: Ints) -> tuple[int, int]:
    """Return which of some names a text is, and where it ends."""
    if text[at] != _QUOTE:
        return NOT_READ, NOT_READ
    end = text_end(text, at + 1)
    name = name_of(text, at + 1, end, known, 0) if end > 0 else NOT_READ
    return name, end + 1 if name >= 0 else NOT_READ


@called
def read_figure(text: Bytes, at: int) -> tuple[float, int]:
    """Return a number, or a text that is one, and where it ends."""
    if text[at] != _QUOTE:
        return read_number(text, at)
    value, at = read_number(text, at + 1)
    if at < 0 or text[at] != _QUOTE:
        return value, NOT_READ
    return value, at + 1


@called
def is_null(text: Bytes, at: int) -> bool:
    return word_at(text, at) & 0xFFFF_FFFF == _NULL


@called
def skip_value(text: Bytes, at: int) -> int:
    """Return where a value ends, whatever it is."""
    depth = 0
    while True:
        letter = text[at]
        if letter == 0:
            return NOT_READ
        if letter == _QUOTE:
            at += 1
            while text[at] != _QUOTE:
                if text[at] == 0:
                    return NOT_READ
                at += 2 if text[at] == _ESCAPE else 1
        elif letter in (_OPEN, _OPEN_LIST):
            depth += 1
        elif letter in (_CLOSE, _CLOSE_LIST):
            if depth == 0:
                return at
            depth -= 1
        elif letter == _COMMA and depth == 0:
            return at
        at += 1
        if depth == 0 and letter in (_QUOTE, _CLOSE, _CLOSE_LIST):
            return at


@called
def enter(text: Bytes, start: int, end: int, kind: int, words: Words) -> int:
    """Return a word's number among those of its kind; NOT_READ: there are too many like it."""
    mask, slots, counts = len(words.slots) - 1, words.slots, words.counts
    slot = _hashed(text, start, end, counts[-1] + kind) & mask
    for _ in range(PROBES_MAX):
        place = slots[slot] - 1
        if place < 0:
            number, place = counts[kind], counts[-2]
            words.columns[START, place], words.columns[END, place] = start, end
            words.columns[KIND, place], words.columns[NUMBER, place] = kind, number
            counts[kind] += 1
            counts[-2] += 1
            slots[slot] = place + 1
            return int(number)
        if words.columns[KIND, place] == kind and _same(text, start, end, words, place):
            return int(words.columns[NUMBER, place])
        slot = (slot + 1) & mask
    return NOT_READ


@called
def sort_words(words: Words, places: Ints) -> None:
    """Put where words start and end side by side, kind by kind in the order of their numbers."""
    for place in range(words.counts[-2]):
        at = words.columns[NUMBER, place]
        for kind in range(words.columns[KIND, place]):
            at += words.counts[kind]
        places[0, at], places[1, at] = words.columns[START, place], words.columns[END, place]


@called
def _hashed(text: Bytes, start: int, end: int, seed: int) -> int:
    mixed = seed
    for at in range(start, end, _WORD_BYTES):
        mixed = (mixed ^ _masked(word_at(text, at), end - at)) * _MIX
        mixed ^= mixed >> 29
    return mixed


@called
def _same(text: Bytes, start: int, end: int, words: Words, place: int) -> bool:
    length, other = end - start, words.columns[START, place]
    same = words.columns[END, place] - other == length
    for at in range(0, length if same else 0, _WORD_BYTES):
        difference = word_at(text, start + at) ^ word_at(text, other + at)
        same &= _masked(difference, length - at) == 0
    return bool(same)
