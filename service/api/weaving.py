"""JSON made of columns: every cell becomes text once, and records are woven of the texts.

An answer of 10,000 positions has half a million cells. As objects they would all have to be made,
held and visited by an encoder; as columns a library writes all numbers in one go, a word is
written once however often it stands there, and the rest is copying bytes, which is compiled and
lets go of the interpreter's lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import numpy as np
import orjson
from msgspec import Struct
from numpy.typing import NDArray

from service.api.copying import Cells, Keys, copy_cells
from service.risk.columns import Bools, Bytes, Floats, Ints

Codes: TypeAlias = NDArray[np.integer[Any]] | Bools
Word: TypeAlias = str | bool | None

_COMMA = ord(",")
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Source:
    """Texts one after the other, and where in memory they are."""

    letters: Bytes
    address: int

    @classmethod
    def of(cls, letters: Bytes) -> "Source":
        return cls(letters, letters.__array_interface__["data"][0])


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of JSON texts: row i is at `starts[i]` to `ends[i]`, between the brackets.

    `brackets` is empty, or `[]` where the texts are what stands inside a list.
    """

    source: Source
    starts: Ints
    ends: Ints
    brackets: str = ""

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, row: int) -> bytes:
        """Return the text of one row."""
        inside = self.source.letters[self.starts[row] : self.ends[row]].tobytes()
        opening, closing = self._around()
        return opening + inside + closing

    def inside(self) -> memoryview:
        """Return all rows of what `records` gave, with commas between them."""
        end = int(self.ends[-1]) if len(self) else 0
        return self.source.letters[:end].data

    def taken(self, rows: Ints) -> "Texts":
        """Return some rows of the column."""
        return Texts(self.source, self.starts[rows], self.ends[rows], self.brackets)

    def _around(self) -> tuple[bytes, bytes]:
        return self.brackets[:1].encode(), self.brackets[1:].encode()


def figures(columns: Sequence[Floats]) -> list[Texts]:
    """Return columns of numbers, all of one length; NaN and infinity are null."""
    rows = len(columns[0])
    text = orjson.dumps(np.concatenate(columns), option=orjson.OPT_SERIALIZE_NUMPY)
    source = Source.of(np.frombuffer(text, np.uint8))
    ends = np.empty(rows * len(columns), np.int64)
    ends[:-1] = np.flatnonzero(source.letters == _COMMA)
    ends[-1:] = len(text) - 1
    starts = np.empty_like(ends)
    starts[:1] = 1
    starts[1:] = ends[:-1] + 1
    cuts = range(0, len(ends), rows) if rows else [0] * len(columns)
    return [Texts(source, starts[cut : cut + rows], ends[cut : cut + rows]) for cut in cuts]


def words(values: Sequence[Word], code: Codes) -> Texts:
    """Return a column that has few different values, by their place among them."""
    place = code.astype(np.intp, copy=False)
    source, starts, ends = _written(tuple(values))
    return Texts(source, starts[place], ends[place])


def each(values: Sequence[object]) -> Texts:
    """Return a column of values that are all different, or not known to be the same."""
    return Texts(*_laid([_encoder.encode(value) for value in values]))


def nothing(rows: int) -> Texts:
    """Return a column of null."""
    return words((None,), np.zeros(rows, np.intp))


def lists(items: Texts, counts: Ints) -> Texts:
    """Return lists of so many of the items each, one after the other; items are of `records`."""
    ends = np.cumsum(counts)
    starts = ends - counts
    some = counts > 0
    begin, end = np.zeros(len(counts), np.int64), np.zeros(len(counts), np.int64)
    begin[some] = items.starts[starts[some]]
    end[some] = items.ends[ends[some] - 1]
    return Texts(items.source, begin, end, "[]")


def records(kind: type[Struct], columns: Sequence[Texts]) -> Texts:
    """Return a record of each row, its fields named and in order as the contract's `kind` has them.

    The records stand one after the other with commas between them.
    """
    text, key_ends = _keys(kind, tuple(column.brackets for column in columns))
    addresses = np.array([column.source.address for column in columns], np.int64)
    rows = len(columns[0])
    starts = np.concatenate([column.starts for column in columns]).reshape(len(columns), rows)
    ends = np.concatenate([column.ends for column in columns]).reshape(len(columns), rows)
    length = int(ends.sum() - starts.sum()) + rows * len(text.letters)
    out = np.empty(length, np.uint8)
    record_ends = np.empty(rows, np.int64)
    keys = Keys(text.address, key_ends)
    copy_cells(Cells(addresses, starts, ends), keys, out, record_ends)
    record_starts = np.empty_like(record_ends)
    record_starts[:1] = 0
    record_starts[1:] = record_ends[:-1]
    return Texts(Source.of(out), record_starts, record_ends - 1)  # less the comma


class _Row(Struct):
    cell: float


def warm_up() -> None:
    """Have it compiled, or read from where it was kept: no answer waits for that later."""
    records(_Row, figures((np.zeros(0),)))


@lru_cache(maxsize=64)
def _keys(kind: type[Struct], brackets: tuple[str, ...]) -> tuple[Source, Ints]:
    """Return what stands before each field and behind the last, and where each of them ends.

    What closes a list belongs to the key behind it.
    """
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    pieces, closing = [], "{"
    for name, around in zip(names, brackets, strict=True):
        pieces.append(f'{closing}"{name}":{around[:1]}'.encode())
        closing = around[1:] + ","
    pieces.append(closing.removesuffix(",").encode() + b"},")
    ends = np.cumsum([len(piece) for piece in pieces])
    return Source.of(np.frombuffer(b"".join(pieces), np.uint8)), ends


@lru_cache(maxsize=1_024)
def _written(values: tuple[Word, ...]) -> tuple[Source, Ints, Ints]:
    return _laid([orjson.dumps(value) for value in values])


def _laid(texts: list[bytes]) -> tuple[Source, Ints, Ints]:
    """Return texts one after the other, where each begins and where it ends."""
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1]
    return Source.of(np.frombuffer(b"".join(texts), np.uint8)), starts, ends
