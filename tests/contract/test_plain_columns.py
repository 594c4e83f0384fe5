"""Calls in columns whose lists are read compiled: the same columns, or left to who knows it all."""

from dataclasses import fields
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract import plain_columns
from service.contract.columns_request import read_columns
from service.contract.plain_columns import read_plain_columns
from service.contract.tabled import TabledRequest
from service.risk.columns import Words

LISTS: dict[str, list[Any]] = {
    "accountId": ["b", "a", "b"],
    "symbol": ["BTC/USDT:USDT", "ETH/USDT:USDT", "ETH/USDT:USDT"],
    "quantity": [1.5, "-2", 0],
    "entryPrice": [100.0, "2e3", 5e-300],
    "marginMode": ["cross", "isolated", None],
    "leverage": [None, 10, "2.5"],
}
HELD = {"accountId": ["b", "c"], "asset": ["USDT", "BTC"], "amount": [1, -0.5], "weight": [None, 1]}


def body(**changes: Any) -> bytes:
    lists = {name: column for name, column in {**LISTS, **changes}.items() if column is not None}
    return orjson.dumps({"columns": lists, "balanceColumns": HELD, "marks": {"X": 1}})


def plain(raw: bytes) -> TabledRequest | None:
    return read_plain_columns(raw, 100, 100)


def check_same(raw: bytes) -> None:
    """Both ways of reading must find the same accounts in the same order, to the last bit."""
    ours, theirs = plain(raw), read_columns(raw, 100, 100)
    assert ours is not None
    assert (ours.ids, ours.positions) == (theirs.ids, theirs.positions)
    np.testing.assert_array_equal(ours.rows, theirs.rows)
    for field in fields(theirs.given):
        one, other = getattr(ours.given, field.name), getattr(theirs.given, field.name)
        if isinstance(other, Words):
            assert one.listed() == other.listed()
        else:
            np.testing.assert_array_equal(one, other)


@pytest.fixture(params=[plain_columns.SHARED_ROWS, 1], ids=["one reads", "two read"])
def readers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of few rows are read by one, those of many by two: here both read few."""
    monkeypatch.setattr(plain_columns, "SHARED_ROWS", request.param)


@pytest.mark.usefixtures("readers")
def test_what_is_plain_is_the_same_as_by_the_decoder() -> None:
    check_same(body())
    check_same(body(leverage=None, marginMode=None, quantity=[1, 2, 3], margin=[0, None, 1.25]))
    spaced = body().replace(b",", b" ,\n").replace(b"[", b"[ ").replace(b"]", b" ]")
    check_same(spaced)


@pytest.mark.parametrize("name", ["accountId", "leverage"])
def test_a_list_with_something_else_or_too_little_in_it_is_the_decoders(name: str) -> None:
    assert plain(body(**{name: [*LISTS[name][:2], {}]})) is None
    assert plain(body(**{name: LISTS[name][:2]})) is None


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3))
def test_numbers_are_the_ones_written(numbers: list[float]) -> None:
    raw = body(quantity=[1, 2, 3], margin=numbers, marginMode=["isolated"] * 3)
    if plain(raw) is not None:  # a number next to 0 or to infinity is the decoder's
        check_same(raw)
    else:
        assert any(not 1e-280 < abs(number) < 1e260 for number in numbers if number)


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize(
    "changes",
    [
        {"accountId": ["b", "a"]},
        {"accountId": ["b", "a", "é"]},
        {"accountId": ["b", "a", "a b"]},
        {"accountId": ["b", "a", None]},
        {"symbol": ["A", "B", ""]},
        {"symbol": ["A", "B", "x" * 65]},
        {"symbol": ["A", "B", 'a"b']},
        {"quantity": [1, 2, None]},
        {"quantity": [1, 2, "1,5"]},
        {"quantity": [1, 2, True]},
        {"quantity": [1, 2]},
        {"entryPrice": [1, 2, 0]},
        {"entryPrice": [1, 2, -1]},
        {"marginMode": ["cross", "isolated", "both"]},
        {"marginMode": ["cross"]},
        {"leverage": [1, 2, 0]},
        {"leverage": [1, [2], 3]},
        {"leverage": {"a": 1}},
        {
            "symbol": ["A", "A", "A"],
            "accountId": ["a", "a", "b"],
            "quantity": [1, 1, 1],
            "marginMode": None,
        },
    ],
)
def test_what_may_be_wrong_is_left_to_the_decoder(changes: dict[str, Any]) -> None:
    assert plain(body(**changes)) is None


def test_a_call_with_accounts_or_too_many_rows_is_left_to_the_decoder() -> None:
    assert plain(body()[:-1] + b',"accounts":[]}') is None
    assert read_plain_columns(body(), 2, 100) is None
    assert read_plain_columns(body(), 3, 2) is None
    assert read_plain_columns(body(), 3, 3) is not None
