"""JSON made of columns: records are woven of them at the end, in one go.

An answer of 10,000 positions has half a million cells. As objects they would all have to be made,
held and visited by an encoder. Here a column is kept as it is, a word is written as JSON once
however often it stands there, and all the rest is compiled: numbers become digits where they are to
stand, words are copied, and nobody waits for the interpreter's lock meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import numpy as np
import orjson
from msgspec import Struct
from numpy.typing import NDArray

from service.api.plans import Shape, plan_of
from service.risk.columns import Bools, Bytes, Floats, Ints
from service.text.writing import Kind, Program, Step, write

Codes: TypeAlias = NDArray[np.integer[Any]] | Bools
Word: TypeAlias = str | bool | None

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Figures:
    """A column of numbers; NaN and infinity are null."""

    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Words as JSON: where each is in memory, and how long."""

    letters: bytes  # to be held
    addresses: Ints
    lengths: Ints


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of words by their places in a vocabulary."""

    vocabulary: Vocabulary
    code: Codes

    def taken(self, rows: Ints) -> "Coded":
        """Return some rows of the column."""
        return Coded(self.vocabulary, self.code[rows])


@dataclass(frozen=True, slots=True)
class Records:
    """A record of each row: its fields are named and in order as the contract's `kind` has them."""

    kind: type[Struct]
    columns: "Sequence[Column]"
    rows: int


@dataclass(frozen=True, slots=True)
class Lists:
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
    return Coded(_laid([_encoder.encode(value) for value in values]), np.arange(len(values)))


def counted(values: Sequence[int | None]) -> Vocabulary:
    """Return whole numbers as words; the same ones come again and again."""
    return _counted(tuple(values))


def written(letters: bytes, starts: Ints, ends: Ints) -> Coded:
    """Return a column of what is written as JSON somewhere else, all of it different."""
    address = np.frombuffer(letters, np.uint8).__array_interface__["data"][0]
    return Coded(Vocabulary(letters, address + starts, ends - starts), np.arange(len(starts)))


def nothing(rows: int) -> Coded:
    """Return a column of null."""
    return Coded(_NULL, np.zeros(rows, np.int8))


def records(kind: type[Struct], columns: Sequence[Column], rows: int) -> Records:
    """Return a record of each row."""
    return Records(kind, columns, rows)


def weave(what: Records) -> Woven:
    """Write records as JSON."""
    cells = _Cells()
    plan = plan_of(cells.enter(what))
    steps = plan.steps.copy()
    steps[plan.figures, _PLACE] = cells.figure_places
    steps[plan.codes, _PLACE] = cells.code_places
    steps[plan.words, _BASE] = cells.bases
    steps[:, _ROWS] = np.array(cells.rows)[plan.records]
    bits = np.concatenate((_NO_FIGURES, *cells.figures)).view(np.int64)
    codes: Ints = np.concatenate((_NO_CODES, *cells.codes))
    addresses = np.concatenate([_NO_CODES, *(each.addresses for each in cells.vocabularies)])
    lengths = np.concatenate([_NO_CODES, *(each.lengths for each in cells.vocabularies)])
    return Woven(*write(Program(steps, bits, codes, addresses, lengths), what.rows))


_PLACE, _BASE, _ROWS = int(Step.PLACE), int(Step.BASE), int(Step.ROWS)
_NO_FIGURES, _NO_CODES = np.zeros(0), np.zeros(0, np.int64)


class _Cells:
    """The columns of records and of all that is in them, in the order of their fields."""

    def __init__(self) -> None:
        self.figures: list[Floats] = []
        self.figure_places: list[int] = []  # of their first values, when they stand in one row
        self.codes: list[Codes] = []
        self.code_places: list[int] = []
        self.bases: list[int] = []  # of columns of words
        self.rows: list[int] = []  # of records
        self.vocabularies: list[Vocabulary] = []
        self._known: dict[int, int] = {}
        self._values = self._codes = self._words = 0

    def enter(self, what: Records) -> Shape:
        """Take in the columns of records; what these are is returned."""
        self.rows.append(what.rows)
        shape: list[Any] = [what.kind]
        for column in what.columns:
            if isinstance(column, Figures):
                self.figures.append(column.values)
                self.figure_places.append(self._values)
                self._values += what.rows
                shape.append(Kind.FIGURE)
            elif isinstance(column, Coded):
                self._put_codes(column.code)
                self.bases.append(self._base(column.vocabulary))
                shape.append(Kind.WORD)
            elif isinstance(column, Lists):
                bounds = np.zeros(what.rows + 1, np.int64)
                column.counts.cumsum(out=bounds[1:])
                self._put_codes(bounds)
                shape.append((Kind.LIST, self.enter(column.items)))
            else:
                shape.append(self.enter(column))
        return tuple(shape)

    def _put_codes(self, codes: Codes) -> None:
        self.codes.append(codes)
        self.code_places.append(self._codes)
        self._codes += len(codes)

    def _base(self, words: Vocabulary) -> int:
        """Return the number of a vocabulary's first word."""
        base = self._known.get(id(words))
        if base is None:
            base = self._known[id(words)] = self._words
            self._words += len(words.lengths)
            self.vocabularies.append(words)
        return base


class _Row(Struct):
    cell: float


def warm_up() -> None:
    """Have it compiled, or read from where it was kept: no answer waits for that later."""
    weave(records(_Row, figures((np.zeros(0),)), 0))


@lru_cache(maxsize=1_024)
def _vocabulary(values: tuple[Word, ...]) -> Vocabulary:
    return _laid([orjson.dumps(value) for value in values])


def _laid(texts: list[bytes]) -> Vocabulary:
    """Return texts one after the other as words."""
    letters, lengths = b"".join(texts), _ints(map(len, texts))
    address = np.frombuffer(letters, np.uint8).__array_interface__["data"][0] if letters else 0
    return Vocabulary(letters, address + np.cumsum(lengths) - lengths, lengths)


@lru_cache(maxsize=1_024)
def _counted(values: tuple[int | None, ...]) -> Vocabulary:
    return _laid([orjson.dumps(value) for value in values])


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)


_NULL = _vocabulary((None,))
