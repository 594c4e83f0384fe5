"""Liquidation prices on both sides, through tiers and jumps; bankruptcy prices; reasons."""

import math

import numpy as np
import pytest

from service.risk.liquidation import REASONS
from service.risk.markets import MarketTable
from service.risk.model import Balance, Level, Mark, Position, Tier
from tests.risk.building import (
    BTC,
    BTC_COIN,
    ETH,
    INF,
    contract,
    held,
    one_rate,
    outcome,
    put_marks,
    slack_at,
    table_with,
)


@pytest.mark.parametrize(
    ("contracts", "liquidation", "bankruptcy"),
    [
        (1.0, (20.0 - 100.0) / (0.01 - 1.0), 80.0),
        (-1.0, (20.0 + 100.0) / (0.01 + 1.0), 120.0),
    ],
)
def test_an_isolated_linear_position(
    contracts: float, liquidation: float, bankruptcy: float
) -> None:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 105.0 if contracts > 0 else 95.0})
    found = outcome(
        table, held(Position(BTC, contracts, 100.0, isolated=True, leverage=5.0))
    ).prices
    mark = 105.0 if contracts > 0 else 95.0
    assert found.liquidation[0] == pytest.approx(liquidation, rel=1e-14)
    assert found.bankruptcy[0] == pytest.approx(bankruptcy, rel=1e-14)
    assert found.distance_pct[0] == pytest.approx(100 * abs(liquidation - mark) / mark, rel=1e-12)
    one_side = found.below if contracts > 0 else found.above
    other = found.above if contracts > 0 else found.below
    assert one_side[0] == found.liquidation[0]
    assert math.isnan(other[0])
    assert REASONS[found.reason[0]] == ""


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_isolated_inverse_position(sign: float) -> None:
    table = table_with(
        contract(BTC_COIN, one_rate(0.01), contract_size=100.0), marks={BTC_COIN: 100.0}
    )
    position = Position(BTC_COIN, sign * 10.0, 100.0, isolated=True, margin=2.0)
    found = outcome(table, held(position)).prices
    denominator = 2.0 + sign * 1_000.0 / 100.0
    assert found.liquidation[0] == pytest.approx(1_000.0 * (sign + 0.01) / denominator, rel=1e-14)
    assert found.bankruptcy[0] == pytest.approx(1_000.0 * sign / denominator, rel=1e-14)


def test_the_published_cross_example_of_two_positions() -> None:
    btc = contract(BTC, one_rate(0.025, 16_300.0))
    eth = contract(ETH, one_rate(0.1, 135_365.0))
    table = table_with(btc, eth, marks={BTC: 31_967.27, ETH: 1_335.18})
    account = held(
        Position(BTC, 109.488, 32_481.98),
        Position(ETH, 3_683.979, 1_456.84),
        usdt=1_535_443.01,
        venue="binance",
    )
    assert outcome(table, account).prices.liquidation[0] == pytest.approx(26_316.89, abs=0.005)


def test_the_tier_at_the_liquidation_price_counts_not_the_one_at_the_mark() -> None:
    table = table_with(contract(BTC), marks={BTC: 100.0})
    short = held(Position(BTC, -90.0, 100.0, isolated=True, margin=5_000.0))
    found = outcome(table, short)
    # At the mark 9,000 is in the first tier; at the answer 13,6xx is in the second.
    price = found.prices.liquidation[0]
    assert price == pytest.approx((5_000.0 + 150.0 + 9_000.0) / (90.0 * 1.025), rel=1e-14)
    assert 90.0 * price > 10_000.0 > found.assessment.legs.notional[0]


@pytest.mark.parametrize("mark", [100.0, 480.0, 5_000.0])
def test_a_long_with_profits_comes_back_through_its_tiers(mark: float) -> None:
    table = table_with(contract(BTC), marks={BTC: mark})
    account = held(Position(BTC, 110.0, 100.0), usdt=2_000.0)
    price = outcome(table, account).prices.liquidation[0]
    assert abs(slack_at(table, account, BTC, price)[0]) < 1e-9 * 13_000.0
    assert price == pytest.approx((2_000.0 - 11_000.0) / (110.0 * (0.01 - 1.0)), rel=1e-12)


def test_both_legs_of_a_hedge_share_their_prices() -> None:
    table = table_with(contract(BTC), marks={BTC: 100.0})
    account = held(Position(BTC, 30.0, 90.0), Position(BTC, -50.0, 95.0), usdt=900.0)
    found = outcome(table, account).prices
    assert found.above[0] == found.above[1] == found.liquidation[0]
    assert np.isnan(found.below).all()
    assert abs(slack_at(table, account, BTC, found.above[0])[0]) < 1e-9 * 2_000.0
    assert found.bankruptcy[0] == found.bankruptcy[1] == pytest.approx(147.5, rel=1e-14)


