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

from service.api.weaving import Texts, each, figures, lists, nothing, records, words
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


numbers = st.floats(allow_nan=True, allow_infinity=False)


@st.composite
def rows(draw: st.DrawFn) -> list[Outer]:
    inner = st.builds(Inner, numbers, st.sampled_from(WORDS))
    outer = st.builds(Outer, st.text(), inner, st.lists(inner, max_size=3), st.none())
    return draw(st.lists(outer, max_size=5))


def woven_inner(many: list[Inner]) -> Texts:
    place = np.array([WORDS.index(one.a_word) for one in many], np.int64)
    floats = np.array([one.a_figure for one in many], np.float64)
    return records(Inner, (*figures((floats,)), words(WORDS, place)))


def woven(many: list[Outer]) -> Texts:
    others = woven_inner([other for one in many for other in one.others])
    counts = np.array([len(one.others) for one in many], np.int64)
    inner = woven_inner([one.inner for one in many])
    names = each([one.name for one in many])
    return records(Outer, (names, inner, lists(others, counts), nothing(len(many))))


@effort(100, 5_000)
@given(rows())
def test_rows_are_what_an_encoder_writes(many: list[Outer]) -> None:
    found = woven(many)
    theirs = [json.loads(msgspec.json.encode(one)) for one in many]
    assert json.loads(b"[" + bytes(found.inside()) + b"]") == theirs
    assert [json.loads(found.text(row)) for row in range(len(many))] == theirs


@effort(100, 5_000)
@given(st.lists(numbers), st.data())
def test_a_figure_is_read_back_to_the_last_bit(values: list[float], data: st.DataObject) -> None:
    other = data.draw(st.lists(numbers, min_size=len(values), max_size=len(values)))
    columns = figures((np.array(values), np.array(other)))
    for column, floats in zip(columns, (values, other), strict=True):
        for row, value in enumerate(floats):
            again = json.loads(column.text(row))
            assert again is None if math.isnan(value) else again == value


def test_rows_can_be_taken_in_any_order() -> None:
    column = words(WORDS[:4], np.array([3, 1, 0, 2]))
    taken = column.taken(np.array([2, 2, 0]))
    assert [json.loads(taken.text(row)) for row in range(3)] == ["", "", "\\"]


def test_true_is_not_one() -> None:
    flags, ages = words((False, True), np.array([0, 1])), each([0, 1])
    assert [column.text(row) for column in (flags, ages) for row in (0, 1)] == [
        b"false",
        b"true",
        b"0",
        b"1",
    ]


def test_what_is_not_a_number_is_null() -> None:
    (column,) = figures((np.array([np.nan, np.inf, -np.inf, -0.0]),))
    assert [column.text(row) for row in range(4)] == [b"null", b"null", b"null", b"-0.0"]


@pytest.mark.parametrize("columns", [1, 3])
def test_a_record_has_all_the_columns_of_its_kind(columns: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        records(Inner, figures([np.zeros(1)] * columns))
