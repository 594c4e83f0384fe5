"""Compiled: records of columns written as JSON, without the interpreter's lock.

A program has a step for each field: the text before it, and what kind of column its value is in. A
list has steps of its own, which are gone through once for each of its items.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from service.risk.columns import Bytes, Ints
from service.risk.compiled import Direct, called, compiled
from service.text.decimals import FIGURE_BYTES_MAX, SLACK, put_number
from service.text.machine import address_in, copy_bytes

LISTS_MAX = 8  # one inside the other


class Step(IntEnum):
    """The columns of a program, a row a step."""

    ADDRESS = 0  # of the text before the value
    LENGTH = 1
    KIND = 2
    PLACE = 3  # of the column's first value, among all bits, or all codes
    BASE = 4  # a word's column: of its first word; a list's: the first step of its items
    ROWS = 5  # of the record that the step is of


class Kind(IntEnum):
    """What a value is."""

    FIGURE = 0
    WORD = 1
    LIST = 2
    END = 3  # no value: the text is the last of the record


_ADDRESS, _LENGTH, _KIND, _PLACE, _BASE, _ROWS = map(int, Step)
_FIGURE, _WORD, _LIST, _ = map(int, Kind)
_COMMA = ord(",")


class Program(NamedTuple):
    """The steps, and the columns they are about, one after the other; who calls holds the texts."""

    steps: Ints  # (steps, 6), see `Step`
    bits: Ints  # of figures
    codes: Ints  # of lists: how many items each row has, and 0; bounds are written over them
    addresses: Ints  # of words
    lengths: Ints


class Layout(NamedTuple):
    """Which steps are what, in the order that their columns stand in; the same for one shape."""

    figures: Ints
    codes: Ints
    bounds: Ints  # 1 where the codes are a list's: one more than there are rows
    words: Ints  # of the codes
    records: Ints  # of each step the number of its record


class Sizes(NamedTuple):
    """How many rows each record has, and the first word of each column of words."""

    rows: Ints
    words: Ints


@called
def _put_bounds(codes: Ints, place: int, rows: int) -> None:
    """Put where each row's items begin in place of how many there are, and where the last end."""
    begin = 0
    for row in range(place, place + rows + 1):
        many, codes[row] = codes[row], begin
        begin += many


def _lay_out(program: Program, layout: Layout, sizes: Sizes) -> int:
    """Write into the steps where their columns are; return how many bytes all takes at most."""
    steps, room, place = program.steps, SLACK, 0
    for step in range(len(steps)):
        steps[step, _ROWS] = sizes.rows[layout.records[step]]
    for step in layout.figures:
        steps[step, _PLACE] = place
        place += steps[step, _ROWS]
    place = 0
    for column in range(len(layout.codes)):
        step = layout.codes[column]
        steps[step, _PLACE] = place
        if layout.bounds[column]:
            _put_bounds(program.codes, place, steps[step, _ROWS])
        place += steps[step, _ROWS] + layout.bounds[column]
    for column in range(len(layout.words)):
        steps[layout.words[column], _BASE] = sizes.words[column]
    for step in range(len(steps)):
        rows = steps[step, _ROWS]
        room += rows * (steps[step, _LENGTH] + 1)  # and a comma
        if steps[step, _KIND] == _FIGURE:
            room += rows * FIGURE_BYTES_MAX
        if steps[step, _KIND] == _WORD:
            for row in range(rows):
                code = program.codes[steps[step, _PLACE] + row]
                room += program.lengths[steps[step, _BASE] + code]
    return room


def _write(program: Program, stack: Ints, out: Bytes, ends: Ints) -> None:
    steps, at, depth = program.steps, 0, 0
    step, begin, row, last = 0, 0, 0, len(ends)
    while row < last:
        copy_bytes(out, at, steps[step, _ADDRESS], steps[step, _LENGTH])
        at += steps[step, _LENGTH]
        kind, place = steps[step, _KIND], steps[step, _PLACE] + row
        if kind == _FIGURE:
            at = put_number(out, at, program.bits[place])
        elif kind == _WORD:
            word = steps[step, _BASE] + program.codes[place]
            copy_bytes(out, at, program.addresses[word], program.lengths[word])
            at += program.lengths[word]
        elif kind == _LIST:
            if program.codes[place] < program.codes[place + 1]:
                stack[depth, 0], stack[depth, 1] = step + 1, begin
                stack[depth, 2], stack[depth, 3] = row, last
                row, last = program.codes[place], program.codes[place + 1]
                begin = steps[step, _BASE]
                step = begin - 1
                depth += 1
        else:
            if depth == 0:
                ends[row] = at
            row += 1
            if row < last:
                out[at] = _COMMA
                at += 1
                step = begin - 1
            elif depth:
                depth -= 1
                step, begin = stack[depth, 0] - 1, stack[depth, 1]
                row, last = stack[depth, 2], stack[depth, 3]
            elif len(ends):
                return
        step += 1


class Quoted(NamedTuple):
    """Words that stand somewhere with their quotes: where in memory, how long, their numbers."""

    addresses: Ints
    lengths: Ints
    codes: Ints


def _find_quoted(text: Bytes, starts: Ints, ends: Ints, found: Quoted) -> None:
    for row in range(len(starts)):
        found.addresses[row] = address_in(text, starts[row] - 1)
        found.lengths[row], found.codes[row] = ends[row] - starts[row] + 2, row


_find_all_quoted = Direct(compiled(_find_quoted))
_write_all = Direct(compiled(_write))
_lay_all_out = Direct(compiled(_lay_out))


def quoted(text: bytes, starts: Ints, ends: Ints) -> Quoted:
    """Return words between quotes as they stand in a text, which whoever asks holds."""
    found = Quoted(*np.empty((3, len(starts)), np.int64))
    _find_all_quoted(np.frombuffer(text, np.uint8), starts, ends, found)
    return found


def write(program: Program, layout: Layout, sizes: Sizes) -> tuple[Bytes, Ints]:
    """Return the texts of records, with commas between them, and where each of them ends.

    The first step is the first of these records; of all steps places and rows are written here.
    Behind the last record the bytes mean nothing.
    """
    out = np.empty(_lay_all_out(program, layout, sizes), np.uint8)
    ends = np.empty(sizes.rows[0], np.int64)
    _write_all(program, np.empty((LISTS_MAX, 4), np.int64), out, ends)
    return out, ends
