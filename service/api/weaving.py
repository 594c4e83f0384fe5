"""JSON made of columns: records are woven of them at the end, in one go.

An answer of 10,000 positions has half a million cells. As objects they would all have to be made,
held and visited by an encoder. Here a column is kept as it is, a word is written as JSON once
however often it stands there, and all the rest is compiled: numbers become digits where they are to
stand, words are copied, and nobody waits for the interpreter's lock meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeAlias

import msgspec
import numpy as np
import orjson
from msgspec import Struct
from numpy.typing import NDArray

from service.api.lexicon import NO_CODES, Vocabulary, lexicon_of
from service.api.plans import Shape, plan_of
from service.contract.chosen import EVERYTHING, Chosen
from service.risk.columns import Bools, Bytes, Floats, Ints
from service.text.machine import address_of
from service.text.writing import Kind, Program, Sizes, write
from service.text.writing import quoted as find_quoted

Codes: TypeAlias = NDArray[np.integer[Any]] | Bools
Word: TypeAlias = str | bool | None

_encoder = msgspec.json.Encoder()


class Figures(Struct, frozen=True):
    """A column of numbers; NaN and infinity are null."""

    values: Floats


class Coded(Struct, frozen=True):
    """A column of words by their places in a vocabulary."""

    vocabulary: Vocabulary
    code: Codes

    def taken(self, rows: Ints) -> "Coded":
        """Return some rows of the column."""
        return Coded(self.vocabulary, self.code[rows])


class Records(Struct, frozen=True):
    """A record of each row: its fields are named and in order as the contract's `kind` has them.

    A field without a column is left out.
    """

    kind: type[Struct]
    columns: "Sequence[Column | None]"
    rows: int


class Lists(Struct, frozen=True):
    """A list of each row: so many of the items, one row's after the other's."""

    items: Records
    counts: Ints


Column: TypeAlias = Figures | Coded | Records | Lists


@dataclass(frozen=True, slots=True)
class Woven:
    """The texts of records, with commas between them, and where each of them ends."""

    letters: Bytes
    ends: Ints

    def __len__(self) -> int:
        return len(self.ends)

    def text(self, row: int) -> bytes:
        """Return the text of one record."""
        start = int(self.ends[row - 1]) + 1 if row else 0
        return self.letters[start : self.ends[row]].tobytes()

    def inside(self) -> memoryview:
        """Return all of them."""
        return self.letters[: self.ends[-1] if len(self) else 0].data


def figures(columns: Sequence[Floats]) -> list[Figures]:
    """Return columns of numbers; NaN and infinity are null."""
    return [Figures(column) for column in columns]


def vocabulary(values: Sequence[Word]) -> Vocabulary:
    """Return values as words that columns have in common; they are kept."""
    return _vocabulary(tuple(values))


def words(values: Sequence[Word], code: Codes) -> Coded:
    """Return a column that has few different values, by their place among them."""
    return Coded(_vocabulary(tuple(values)), code)


def each(values: Sequence[object]) -> Coded:
    """Return a column of values that are all different, or not known to be the same."""
    return Coded(
        _laid([_encoder.encode(value) for value in values], values), np.arange(len(values))
    )


def named(ids: Sequence[str]) -> Coded:
    """Return a column of ids, all different; none has a letter that JSON writes otherwise."""
    texts = ('"' + '""'.join(ids) + '"').encode() if ids else b""
    quotes = np.flatnonzero(np.frombuffer(texts, np.uint8) == _QUOTE)
    lengths = quotes[1::2] - quotes[::2] + 1
    return Coded(_placed(texts, lengths, ids), np.arange(len(ids)))


def counted(values: Sequence[int | None]) -> Vocabulary:
    """Return whole numbers as words; the same ones come again and again."""
    return _counted(tuple(values))


def quoted(letters: bytes, starts: Ints, ends: Ints) -> Coded:
    """Return a column of words that stand between quotes in a text, all of them different."""
    found = find_quoted(letters, starts, ends)
    return Coded(Vocabulary(letters, found.addresses, found.lengths, ()), found.codes)


def nothing(rows: int) -> Coded:
    """Return a column of null."""
    return Coded(_NULL, np.zeros(rows, np.int8))


def records(kind: type[Struct], columns: Sequence[Column | None], rows: int) -> Records:
    """Return a record of each row."""
    return Records(kind, columns, rows)


def only(what: Records, chosen: Chosen) -> Records:
    """Return records with the fields that are chosen, and no others."""
    if chosen is EVERYTHING:
        return what
    named = zip(names_of(what.kind), what.columns, strict=True)
    columns = [
        _part(each, chosen.inside(name)) if chosen.has(name) else None for name, each in named
    ]
    return Records(what.kind, columns, what.rows)


def _part(column: Column | None, chosen: Chosen) -> Column | None:
    if isinstance(column, Records):
        return only(column, chosen)
    if isinstance(column, Lists):
        return Lists(only(column.items, chosen), column.counts)
    return column


@cache
def names_of(kind: type[Struct]) -> tuple[str, ...]:
    """Return the names of a record's fields as JSON has them."""
    return tuple(field.encode_name for field in msgspec.structs.fields(kind))


