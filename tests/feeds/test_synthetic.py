"""The synthetic market: seeded, correlated, and crashing when told to."""

import numpy as np
import pytest

from service.demo import markets
from service.feeds.synthetic import Asset, Crash, SyntheticMarket

ASSETS = [
    Asset("A", 100.0, 0.6, 1.0, (("binance", "A/USDT:USDT"), ("bybit", "A/USDT:USDT"))),
    Asset("B", 2.0, 0.9, 1.4, (("binance", "B/USDT:USDT"),)),
    Asset("PEG", 1.0, 0.0, 0.0, (("generic", "PEG/USD"),)),
]


def walk(seed: int, steps: int = 200) -> list[dict[str, float]]:
    market = SyntheticMarket(ASSETS, seed)
    path = []
    for _ in range(steps):
        market.step(1.0)
        path.append(market.prices)
    return path


def test_the_seed_decides_every_price() -> None:
    assert walk(1) == walk(1)
    assert walk(1) != walk(2)


def test_every_listed_market_gets_a_mark_near_the_assets_price() -> None:
    market = SyntheticMarket(ASSETS, 3)
    marks = market.step(0.25)

    assert [(mark["venue"], mark["symbol"]) for mark in marks] == [
        listed for asset in ASSETS for listed in asset.markets
    ]
    price = market.prices["A"]
    assert all(abs(float(mark["markPrice"]) / price - 1.0) < 0.001 for mark in marks[:2])


def test_assets_move_together() -> None:
    market = SyntheticMarket(ASSETS, 5, common_jumps_a_day=0.0, own_jumps_a_day=0.0)
    path = []
    for _ in range(3_000):
        market.step(1.0)
        path.append([market.prices["A"], market.prices["B"]])
    moves = np.diff(np.log(path), axis=0)

    assert np.corrcoef(moves.T)[0, 1] == pytest.approx(0.7, abs=0.03)


def test_volatility_is_a_years() -> None:
    market = SyntheticMarket(ASSETS[:1], 11, common_jumps_a_day=0.0, own_jumps_a_day=0.0)
    logs = []
    for _ in range(4_000):
        market.step(3_600.0)
        logs.append(np.log(market.prices["A"]))

    assert np.std(np.diff(logs)) * np.sqrt(365 * 24) == pytest.approx(0.6, rel=0.05)


def test_a_crash_falls_by_its_depth_and_comes_back() -> None:
    crash = Crash(depth=0.2, fall_s=10.0, pause_s=5.0, recovery_s=10.0, recovered=1.0)
    market = SyntheticMarket(ASSETS, 7)
    market.crash_now(crash)
    seen = {}
    for tick in range(1, 101):
        market.step(0.25)
        seen[tick * 0.25] = (market.prices["A"] / 100.0, market.prices["B"] / 2.0, market.phase)

    assert seen[12.0][0] == pytest.approx(0.8, rel=0.01)
    assert seen[12.0][1] == pytest.approx(0.8**1.4, rel=0.01)
    assert seen[25.0][0] == pytest.approx(1.0, rel=0.01)
    assert [seen[at][2] for at in (5.0, 12.0, 20.0, 25.0)] == [
        "falling",
        "at the bottom",
        "recovering",
        None,
    ]
    assert market.prices["PEG"] == 1.0


def test_a_partial_recovery_stays_below() -> None:
    crash = Crash(depth=0.5, fall_s=1.0, pause_s=0.0, recovery_s=1.0, recovered=0.5)

    assert crash.path(1.0) == pytest.approx(np.log(0.5))
    assert crash.path(5.0) == pytest.approx(np.log(0.5) / 2)


def test_the_demos_market_quotes_every_contract_it_lists() -> None:
    marks = SyntheticMarket(markets.assets(), 1).marks()
    listed = {(row["venue"], row["symbol"]) for row in markets.instruments()}

    assert listed <= {(mark["venue"], mark["symbol"]) for mark in marks}
