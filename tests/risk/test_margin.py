"""Notional, PnL and requirements of a position, and what a pool of them is worth."""

import math

import numpy as np
import pytest

from service.risk.margin import margin_ratio
from service.risk.markets import MarketTable
from service.risk.model import Balance, Position
from tests.risk.building import (
    BTC,
    BTC_COIN,
    ETH,
    contract,
    held,
    one_rate,
    outcome,
    put_marks,
    table_with,
)


@pytest.mark.parametrize(("contracts", "pnl"), [(4.0, 20.0), (-4.0, -20.0)])
def test_a_linear_position_counts_in_quote(contracts: float, pnl: float) -> None:
    table = table_with(contract(BTC, one_rate(0.01), contract_size=0.5), marks={BTC: 110.0})
    legs = outcome(table, held(Position(BTC, contracts, 100.0, leverage=5.0))).assessment.legs
    assert legs.size[0] == contracts / 2
    assert legs.notional[0] == 220.0
    assert legs.unrealised_pnl[0] == pnl
    assert legs.initial_margin[0] == 44.0
    assert legs.maintenance_margin[0] == pytest.approx(2.2, rel=1e-15)


@pytest.mark.parametrize(("contracts", "sign"), [(3.0, 1.0), (-3.0, -1.0)])
def test_an_inverse_position_counts_in_coin(contracts: float, sign: float) -> None:
    table = table_with(
        contract(BTC_COIN, one_rate(0.01), contract_size=100.0), marks={BTC_COIN: 125.0}
    )
    legs = outcome(table, held(Position(BTC_COIN, contracts, 100.0, leverage=8.0))).assessment.legs
    assert legs.notional[0] == pytest.approx(2.4, rel=1e-15)
    assert legs.unrealised_pnl[0] == pytest.approx(sign * 0.6, rel=1e-15)
    assert legs.initial_margin[0] == pytest.approx(0.3, rel=1e-15)
    assert legs.maintenance_margin[0] == pytest.approx(0.024, rel=1e-15)


def test_a_positions_own_contract_size_and_mark_go_before_the_markets() -> None:
    table = table_with(contract(BTC), marks={BTC: 110.0})
    position = Position(BTC, 2.0, 100.0, contract_size=10.0, mark_price=105.0)
    legs = outcome(table, held(position)).assessment.legs
    assert (legs.size[0], legs.mark[0], legs.notional[0]) == (20.0, 105.0, 2_100.0)


def test_pnl_keeps_its_digits_when_mark_and_entry_are_close() -> None:
    table = table_with(contract(BTC), marks={BTC: 100.00000000000001})
    legs = outcome(table, held(Position(BTC, 1e9, 100.0))).assessment.legs
    assert legs.unrealised_pnl[0] == pytest.approx(1e9 * (100.00000000000001 - 100.0), rel=1e-15)


@pytest.mark.parametrize(
    ("leverage", "margin", "wallet"),
    [
        (5.0, None, 40.0),  # initial margin at entry, whatever the mark
        (5.0, 33.0, 33.0),
        (None, 33.0, 33.0),
        (None, None, 4.0),  # the first tier allows 50
    ],
)
def test_isolated_margin_is_given_or_the_initial_margin_at_entry(
    leverage: float | None, margin: float | None, wallet: float
) -> None:
    position = Position(BTC, 2.0, 100.0, isolated=True, leverage=leverage, margin=margin)
    for mark in (90.0, 100.0, 200.0):
        found = outcome(table_with(contract(BTC), marks={BTC: mark}), held(position, usdt=7.0))
        assert found.assessment.legs.margin[0] == pytest.approx(wallet, rel=1e-15)
        assert found.assessment.pools.wallet.tolist() == pytest.approx([7.0, wallet], rel=1e-15)


def test_without_any_leverage_the_whole_notional_is_initial_margin() -> None:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 110.0})
    legs = outcome(table, held(Position(BTC, 2.0, 100.0))).assessment.legs
    assert legs.initial_margin[0] == 220.0


def test_bybit_fills_its_isolated_margin_with_the_closing_fee() -> None:
    table = table_with(contract(BTC, one_rate(0.01), taker_fee=0.001), marks={BTC: 100.0})
    long = Position(BTC, 2.0, 100.0, isolated=True, leverage=5.0)
    short = Position(BTC, -2.0, 100.0, isolated=True, leverage=5.0)
    legs = outcome(table, held(long, short, venue="bybit")).assessment.legs
    assert legs.margin.tolist() == pytest.approx([40.0 + 0.16, 40.0 + 0.24], rel=1e-14)


@pytest.mark.parametrize(("leverage", "fee"), [(1.0, 0.0), (0.5, 0.0), (2.0, 0.05)])
def test_a_closing_fee_is_never_negative(leverage: float, fee: float) -> None:
    table = table_with(contract(BTC, one_rate(0.01), taker_fee=0.001), marks={BTC: 100.0})
    position = Position(BTC, 1.0, 100.0, leverage=leverage)
    legs = outcome(table, held(position, venue="bybit")).assessment.legs
    assert legs.maintenance_margin[0] == pytest.approx(1.0 + fee, rel=1e-14)