def weave(what: Records) -> Woven:
    """Write records as JSON."""
    cells = _Cells()
    plan = plan_of(cells.enter(what))
    lexicon = lexicon_of(cells.words)
    bits = np.concatenate((NO_FIGURES, *cells.figures)).view(np.int64)
    codes: Ints = np.concatenate((NO_CODES, *cells.codes))
    sizes = Sizes(np.array(cells.rows, np.int64), lexicon.first)
    program = Program(plan.steps.copy(), bits, codes, lexicon.addresses, lexicon.lengths)
    return Woven(*write(program, plan.layout, sizes))


NO_FIGURES = np.zeros(0)


class _Cells:
    """The columns of records and of all that is in them, in the order of their fields."""

    def __init__(self) -> None:
        self.figures: list[Floats] = []
        self.codes: list[Codes] = []
        self.words: list[Vocabulary] = []  # of columns of words
        self.rows: list[int] = []  # of records

    def enter(self, what: Records) -> Shape:
        """Take in the columns of records; what these are is returned."""
        self.rows.append(what.rows)
        shape: list[Any] = [what.kind]
        for column in what.columns:
            if type(column) is Figures:
                self.figures.append(column.values)
                shape.append(_FIGURE)
            elif type(column) is Coded:
                self.codes.append(column.code)
                self.words.append(column.vocabulary)
                shape.append(_WORD)
            elif type(column) is Records:
                shape.append(self.enter(column))
            elif column is None:
                shape.append(None)
            else:
                assert isinstance(column, Lists)
                self.codes += (column.counts, _NO_MORE)
                shape.append((_LIST, self.enter(column.items)))
        return tuple(shape)


_QUOTE = ord('"')
_FIGURE, _WORD, _LIST = int(Kind.FIGURE), int(Kind.WORD), int(Kind.LIST)
_NO_MORE = np.zeros(1, np.int64)  # behind how many items each row has: where the last ones end


class _Row(Struct):
    cell: float


def warm_up() -> None:
    """Have it compiled, or read from where it was kept: no answer waits for that later."""
    weave(records(_Row, figures((np.zeros(0),)), 0))
    quoted(b'""', NO_CODES, NO_CODES)


@lru_cache(maxsize=1_024)
def _vocabulary(values: tuple[Word, ...]) -> Vocabulary:
    return _laid([orjson.dumps(value) for value in values], values, kept=True)


def _laid(texts: list[bytes], values: Sequence[object], *, kept: bool = False) -> Vocabulary:
    """Return texts one after the other as words."""
    return _placed(b"".join(texts), _ints(map(len, texts)), values, kept=kept)


def _placed(
    letters: bytes, lengths: Ints, values: Sequence[object], *, kept: bool = False
) -> Vocabulary:
    """Return texts that stand one after the other as words."""
    address = address_of(np.frombuffer(letters, np.uint8)) if letters else 0
    return Vocabulary(letters, address + np.cumsum(lengths) - lengths, lengths, values, kept)


@lru_cache(maxsize=1_024)
def _counted(values: tuple[int | None, ...]) -> Vocabulary:
    return _laid([orjson.dumps(value) for value in values], values, kept=True)


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)


_NULL = _vocabulary((None,))
