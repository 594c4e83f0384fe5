"""Columns of Arrow as columns of ours: names by number, figures without nulls, or what is wrong.

All that is looked at is good, mostly, and then it is looked at as a whole.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.contract.numbers import LARGEST, SMALLEST
from service.contract.table_rows import come_in_order
from service.contract.tabled import FAULTS_MAX
from service.errors import Fault, InvalidInput
from service.risk.columns import Bools, Floats, Ints, Words


class Dictionaries:
    """Dictionaries of names that were read already: columns of accounts have the same."""

    def __init__(self) -> None:
        self._known: list[tuple[pa.Array, list[str]]] = []

    def names(self, column: pa.Array) -> Words[str] | None:
        """Return a column whose rows name a whole dictionary in order; None: it is no such.

        Plain names, as most tables have them, are given a dictionary here.
        """
        if column.null_count:
            return None
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        index = column.indices.to_numpy().astype(np.int64)
        dictionary = column.dictionary
        if not come_in_order(index, len(dictionary)):
            return None
        for known, words in self._known:
            if known.equals(dictionary):
                return Words(words, index)
        words = dictionary.to_pylist()
        if dictionary.null_count or len(set(words)) < len(words):
            return None
        self._known.append((dictionary, words))
        return Words(words, index)


@dataclass(frozen=True, slots=True)
class Stream:
    """One table: of each column its pieces."""

    name: str
    columns: dict[str, list[Any]]
    rows: int
    question: bytes | None
    dictionaries: Dictionaries

    def names(self, column: str) -> Words[str]:
        """Return names of which none is missing; raises InvalidInput."""
        pieces = self.columns[column]
        plain = self.dictionaries.names(pieces[0]) if len(pieces) == 1 else None
        if plain is not None:
            return plain
        known, codes = self._coded(column)
        missing = [code for code, word in enumerate(known) if word is None]
        if missing:
            self.refuse(column, np.isin(codes, missing), "wrong_type", "expected another type: str")
        different = Words.of([word or "" for word in known])
        return Words(different.words, different.code[codes])

    def choice(self, column: str, allowed: tuple[str, ...], code: str) -> Words[str | None]:
        """Return words of these, None where there is none; raises InvalidInput."""
        if column not in self.columns:
            return Words([None], np.zeros(self.rows, np.int64))
        pieces = self.columns[column]
        plain = _chosen(pieces[0], allowed) if len(pieces) == 1 else None
        if plain is not None:
            return plain
        known, codes = self._coded(column)
        wrong = [at for at, word in enumerate(known) if word is not None and word not in allowed]
        if wrong:
            detail = "not one of the values allowed here"
            self.refuse(column, np.isin(codes, wrong), code, detail)
        return Words(known, codes)

    def number(
        self, column: str, low: float = -LARGEST, high: float = LARGEST, *, required: bool = False
    ) -> Floats:
        """Return finite numbers from `low` to `high`, NaN where there is none.

        Raises InvalidInput: a NaN that is sent is no number; who has none sends null.
        """
        if column not in self.columns:
            return np.full(self.rows, np.nan)
        pieces = self.columns[column]
        parts = [_figures(each) for each in pieces]
        values = parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0), *parts])
        nulls = not required and any(each.null_count for each in pieces)
        given = _given(pieces) if nulls else None
        if not _are_within(values if given is None else values[given], low, high):
            self._refuse_figures(column, values, given, low, high)
        return values

    def _refuse_figures(
        self, column: str, values: Floats, given: Bools | None, low: float, high: float
    ) -> None:
        """Raise InvalidInput for figures of which some are wrong."""
        wrong = ~np.isfinite(values)
        if given is not None:
            wrong &= given
        self.refuse(column, wrong, "not_a_number", "expected a finite number")
        outside = (values < low) | (values > high)
        bounds = "the number must be > 0" if low == SMALLEST else "the number must be 0 to 1"
        self.refuse(column, outside, "out_of_range", bounds)

    def _coded(self, column: str) -> tuple[list[str | None], Ints]:
        """Return the words of a column, some perhaps twice, and of each row its word."""
        coded = [_coded(each) for each in self.columns[column]]
        if len(coded) == 1:
            return coded[0]
        words: list[str | None] = []
        codes = [np.zeros(0, np.int64)]
        for own, code in coded:
            codes.append(code + len(words))
            words += own
        return words, np.concatenate(codes)

    def refuse(self, column: str, wrong: Bools, code: str, detail: str) -> None:
        """Raise InvalidInput where rows of a column are wrong."""
        rows = np.flatnonzero(wrong)[:FAULTS_MAX].tolist()
        if rows:
            faults = (Fault(f"/{self.name}/{column}/{row}", code, detail) for row in rows)
            raise InvalidInput.of(*faults)


def _chosen(piece: pa.Array, allowed: tuple[str, ...]) -> Words[str | None] | None:
    """Return a column without nulls whose dictionary is of allowed words; None: it is no such."""
    if not pa.types.is_dictionary(piece.type) or piece.null_count:
        return None
    if len(piece.dictionary) > len(allowed):
        return None
    words = piece.dictionary.to_pylist()
    if not set(words) <= set(allowed):
        return None
    return Words(words, piece.indices.to_numpy().astype(np.int64))


def _coded(piece: pa.Array) -> tuple[list[str | None], Ints]:
    """Return the words of a part of a column that rows name, and of each row its word."""
    listed = pa.types.is_dictionary(piece.type)
    # What a dictionary has and no row names is nobody's.
    by = (piece.indices if listed else piece).dictionary_encode()
    own = by.dictionary
    if listed:  # views cannot be taken from
        own = piece.dictionary.cast(pa.large_string()).take(own)
    if not by.indices.null_count:
        return own.to_pylist(), by.indices.to_numpy().astype(np.int64)
    found = by.indices.fill_null(-1).to_numpy().astype(np.int64)
    return [*own.to_pylist(), None], np.where(found < 0, len(own), found)


def _figures(piece: pa.Array) -> Floats:
    """Return the numbers of a part of a column, NaN where there is none, in room of their own."""
    plain = piece if not piece.null_count else pc.cast(piece, pa.float64(), safe=False)
    return np.array(plain.to_numpy(zero_copy_only=False), np.float64)


def _given(pieces: list[pa.Array]) -> Bools:
    """Return where something is given."""
    return np.concatenate([each.is_valid().to_numpy(zero_copy_only=False) for each in pieces])


def _are_within(values: Floats, low: float, high: float) -> bool:
    """Whether all are; what is no number is not."""
    return not len(values) or bool(values.min() >= low and values.max() <= high)