def test_a_rate_above_one_kills_below_and_above() -> None:
    """A long whose top tier asks more than the profit brings is in danger on both sides."""
    tiers = (Tier(0.0, 2_000.0, 0.5), Tier(2_000.0, INF, 1.5))
    table = table_with(contract(BTC, tiers), marks={BTC: 100.0})
    account = held(Position(BTC, 10.0, 100.0, isolated=True, margin=700.0))
    found = outcome(table, account).prices
    assert found.below[0] == pytest.approx(60.0, rel=1e-14)
    assert found.above[0] == pytest.approx(340.0, rel=1e-14)
    assert found.liquidation[0] == found.below[0]
    for price in (60.0, 340.0):
        assert abs(slack_at(table, account, BTC, price)[0]) < 1e-9 * 1_000.0
        assert slack_at(table, account, BTC, 100.0 + (price - 100.0) * 0.99)[0] > 0.0
        assert slack_at(table, account, BTC, 100.0 + (price - 100.0) * 1.01)[0] < 0.0


def test_a_zero_slope_has_no_price() -> None:
    """A rate of 1 takes all that a rising price brings: flat above the floor, no root there."""
    tiers = (Tier(0.0, 2_000.0, 0.5), Tier(2_000.0, INF, 1.0))
    table = table_with(contract(BTC, tiers), marks={BTC: 300.0})
    account = held(Position(BTC, 10.0, 100.0, isolated=True, margin=700.0))
    found = outcome(table, account).prices
    assert math.isnan(found.above[0])
    assert found.below[0] == pytest.approx(60.0, rel=1e-13)
    flat = held(Position(BTC, 10.0, 100.0), usdt=1_000.0)
    table = table_with(contract(BTC, one_rate(1.0)), marks={BTC: 300.0})
    assert outcome(table, flat).assessment.pools.level[0] == Level.LIQUIDATION


WHOLE = (Tier(0.0, 12_000.0, 0.01), Tier(12_000.0, INF, 0.5))


def test_a_whole_position_table_liquidates_at_its_border() -> None:
    table = table_with(contract(BTC, WHOLE, tiering="whole"), marks={BTC: 100.0})
    account = held(Position(BTC, -100.0, 100.0, isolated=True, margin=6_000.0))
    found = outcome(table, account).prices
    assert found.above[0] == 120.0
    assert slack_at(table, account, BTC, np.nextafter(120.0, 0.0))[0] > 0.0
    assert slack_at(table, account, BTC, 120.0)[0] < 0.0


def test_a_jump_downwards_in_price_is_a_border_too() -> None:
    """Given amounts may make the lower tier the dearer one."""
    tiers = (Tier(0.0, 8_000.0, 0.1, None, -3_000.0), Tier(8_000.0, INF, 0.1, None, 0.0))
    table = table_with(contract(BTC, tiers), marks={BTC: 100.0})
    account = held(Position(BTC, 100.0, 100.0, isolated=True, margin=4_000.0))
    found = outcome(table, account).prices
    assert found.below[0] == 80.0
    assert slack_at(table, account, BTC, 80.0)[0] > 0.0
    assert slack_at(table, account, BTC, np.nextafter(80.0, 0.0))[0] < 0.0


def test_equal_legs_of_a_hedge_jump_together() -> None:
    table = table_with(contract(BTC, WHOLE, tiering="whole"), marks={BTC: 100.0})
    account = held(Position(BTC, 100.0, 100.0), Position(BTC, -100.0, 100.0), usdt=7_000.0)
    found = outcome(table, account)
    assert found.prices.above.tolist() == [120.0, 120.0]
    assert np.isnan(found.prices.below).all()
    assert {REASONS[code] for code in found.prices.bankruptcy_reason} == {"price_independent"}


def test_tiers_by_contracts_stay_what_they_are_at_any_price() -> None:
    tiers = (Tier(0.0, 50.0, 0.01), Tier(50.0, INF, 0.1))
    terms = contract(BTC, tiers, tiering="whole", tier_unit="contracts")
    table = table_with(terms, marks={BTC: 100.0})
    account = held(Position(BTC, -60.0, 100.0, isolated=True, margin=3_000.0))
    price = outcome(table, account).prices.above[0]
    assert price == pytest.approx(9_000.0 / (60.0 * 1.1), rel=1e-14)