def test_a_cross_pool_adds_its_positions_up() -> None:
    table = table_with(contract(BTC), contract(ETH), marks={BTC: 110.0, ETH: 9.0})
    account = held(Position(BTC, 2.0, 100.0), Position(ETH, -10.0, 10.0), usdt=50.0)
    pools = outcome(table, account).assessment.pools
    assert pools.wallet.tolist() == [50.0]
    assert pools.unrealised_pnl.tolist() == [30.0]
    assert pools.equity.tolist() == [80.0]
    assert pools.maintenance_margin[0] == pytest.approx(3.1, rel=1e-15)
    assert pools.margin_ratio[0] == pytest.approx(3.1 / 80.0, rel=1e-15)


def multi_table() -> MarketTable:
    table = table_with(contract(BTC), contract(BTC_COIN, contract_size=100.0), pegged=("USDT",))
    put_marks(table, {BTC: 110.0, BTC_COIN: 110.0, "BTC/USD": 110.0})
    return table


def test_multi_collateral_weighs_what_one_has_but_not_what_one_owes() -> None:
    balances = (
        Balance("BTC", 2.0, 0.9),
        Balance("USDT", -50.0, 0.5),
        Balance("ETH", 3.0, 0.8, 10.0),
    )
    account = held(Position(BTC, 1.0, 100.0), balances=balances, collateral_mode="multi")
    pools = outcome(multi_table(), account).assessment.pools
    assert pools.wallet[0] == pytest.approx(2.0 * 110.0 * 0.9 - 50.0 + 24.0, rel=1e-15)
    assert pools.equity[0] == pytest.approx(pools.wallet[0] + 10.0, rel=1e-15)


def test_a_price_from_the_stream_goes_before_a_given_one() -> None:
    balances = (Balance("BTC", 1.0, 1.0, 5.0),)
    account = held(Position(BTC, 1.0, 110.0), balances=balances, collateral_mode="multi")
    assert outcome(multi_table(), account).assessment.pools.wallet.tolist() == [110.0]


def test_multi_mode_counts_a_coin_settled_position_in_usd() -> None:
    account = held(
        Position(BTC_COIN, 3.0, 100.0),
        balances=(Balance("USDT", 50.0),),
        collateral_mode="multi",
    )
    found = outcome(multi_table(), account).assessment
    coins = 300.0 * (1 / 100.0 - 1 / 110.0)
    assert found.legs.unrealised_pnl[0] == pytest.approx(coins, rel=1e-14)
    assert found.pools.unrealised_pnl[0] == pytest.approx(coins * 110.0, rel=1e-14)
    assert found.pools.maintenance_margin[0] == pytest.approx(3.0, rel=1e-14)


@pytest.mark.parametrize("missing", ["mark", "instrument", "collateral price", "settle price"])
def test_what_misses_something_is_unpriced_and_never_zero(missing: str) -> None:
    table = MarketTable(pegged=() if missing == "settle price" else ("USDT",))
    if missing != "instrument":
        table.put_instrument(contract(BTC))
    if missing != "mark":
        put_marks(table, {BTC: 110.0})
    coin = (Balance("DOGE", 1.0),) if missing == "collateral price" else ()
    account = held(Position(BTC, 1.0, 100.0), balances=coin, collateral_mode="multi")
    pools = outcome(table, account).assessment.pools
    assert pools.unpriced.tolist() == [True]
    assert math.isnan(pools.margin_ratio[0])
    assert math.isnan(pools.equity[0]) or math.isnan(pools.maintenance_margin[0])


def test_one_unpriced_position_leaves_the_other_pools_alone() -> None:
    table = table_with(contract(BTC), marks={BTC: 110.0})
    missing = Position(ETH, 1.0, 10.0, isolated=True, leverage=2.0)
    found = outcome(table, held(Position(BTC, 1.0, 100.0), missing, usdt=5.0)).assessment
    assert found.pools.unpriced.tolist() == [False, True]
    assert found.pools.equity[0] == 15.0
    assert found.legs.unpriced.tolist() == [False, True]


def test_what_overflows_is_unpriced() -> None:
    table = table_with(contract(BTC), marks={BTC: 1e200})
    found = outcome(table, held(Position(BTC, 1e200, 1.0), usdt=5.0)).assessment
    assert found.pools.unpriced.tolist() == [True]


def test_the_ratio_is_unknown_where_equity_is_not_positive() -> None:
    ratio = margin_ratio(np.array([1.0, 1.0, 0.0, 1.0]), np.array([2.0, 0.0, 3.0, -1.0]))
    np.testing.assert_array_equal(ratio, [0.5, math.nan, 0.0, math.nan])
