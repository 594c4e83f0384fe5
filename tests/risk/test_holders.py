"""Legs by market: whoever comes and goes, each stands once, with its band, inside its summary."""

import random

import numpy as np
import pytest

from service.risk.growing import grow
from service.risk.holders import BLOCK, Holders
from service.risk.rows import LegColumns

MARKETS, ROWS = 3, 1_000


def check(holders: Holders, legs: LegColumns, held: dict[int, int]) -> None:
    for market in range(MARKETS):
        of_market = sorted(row for row, where in held.items() if where == market)
        assert sorted(holders.rows(market).tolist()) == of_market
    rows = np.array(sorted(held), np.int64)
    low, high = holders.bands(rows)
    np.testing.assert_array_equal(low, rows)
    np.testing.assert_array_equal(high, rows + 1.0)
    blocks = legs.place[rows] // BLOCK
    assert (holders.blocks.low[blocks] >= low).all()
    assert (holders.blocks.high[blocks] <= high).all()


@pytest.mark.parametrize("seed", range(20))
def test_legs_come_and_go_many_at_a_time(seed: int) -> None:
    chance, legs = random.Random(seed), LegColumns()
    grow(legs, ROWS)
    holders, held, entered = Holders(legs), dict[int, int](), 0
    while entered + 120 < ROWS:
        if held and chance.random() < 0.4:
            leaving = chance.sample(sorted(held), chance.randrange(1, len(held) + 1))
            holders.remove(np.array([held.pop(row) for row in leaving]), np.array(leaving))
        else:
            rows = np.arange(entered, entered + chance.randrange(1, 120))
            markets = np.array([chance.randrange(MARKETS) for _ in rows])
            holders.add(markets, rows)
            low = rows.astype(np.float64)
            holders.set_bands(rows, low, low + 1.0)
            held |= dict(zip(rows.tolist(), markets.tolist(), strict=True))
            entered += len(rows)
        if chance.random() < 0.2:
            holders.arrange(0, 500.0)
        check(holders, legs, held)
