"""Compiled: columns written as JSON, each as a list, without the interpreter's lock.

A listing has a step for each column: the text before its items, and where they are. Many columns
have the same value in all rows: that is written once, and copied in pieces that double. A few words
that come again and again are put side by side first, each in a place of the same size: then a word
is written eight bytes at a time, a few more than it has, and the next one over these. Columns may
be written already: then their texts are put where they belong.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from service.risk.columns import Bytes, Ints
from service.risk.compiled import Direct, called, compiled
from service.text.decimals import FIGURE_BYTES_MAX, ZEROS, eight_digits, put_number
from service.text.machine import address_of, copy_bytes, divide, put_word, word_at

WHOLE_BYTES_MAX = 19
_COMMA = ord(",")
_WORD_BYTES, _EIGHT_DIGITS = 8, 10**8
_PLACE_BYTES_MAX = 72  # of a word and a comma: names have up to 64 letters
SLACK = _PLACE_BYTES_MAX  # written over behind the end
_OFTEN = 4  # rows a word: so many are worth a place


class Step(IntEnum):
    """The columns of a listing, a row a step."""

    ADDRESS = 0  # of the text before the items
    LENGTH = 1
    KIND = 2
    PLACE = 3  # of the first item, among all bits, or all codes
    BASE = 4  # of words: the first one among all
    ROWS = 5
    TABLE = 6  # which of the tables the column is of
    WORDS = 7  # how many have a place of their own while the column is written
    SIZE = 8  # of each place


class Kind(IntEnum):
    """What the items are."""

    FIGURE = 0
    WORD = 1
    WHOLE = 2  # whole numbers from 0 on: its codes
    NOTHING = 3  # none: the step is its text
    WRITTEN = 4  # written by somebody else: the address at PLACE, the length at BASE


_ADDRESS, _LENGTH, _KIND, _PLACE, _BASE, _ROWS, _TABLE, _WORDS, _SIZE = map(int, Step)
_FIGURE, _WORD, _WHOLE, _NOTHING, _WRITTEN = map(int, Kind)


class Listing(NamedTuple):
    """The steps, and the columns they are about, one after the other; who calls holds the texts."""

    steps: Ints  # (steps, 9), see `Step`
    bits: Ints  # of figures
    codes: Ints
    addresses: Ints  # of words
    lengths: Ints


def _lay_out(listing: Listing, rows: Ints, words: Ints) -> tuple[int, int]:
    """Write into the steps where their columns are; return how many bytes all takes at most.

    And how many the places of any column's words take. `rows` are of each table, `words` the first
    words of the columns that have words.
    """
    steps, room, places = listing.steps, SLACK, 0
    figures, codes, column = 0, 0, 0
    for step in range(len(steps)):
        room += steps[step, _LENGTH]
        if steps[step, _KIND] == _NOTHING:
            continue
        if steps[step, _KIND] == _WRITTEN:
            room += steps[step, _BASE]
            continue
        many = rows[steps[step, _TABLE]]
        steps[step, _ROWS] = many
        room += many  # commas
        if steps[step, _KIND] == _FIGURE:
            steps[step, _PLACE] = figures
            figures += many
            room += many * FIGURE_BYTES_MAX
            continue
        steps[step, _PLACE] = codes
        if steps[step, _KIND] == _WORD:
            steps[step, _BASE] = words[column]
            column += 1
            room += _lay_words_out(listing, step)
            places = max(places, steps[step, _WORDS] * steps[step, _SIZE])
        else:
            room += many * WHOLE_BYTES_MAX
        codes += many
    return room, places


@called
def _lay_words_out(listing: Listing, step: int) -> int:
    """Write how many words are to have places, and of what size; return how long all rows are."""
    steps, letters, longest, words = listing.steps, 0, 0, 0
    place, base = steps[step, _PLACE], steps[step, _BASE]
    for code in listing.codes[place : place + steps[step, _ROWS]]:
        length = listing.lengths[base + code]
        letters += length
        longest, words = max(longest, length), max(words, code + 1)
    size = (longest // _WORD_BYTES + 1) * _WORD_BYTES
    often = size <= _PLACE_BYTES_MAX and words * _OFTEN <= steps[step, _ROWS]
    steps[step, _WORDS], steps[step, _SIZE] = words if often else 0, size
    return letters


def _write(listing: Listing, places: Bytes, out: Bytes, address: int) -> int:
    """Write all into `out`, which is at an address; return how many bytes that are.

    `places` has room for those of any column's words.
    """
    steps, at = listing.steps, 0
    for step in range(len(steps)):
        copy_bytes(out, at, steps[step, _ADDRESS], steps[step, _LENGTH])
        at += steps[step, _LENGTH]
        rows = steps[step, _ROWS]
        if steps[step, _KIND] == _WRITTEN:
            copy_bytes(out, at, steps[step, _PLACE], steps[step, _BASE])
            at += steps[step, _BASE]
        elif rows and _is_one(listing, step):
            begin = at
            at = _put(listing, step, 0, out, at)
            at = _repeat(out, address, begin, at - begin, rows)
        else:
            at = _put_column(listing, step, places, out, at)
    return at


@called
def _put_column(listing: Listing, step: int, places: Bytes, out: Bytes, at: int) -> int:
    """Write the items of a column; return where the last one ends."""
    rows = listing.steps[step, _ROWS]
    if listing.steps[step, _WORDS]:
        return _put_words(listing, step, places, out, at)
    for row in range(rows):
        at = _put(listing, step, row, out, at)
        out[at] = _COMMA
        at += 1
    return int(at - (rows > 0))


@called
def _put_words(listing: Listing, step: int, places: Bytes, out: Bytes, at: int) -> int:
    """Write words that come often; return where the last one ends."""
    base, size = listing.steps[step, _BASE], listing.steps[step, _SIZE]
    for word in range(listing.steps[step, _WORDS]):
        length = listing.lengths[base + word]
        if length < size:  # else no row has it
            copy_bytes(places, word * size, listing.addresses[base + word], length)
            places[word * size + length] = _COMMA
    first = listing.steps[step, _PLACE]
    for row in range(first, first + listing.steps[step, _ROWS]):
        word = listing.codes[row]
        for part in range(0, size, _WORD_BYTES):
            put_word(out, at + part, word_at(places, word * size + part))
        at += listing.lengths[base + word] + 1
    return int(at - 1)


@called
def _is_one(listing: Listing, step: int) -> bool:
    """Whether all items of a column are the same."""
    place, rows = listing.steps[step, _PLACE], listing.steps[step, _ROWS]
    items = listing.bits if listing.steps[step, _KIND] == _FIGURE else listing.codes
    row = 1
    while row < rows and items[place + row] == items[place]:
        row += 1
    return bool(row == rows)


@called
def _put(listing: Listing, step: int, row: int, out: Bytes, at: int) -> int:
    """Write an item; return where it ends."""
    kind, place = listing.steps[step, _KIND], listing.steps[step, _PLACE] + row
    if kind == _FIGURE:
        return put_number(out, at, listing.bits[place])
    if kind == _WHOLE:
        return _put_whole(out, at, listing.codes[place])
    word = listing.steps[step, _BASE] + listing.codes[place]
    copy_bytes(out, at, listing.addresses[word], listing.lengths[word])
    return int(at + listing.lengths[word])


@called
def _put_whole(out: Bytes, at: int, number: int) -> int:
    """Write a number eight digits at a time, from its first ones on; these may be fewer."""
    below = 1
    while divide(number, below) >= _EIGHT_DIGITS:
        below *= _EIGHT_DIGITS
    part, digits, least = divide(number, below), 1, 10
    while part >= least:
        digits, least = digits + 1, 10 * least
    put_word(out, at, (eight_digits(part) + ZEROS) >> 8 * (_WORD_BYTES - digits))
    at += digits
    while below > 1:
        number -= part * below
        below = divide(below, _EIGHT_DIGITS)
        part = divide(number, below)
        put_word(out, at, eight_digits(part) + ZEROS)
        at += _WORD_BYTES
    return at


@called
def _repeat(out: Bytes, address: int, begin: int, length: int, rows: int) -> int:
    """Write an item that begins there so many times in all; return where the last one ends."""
    out[begin + length] = _COMMA
    done, wanted = length + 1, rows * (length + 1)
    while done < wanted:
        part = min(done, wanted - done)
        copy_bytes(out, begin + done, address + begin, part)
        done += part
    return begin + wanted - 1


_lay_all_out = Direct(compiled(_lay_out))
_write_all = Direct(compiled(_write))


@dataclass(frozen=True, slots=True)
class Laid:
    """A listing, and the room in which its text is to stand."""

    listing: Listing
    places: Bytes
    out: Bytes

    def write(self) -> int:
        """Write the text at the beginning of `out`; return its length.

        The interpreter's lock is needed only when that is done.
        """
        out = self.out
        length: int = _write_all(self.listing, self.places, out, address_of(out))
        return length


def laid_out(listing: Listing, rows: Ints, words: Ints) -> Laid:
    """Return a listing with room for its text.

    `rows` are of each table, `words` the first of each column's. Of the steps all from `PLACE` on
    but `TABLE` are written here.
    """
    room, places_bytes = _lay_all_out(listing, rows, words)
    return Laid(listing, np.empty(places_bytes, np.uint8), np.empty(room, np.uint8))
