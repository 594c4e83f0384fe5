"""Compiled: columns written as JSON, each as a list, without the interpreter's lock.

A listing has a step for each column: the text before its items, and where they are. Many columns
have the same value in all rows: that is written once, and copied in pieces that double. Columns may
be written already: then their texts are put where they belong.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from service.risk.columns import Bytes, Ints
from service.risk.compiled import Direct, called, compiled
from service.text.decimals import FIGURE_BYTES_MAX, SLACK, put_number
from service.text.machine import copy_bytes, divide

WHOLE_BYTES_MAX = 19
_COMMA, _ZERO = map(ord, ",0")


class Step(IntEnum):
    """The columns of a listing, a row a step."""

    ADDRESS = 0  # of the text before the items
    LENGTH = 1
    KIND = 2
    PLACE = 3  # of the first item, among all bits, or all codes
    BASE = 4  # of words: the first one among all
    ROWS = 5
    TABLE = 6  # which of the tables the column is of


class Kind(IntEnum):
    """What the items are."""

    FIGURE = 0
    WORD = 1
    WHOLE = 2  # whole numbers from 0 on: its codes
    NOTHING = 3  # none: the step is its text
    WRITTEN = 4  # written by somebody else: the address at PLACE, the length at BASE


_ADDRESS, _LENGTH, _KIND, _PLACE, _BASE, _ROWS, _TABLE = map(int, Step)
_FIGURE, _WORD, _WHOLE, _NOTHING, _WRITTEN = map(int, Kind)


class Listing(NamedTuple):
    """The steps, and the columns they are about, one after the other; who calls holds the texts."""

    steps: Ints  # (steps, 7), see `Step`
    bits: Ints  # of figures
    codes: Ints
    addresses: Ints  # of words
    lengths: Ints


def _lay_out(listing: Listing, rows: Ints, words: Ints) -> int:
    """Write into the steps where their columns are; return how many bytes all takes at most.

    `rows` are of each table, `words` the first words of the columns that have words.
    """
    steps, room = listing.steps, SLACK
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
            for code in listing.codes[codes : codes + many]:
                room += listing.lengths[steps[step, _BASE] + code]
        else:
            room += many * WHOLE_BYTES_MAX
        codes += many
    return room


def _write(listing: Listing, out: Bytes, address: int) -> int:
    """Write all into `out`, which is at an address; return how many bytes that are."""
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
            for row in range(rows):
                at = _put(listing, step, row, out, at)
                out[at] = _COMMA
                at += 1
            at -= rows > 0
    return at


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
    digits, rest = 1, divide(number, 10)
    while rest:
        digits, rest = digits + 1, divide(rest, 10)
    for place in range(at + digits - 1, at - 1, -1):
        rest = divide(number, 10)
        out[place] = _ZERO + number - 10 * rest
        number = rest
    return at + digits


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


def write_columns(listing: Listing, rows: Ints, words: Ints) -> memoryview:
    """Return the text; `rows` are of each table, `words` the first word of each column of words.

    Of the steps base, place and rows are written here.
    """
    out = np.empty(_lay_all_out(listing, rows, words), np.uint8)
    return out[: _write_all(listing, out, out.__array_interface__["data"][0])].data
