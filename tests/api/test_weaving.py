"""JSON woven of columns says what an encoder says of the same records."""

import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from service.api.weaving import (
    Column,
    Lists,
    Records,
    each,
    figures,
    nothing,
    records,
    weave,
    words,
)
from tests.strategies import effort

WORDS = ("", "a", 'say "so"', "\\", "Ω", "😀", "x" * 300, None, True, False)


class Inner(Struct, rename="camel"):
    a_figure: float | None
    a_word: Any


class Outer(Struct, rename="camel"):
    name: str
    inner: Inner
    others: list[Inner]
    none: None
    more: list["Outer"]


class Cell(Struct):
    it: Any


numbers = st.floats(allow_nan=True, allow_infinity=False)


def outer(inside: st.SearchStrategy[list[Outer]]) -> st.SearchStrategy[list[Outer]]:
    inner = st.builds(Inner, numbers, st.sampled_from(WORDS))
    one = st.builds(Outer, st.text(), inner, st.lists(inner, max_size=3), st.none(), inside)
    return st.lists(one, max_size=4)


rows = outer(outer(st.just([])))


def woven_inner(many: list[Inner]) -> Records:
    place = np.array([WORDS.index(one.a_word) for one in many], np.int64)
    floats = np.array([one.a_figure for one in many], np.float64)
    return records(Inner, (*figures((floats,)), words(WORDS, place)), len(many))


def woven(many: list[Outer], depth: int = 2) -> Records:
    """Every list is of one shape, however many it has, so empty ones have their depth too."""
    others = Lists(woven_inner([other for one in many for other in one.others]), counted(many))
    inner = woven_inner([one.inner for one in many])
    names = each([one.name for one in many])
    more: Column = words((None,), np.zeros(len(many), np.int64))
    if depth:
        lower = woven([low for one in many for low in one.more], depth - 1)
        more = Lists(lower, np.array([len(one.more) for one in many], np.int64))
    return records(Outer, (names, inner, others, nothing(len(many)), more), len(many))


def counted(many: list[Outer]) -> np.ndarray:
    return np.array([len(one.others) for one in many], np.int64)


def plain(many: list[Outer], depth: int = 2) -> list[Any]:
    told = []
    for one in many:
        row = json.loads(msgspec.json.encode(one))
        row["more"] = plain(one.more, depth - 1) if depth else None
        told.append(row)
    return told


@effort(100, 5_000)
@given(rows)
def test_rows_are_what_an_encoder_writes(many: list[Outer]) -> None:
    found = weave(woven(many))
    assert json.loads(b"[" + bytes(found.inside()) + b"]") == plain(many)
    assert [json.loads(found.text(row)) for row in range(len(many))] == plain(many)


def cells(column: Column, rows: int) -> list[bytes]:
    found = weave(records(Cell, (column,), rows))
    texts = [found.text(row) for row in range(rows)]
    return [text.removeprefix(b'{"it":').removesuffix(b"}") for text in texts]


@effort(100, 5_000)
@given(st.lists(numbers))
def test_a_figure_is_read_back_to_the_last_bit(values: list[float]) -> None:
    (column,) = figures((np.array(values, np.float64),))
    for text, value in zip(cells(column, len(values)), values, strict=True):
        again = json.loads(text)
        assert again is None if math.isnan(value) else again == value


def test_rows_can_be_taken_in_any_order() -> None:
    taken = words(WORDS[:4], np.array([3, 1, 0, 2])).taken(np.array([2, 2, 0]))
    assert [json.loads(text) for text in cells(taken, 3)] == ["", "", "\\"]


def test_true_is_not_one() -> None:
    flags, ages = words((False, True), np.array([0, 1])), each([0, 1])
    assert cells(flags, 2) + cells(ages, 2) == [b"false", b"true", b"0", b"1"]


def test_what_is_not_a_number_is_null() -> None:
    (column,) = figures((np.array([np.nan, np.inf, -np.inf, -0.0]),))
    assert cells(column, 4) == [b"null", b"null", b"null", b"-0.0"]


@pytest.mark.parametrize("columns", [1, 3])
def test_a_record_has_all_the_columns_of_its_kind(columns: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        weave(records(Inner, figures([np.zeros(1)] * columns), 1))
