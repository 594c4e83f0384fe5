"""What brings a pool back: the deposit or reduction is enough, and not more than enough."""

import math
from dataclasses import replace

import numpy as np
import pytest

from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Level, Position, Thresholds
from service.risk.restore import owed, shortfall, to_restore
from tests.risk.building import BTC, ETH, contract, held, one_rate, outcome, table_with


def btc_table(mark: float, rate: float = 0.01) -> MarketTable:
    return table_with(contract(BTC, one_rate(rate)), marks={BTC: mark})


def deposits(table: MarketTable, account: Account) -> list[float]:
    found = outcome(table, account)
    return list(to_restore(found.batch, found.assessment).deposit.tolist())


def reductions(table: MarketTable, account: Account) -> list[float]:
    found = outcome(table, account)
    return list(to_restore(found.batch, found.assessment).reduce.tolist())


def is_restored(table: MarketTable, account: Account) -> bool:
    pools = outcome(table, account).assessment.pools
    line = account.thresholds.warning - account.thresholds.hysteresis
    below = pools.maintenance_margin < line * pools.equity
    return bool(np.all(~pools.open | (below & (pools.level == Level.HEALTHY))))


def with_wallet(account: Account, amount: float) -> Account:
    return replace(account, balances=(Balance("USDT", amount),))


def test_a_healthy_pool_needs_nothing() -> None:
    account = held(Position(BTC, 1.0, 100.0), usdt=50.0)
    assert deposits(btc_table(100.0), account) == [0.0]
    assert reductions(btc_table(100.0), account) == [0.0]


@pytest.mark.parametrize("wallet", [1.9, 1.0, 0.5, -3.0])
def test_the_deposit_is_enough_and_no_more(wallet: float) -> None:
    table = btc_table(100.0)
    account = held(Position(BTC, 1.0, 100.0), usdt=wallet)
    (deposit,) = deposits(table, account)
    assert deposit == pytest.approx(1.0 / 0.45 - wallet, abs=1e-11)
    assert is_restored(table, with_wallet(account, wallet + deposit))
    assert not is_restored(table, with_wallet(account, wallet + deposit - 1e-9))


@pytest.mark.parametrize(
    ("contracts", "wallet"), [(300.0, 950.0), (300.0, 100.0), (700.0, 5_000.0)]
)
@pytest.mark.parametrize("tiering", ["marginal", "whole"])
def test_the_reduction_is_enough_and_no_more(contracts: float, wallet: float, tiering: str) -> None:
    table = table_with(contract(BTC, tiering=tiering), marks={BTC: 100.0})
    account = held(Position(BTC, -contracts, 100.0), usdt=wallet)
    (reduce,) = reductions(table, account)
    assert 0.0 < reduce < contracts
    left = replace(account, positions=(Position(BTC, -(contracts - reduce), 100.0),))
    assert is_restored(table, left)
    more = replace(account, positions=(Position(BTC, -(contracts - reduce * (1 - 1e-9)), 100.0),))
    assert not is_restored(table, more)


def test_each_position_is_reduced_as_if_alone() -> None:
    table = table_with(
        contract(BTC, one_rate(0.01)), contract(ETH, one_rate(0.1)), marks={BTC: 100.0, ETH: 10.0}
    )
    account = held(Position(BTC, 1.0, 100.0), Position(ETH, 1.0, 10.0), usdt=3.0)
    # Required 1 + 1, allowed 0.45 x 3 = 1.35: either position alone must shed 0.65 of its 1.
    assert reductions(table, account) == pytest.approx([0.65, 0.65], rel=1e-10)


def test_a_position_whose_closing_is_not_enough_has_no_reduction() -> None:
    table = table_with(
        contract(BTC, one_rate(0.01)), contract(ETH, one_rate(0.1)), marks={BTC: 100.0, ETH: 100.0}
    )
    account = held(Position(BTC, 1.0, 100.0), Position(ETH, 1.0, 100.0), usdt=12.0)
    small, large = reductions(table, account)
    assert math.isnan(small)
    assert large == pytest.approx((11.0 - 5.4) / 10.0, rel=1e-10)


def test_closing_the_only_position_always_does() -> None:
    assert reductions(btc_table(100.0), held(Position(BTC, 2.0, 200.0), usdt=50.0)) == [2.0]


def test_a_level_that_hysteresis_holds_needs_what_leaves_it() -> None:
    table = btc_table(100.0)
    account = held(Position(BTC, 1.0, 100.0), usdt=2.1)
    found = outcome(table, account)
    assert deposits(table, account) == [0.0], "by the table alone it is healthy"
    warned = np.array([Level.WARNING], dtype=np.int8)
    needed = to_restore(found.batch, found.assessment, warned)
    assert needed.deposit[0] == pytest.approx(1.0 / 0.45 - 2.1, rel=1e-10)
    assert needed.reduce[0] == pytest.approx(1.0 - 0.45 * 2.1, rel=1e-10)


def test_an_accounts_own_lines_count() -> None:
    lines = Thresholds(warning=0.2, margin_call=0.8, hysteresis=0.1)
    account = held(Position(BTC, 1.0, 100.0), usdt=4.0, thresholds=lines)
    assert deposits(btc_table(100.0), account) == pytest.approx([6.0], rel=1e-10)


def test_what_is_unpriced_needs_what_nobody_knows() -> None:
    account = held(Position(BTC, 1.0, 100.0), usdt=4.0)
    table = table_with(contract(BTC))
    assert math.isnan(deposits(table, account)[0])
    assert math.isnan(reductions(table, account)[0])


@pytest.mark.parametrize(
    ("venue", "left"),
    [("generic", 30.0), ("htx", 30.0), ("binance", 0.0), ("krakenfutures", 0.0), ("okx", 0.0)],
)
def test_what_is_owed_below_zero_is_the_venues_policy(venue: str, left: float) -> None:
    account = held(Position(BTC, 1.0, 100.0, isolated=True, leverage=5.0), venue=venue)
    found = outcome(btc_table(50.0), account)
    assert shortfall(found.assessment.pools.equity).tolist() == [30.0]
    assert owed(found.batch, found.assessment).tolist() == [left]


@pytest.mark.parametrize(("loan", "left"), [(0.0, 0.0), (10.0, 10.0), (25.0, 20.0)])
def test_what_was_borrowed_stays_a_debt_on_unified_accounts(loan: float, left: float) -> None:
    """20 short of which at most the loan can be owed; without protection it is the 20."""
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 50.0}, pegged=("USDT", "USDC"))
    balances = (Balance("USDT", 30.0 + loan), Balance("USDC", -loan))
    for venue, expected in (("okx", left), ("bybit", left), ("binance", 0.0), ("generic", 20.0)):
        account = held(
            Position(BTC, 1.0, 100.0), venue=venue, collateral_mode="multi", balances=balances
        )
        found = outcome(table, account)
        assert shortfall(found.assessment.pools.equity).tolist() == [20.0]
        assert owed(found.batch, found.assessment).tolist() == [expected]


def test_above_zero_nothing_falls_short() -> None:
    found = outcome(btc_table(100.0), held(Position(BTC, 1.0, 100.0), usdt=1.0))
    assert shortfall(found.assessment.pools.equity).tolist() == [0.0]
    assert owed(found.batch, found.assessment).tolist() == [0.0]


def test_an_unknown_shortfall_is_not_zero() -> None:
    found = outcome(table_with(contract(BTC)), held(Position(BTC, 1.0, 100.0), venue="binance"))
    assert math.isnan(owed(found.batch, found.assessment)[0])