def test_a_requirement_at_entry_does_not_move() -> None:
    table = table_with(contract(BTC), marks={BTC: 100.0})
    account = held(
        Position(
            BTC,
            300.0,
            90.0,
            isolated=True,
            leverage=10.0,
        ),
        venue="mexc",
    )
    required = 27_000.0 * 0.025 - 150.0
    found = outcome(table, account)
    assert found.assessment.legs.maintenance_margin[0] == pytest.approx(required, rel=1e-14)
    price = 90.0 - (2_700.0 - required) / 300.0
    assert found.prices.liquidation[0] == pytest.approx(price, rel=1e-14)


def test_a_fee_on_the_notional_is_counted_at_the_liquidation_price() -> None:
    table = table_with(contract(BTC, one_rate(0.01), taker_fee=0.0006), marks={BTC: 10.0})
    account = held(Position(BTC, 1.0, 10.0, isolated=True, leverage=5.0), venue="gate")
    found = outcome(table, account).prices
    assert found.liquidation[0] == pytest.approx(8.085708510208207, rel=1e-14)
    assert found.bankruptcy[0] == pytest.approx(8.0 / (1.0 - 0.0006), rel=1e-14)


@pytest.mark.parametrize(("contracts", "bankruptcy"), [(1.0, 9_800.0), (-1.0, 10_200.0)])
def test_bybits_bankruptcy_price_is_entry_and_leverage(contracts: float, bankruptcy: float) -> None:
    table = table_with(contract(BTC, one_rate(0.005)), marks={BTC: 10_000.0})
    account = held(Position(BTC, contracts, 10_000.0, isolated=True, leverage=50.0), venue="bybit")
    assert outcome(table, account).prices.bankruptcy[0] == pytest.approx(bankruptcy, rel=1e-13)


def test_coin_collateral_moves_with_the_mark() -> None:
    table = table_with(contract(BTC, one_rate(0.01)), pegged=("USDT",), marks={BTC: 100.0})
    balances = (Balance("BTC", 10.0, 0.9), Balance("USDT", -200.0))
    account = held(Position(BTC, 10.0, 100.0), balances=balances, collateral_mode="multi")
    found = outcome(table, account).prices
    assert found.below[0] == pytest.approx(1_200.0 / (9.0 + 10.0 * 0.99), rel=1e-14)
    assert found.bankruptcy[0] == pytest.approx(1_200.0 / 19.0, rel=1e-14)


def test_a_short_covered_by_its_coin_is_safe_above_and_falls_below() -> None:
    """The collateral outweighs the short: what kills it is a falling price."""
    table = table_with(contract(BTC, one_rate(0.01)), pegged=("USDT",), marks={BTC: 100.0})
    balances = (Balance("BTC", 10.0), Balance("USDT", -900.0))
    account = held(Position(BTC, -2.0, 100.0), balances=balances, collateral_mode="multi")
    found = outcome(table, account).prices
    assert found.below[0] == pytest.approx(700.0 / (8.0 - 0.02), rel=1e-14)
    assert math.isnan(found.above[0])


def test_an_inverse_position_in_a_usd_pool_has_a_price() -> None:
    table = table_with(contract(BTC_COIN, one_rate(0.01), contract_size=100.0), pegged=("USDT",))
    put_marks(table, {BTC_COIN: 100.0})
    balances = (Balance("BTC", 2.0), Balance("USDT", 50.0))
    account = held(Position(BTC_COIN, 10.0, 100.0), balances=balances, collateral_mode="multi")
    found = outcome(table, account).prices
    # 50 + 2 P + P (1000/100 - 1000/P) = 0.01 x 1000
    assert found.below[0] == pytest.approx(960.0 / 12.0, rel=1e-14)
    assert found.bankruptcy[0] == pytest.approx(950.0 / 12.0, rel=1e-14)


def test_small_money_beside_large_positions_keeps_its_digits() -> None:
    """The slack is 1e-9 of the notional: a difference of notionals would have lost it."""
    table = table_with(contract(BTC, one_rate(1e-6)), marks={BTC: 0.3})
    account = held(Position(BTC, 1e9, 0.1 + 0.2, isolated=True, margin=600.0))
    price = outcome(table, account).prices.below[0]
    layer = MarketTable(table)
    layer.put_mark(Mark(BTC, price))
    pools = outcome(layer, account).assessment.pools
    error = abs(pools.equity[0] - pools.maintenance_margin[0])
    assert error <= 1e-9 * (600.0 + abs(pools.unrealised_pnl[0]) + pools.maintenance_margin[0])
