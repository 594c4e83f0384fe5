"""What the store keeps, read straight into columns: the same as by way of records."""

import asyncio
import logging
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.accounts import decode_account
from service.contract.stored import read_statements
from service.monitor import loading
from service.monitor.shards import Shards
from service.risk.batch import statements_of
from service.risk.columns import Statements, Words
from tests.monitor.streams import document_of
from tests.monitor.test_incremental import exhaust, monitor_of, take_all
from tests.monitor.test_shards import store_with
from tests.strategies import effort, scenes


def check_equal(ours: Statements, theirs: Statements) -> None:
    for field in fields(Statements):
        mine, other = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(mine, Words):
            assert mine.listed() == other.listed()
        elif isinstance(mine, list):
            assert mine == other
        else:
            np.testing.assert_array_equal(mine, other, err_msg=field.name)
            assert mine.dtype == other.dtype


@effort(40, 2_000)
@given(st.lists(scenes(), max_size=4))
def test_documents_and_records_make_the_same_columns(found: list) -> None:  # type: ignore[type-arg]
    documents = [document_of(account) for _, account in found]
    ours, unread = read_statements(documents)
    assert unread == {}
    check_equal(ours, statements_of([decode_account(document, "a") for document in documents]))


GOOD = b'{"venue":"okx","collateralMode":"single","balances":[],"positions":[]}'


@pytest.mark.parametrize(
    "bad",
    [b"", b"{", b"{}", b'{"x":"\xff"}', GOOD.replace(b"okx", b"ftx"), GOOD + GOOD, b"," + GOOD],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_document_that_cannot_be_read_is_named_and_left_out(bad: bytes, place: int) -> None:
    documents = [GOOD, GOOD]
    documents.insert(place, bad)
    found, unread = read_statements(documents)
    assert list(unread) == [place]
    assert found.venue == ["okx", "okx"]


def test_a_start_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loading, "SAY_S", 0.0)
    monkeypatch.setattr(loading, "ACCOUNTS_A_STEP", 3)
    store = store_with(10)

    async def run() -> Shards:
        first = monitor_of(store)
        await take_all(first, store)
        await exhaust(first)
        await first.commit(positions=True)
        with caplog.at_level(logging.INFO, "service.monitor.loading"):
            second = monitor_of(store)
            await take_all(second, store)
        assert len(second.engine.book) == len(first.engine.book) == 10
        return second

    engine = asyncio.run(run()).engine
    assert [record.args[0] for record in caplog.records if record.args][-1] == 10  # type: ignore[index]
    versions = {engine.book.keys[row]: engine.book.accounts.version[row] for row in range(10)}
    assert versions == {f"default/{number}": 1 for number in range(10)}
