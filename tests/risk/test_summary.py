"""The search for prices in two parts finds what it finds in one, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest

from service.risk import summary
from service.risk.batch import build_batch
from service.risk.columns import Batch
from service.risk.evaluate import assess
from service.risk.summary import SHARED_LEGS, SideBySide, Work, one_by_one, summarise
from service.side_by_side import side_by_side
from tests.risk.test_evaluate import market, varied


def batch_of(copies: int) -> Batch:
    accounts = [
        replace(each, account_key=f"{each.account_key}{copy}")
        for copy in range(copies)
        for each in varied()
    ]
    return build_batch(accounts, market())[0]


def bits(columns: object) -> bytes:
    if isinstance(columns, tuple):
        return b"".join(map(bits, columns))
    assert isinstance(columns, np.ndarray)
    return columns.tobytes()


def found(batch: Batch, shared_from: int, both: SideBySide = one_by_one) -> bytes:
    assessment, accounts = assess(batch), int(batch.pools.account.max(initial=-1)) + 1
    level = assessment.pools.level
    told = summarise(batch, assessment, accounts, level, side_by_side=both, shared_from=shared_from)
    return bits(told)


@pytest.mark.parametrize("copies", [0, 1, 7, 300])
def test_two_parts_find_the_same_bits_as_one(copies: int) -> None:
    batch = batch_of(copies)
    whole = found(batch, len(batch.legs.pool) + 1)
    assert found(batch, 0) == whole
    assert found(batch, 0, side_by_side) == whole


def test_many_legs_are_shared_and_fewer_are_not() -> None:
    asked: list[int] = []

    def both(first: Work, second: Work) -> None:
        asked.append(len(asked))
        one_by_one(second, first)

    batch = batch_of(3)
    legs = len(batch.legs.pool)
    assert found(batch, legs + 1, both) == found(batch, legs, both)
    assert len(asked) == 1
    assert legs < SHARED_LEGS


def test_the_parts_have_half_of_the_legs_each() -> None:
    first = np.array([0, 10, 10, 12, 20, 24])
    assert summary._half(first) == 3
    assert summary._half(np.zeros(1, np.int64)) == 0
    assert summary._half(np.array([0, 9])) == 1
