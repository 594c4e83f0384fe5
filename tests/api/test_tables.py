"""Tables are written as orjson writes the same columns, of few rows and of many."""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api import tables
from service.api.tables import Columns, written
from service.api.weaving import Figures, words
from service.side_by_side import side_by_side
from service.text import columns as text_columns
from tests.strategies import effort

WORDS = ("a", 'say "so"', "Ω", None, True)
numbers = st.floats(allow_nan=True, allow_infinity=True)
a_row = st.tuples(numbers, st.sampled_from(WORDS), st.integers(0, 2**62))
a_table = st.lists(a_row, max_size=5)


def columns_of(rows: list[tuple[float, Any, int]]) -> tuple[Columns, dict[str, list[Any]]]:
    """Return columns of each kind, and what they say."""
    figures = np.array([row[0] for row in rows], np.float64)
    code = np.array([WORDS.index(row[1]) for row in rows], np.int8)
    whole = np.array([row[2] for row in rows], np.int64)
    columns: Columns = {"row": whole, "figure": Figures(figures), "word": words(WORDS, code)}
    known = [value if np.isfinite(value) else None for value in figures.tolist()]
    told = {"row": whole.tolist(), "figure": known, "word": [row[1] for row in rows]}
    return columns, told


@pytest.mark.parametrize("many", [1, 10**9], ids=["by orjson", "compiled"])
def test_a_limit_between_two_writers_changes_nothing(
    many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_MANY", many)
    rows = [(0.5, "a", 0), (float("nan"), None, 10), (1e300, "Ω", 2**62)]
    columns, told = columns_of(rows)
    text = written('{"at":1', {"one": columns, "two": columns})
    assert b"".join(text) == orjson.dumps({"at": 1, "one": told, "two": told})


def test_what_orjson_has_written_is_held_until_it_is_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "_MANY", 1)
    columns, told = columns_of([(0.5, "a", 0), (float("nan"), None, 10), (1e300, "Ω", 2**62)])
    write, taken = text_columns._write_all, list[bytes]()

    def writes(*arguments: Any) -> int:
        # Memory that is free by now becomes somebody else's.
        taken.extend(b"?" * (1 + number % 500) for number in range(50_000))
        return int(write(*arguments))

    monkeypatch.setattr(text_columns, "_write_all", writes)
    text = written('{"at":1', {"one": columns, "two": columns})
    assert b"".join(text) == orjson.dumps({"at": 1, "one": told, "two": told})


@effort(100, 5_000)
@given(a_table, a_table, st.integers(1, 200))
def test_tables_are_written_as_an_encoder_writes_them(
    one: list[Any], other: list[Any], times: int
) -> None:
    first, told_first = columns_of(one * times)
    second, told_second = columns_of(other)
    text = written('{"at":1', {"one": first, "other": second})
    assert b"".join(text) == orjson.dumps({"at": 1, "one": told_first, "other": told_second})


@pytest.mark.parametrize("rows", [1, 2, 3, 159, 160, 1_000])
def test_what_is_the_same_in_all_rows_is_there_in_all_of_them(rows: int) -> None:
    columns, told = columns_of([(1.25, 'say "so"', 7)] * rows)
    assert b"".join(written("{", {"one": columns})) == b"{," + orjson.dumps({"one": told})[1:]


@pytest.mark.parametrize("letters", [1, 5, 6, 7, 13, 14, 62, 69, 70, 90])
@pytest.mark.parametrize("rows_a_word", [3, 4, 9])
def test_words_of_any_length_are_there_however_often(letters: int, rows_a_word: int) -> None:
    """With their quotes and a comma, up to 72 bytes have places of their own."""
    known = ["a" * letters, "", "Ω" * (letters // 2), "b" * (letters - 1), "never there" * letters]
    code = np.tile([2, 0, 3, 1], rows_a_word)
    text = written("{", {"one": {"word": words(known, code)}})
    assert orjson.loads(b"{" + b"".join(text)[2:])["one"]["word"] == [known[at] for at in code]


@pytest.mark.parametrize("rows", [0, 1, 2, 500])
@pytest.mark.parametrize("tables_", [1, 2, 5])
def test_two_write_the_same_bytes_as_one(
    rows: int, tables_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = np.random.default_rng(7)
    columns: Columns = {
        "figure": Figures(source.normal(size=rows) * 1_000.0),
        "word": words(WORDS, source.integers(0, len(WORDS), rows)),
        "row": np.arange(rows),
        "nothing": Figures(np.full(rows, np.nan)),
        "more": Figures(source.normal(size=rows)),
    }
    many = {f"table{at}": columns for at in range(tables_)}
    texts = []
    cells = rows * 5 * tables_
    for border, processors in ((cells, 2), (cells + 1, 2), (0, 1)):
        monkeypatch.setattr(tables, "_SHARED_CELLS", border)
        monkeypatch.setattr(tables, "processors", lambda known=processors: known)
        asked = Counted()
        monkeypatch.setattr(tables, "side_by_side", asked)
        texts.append(b"".join(written('{"at":1', many)))
        assert asked.times == (border == cells and processors == 2)
    assert texts[0] == texts[1] == texts[2]


class Counted:
    """Does two parts side by side, and counts how often it is asked to."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, here: Callable[[], Any], there: Callable[[], Any]) -> tuple[Any, Any]:
        self.times += 1
        return side_by_side(here, there)


def test_whole_numbers_of_any_length_are_written() -> None:
    tens = 10 ** np.arange(19, dtype=np.int64)
    whole = np.concatenate((tens, tens - 1, tens[:-1] * 7 + 3, [2**63 - 1]))
    text = written("{", {"one": {"row": whole}})
    assert orjson.loads(b"{" + b"".join(text)[2:])["one"]["row"] == whole.tolist()
