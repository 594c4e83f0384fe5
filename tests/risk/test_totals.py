"""An account's totals: in the asset its pools share, else in USD, else not at all with a reason."""

import math

import numpy as np
import pytest

from service.risk.batch import build_batch
from service.risk.evaluate import assess
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Level, Position
from service.risk.totals import IN_USD, REASONS, AccountTotals, account_totals
from tests.risk.building import BTC, BTC_COIN, ETH, contract, held, one_rate, put_marks, table_with


def totals(table: MarketTable, *accounts: Account) -> AccountTotals:
    batch, _ = build_batch(accounts, table)
    return account_totals(batch, assess(batch), len(accounts))


def table(pegged: tuple[str, ...] = ("USDT",)) -> MarketTable:
    made = table_with(
        contract(BTC, one_rate(0.01)),
        contract(BTC_COIN, one_rate(0.01), contract_size=100.0),
        pegged=pegged,
    )
    put_marks(made, {BTC: 110.0, BTC_COIN: 125.0})
    return made


ISOLATED = Position(BTC, 1.0, 100.0, isolated=True, leverage=5.0)


def test_pools_that_share_an_asset_are_summed_in_it() -> None:
    market = table()
    found = totals(market, held(ISOLATED, Position(BTC, -1.0, 100.0, leverage=5.0), usdt=50.0))
    assert market.asset_name(int(found.settle[0])) == "USDT"
    assert REASONS[found.reason[0]] == ""
    assert found.wallet[0] == 70.0
    assert found.equity[0] == 70.0
    assert found.unrealised_pnl[0] == 0.0
    assert found.initial_margin[0] == pytest.approx(44.0, rel=1e-15)
    assert found.maintenance_margin[0] == pytest.approx(2.2, rel=1e-15)
    assert found.margin_ratio[0] == pytest.approx(2.2 / 70.0, rel=1e-15)
    assert found.health_factor[0] == pytest.approx(70.0 / 2.2, rel=1e-15)


def test_different_assets_are_summed_in_usd() -> None:
    account = held(
        ISOLATED,
        Position(BTC_COIN, 1.0, 100.0),
        balances=(Balance("BTC", 2.0), Balance("USDT", 5.0)),
    )
    found = totals(table(), account)
    coins = 2.0 + 100.0 * (1 / 100.0 - 1 / 125.0)
    assert found.settle.tolist() == [IN_USD]
    assert found.equity[0] == pytest.approx(coins * 125.0 + 5.0 + 30.0, rel=1e-14)


def test_an_asset_without_a_price_leaves_no_mixed_sum() -> None:
    found = totals(table(pegged=()), held(ISOLATED, balances=(Balance("BTC", 2.0),)))
    assert REASONS[found.reason[0]] == "no_conversion_price"
    assert math.isnan(found.equity[0])
    assert math.isnan(found.margin_ratio[0])


def test_an_unpriced_pool_leaves_no_totals() -> None:
    found = totals(table(), held(ISOLATED, Position(ETH, 1.0, 10.0)))
    assert REASONS[found.reason[0]] == "unpriced"
    assert math.isnan(found.equity[0])
    assert found.level[0] == Level.UNPRICED


def test_one_pools_plenty_does_not_cover_anothers_want() -> None:
    under = Position(BTC, -1.0, 50.0, isolated=True, leverage=1.0)
    found = totals(table(), held(under, usdt=1_000.0))
    assert found.equity[0] == 990.0
    assert found.level[0] == Level.BANKRUPT
    assert found.shortfall[0] == found.owed[0] == 10.0
    assert found.margin_deficit[0] == pytest.approx(11.1, rel=1e-14)
    assert found.available_margin[0] == 1_000.0


def test_accounts_do_not_mix_and_an_empty_one_has_zeros() -> None:
    found = totals(table(), held(usdt=1.0), Account("none"), held(ISOLATED))
    assert found.equity.tolist() == [1.0, 0.0, 30.0]
    assert found.settle[1] == IN_USD
    assert found.level.tolist() == [Level.HEALTHY] * 3
    assert np.isnan(found.health_factor).tolist() == [True, True, False]
    assert np.isnan(found.margin_ratio).tolist() == [False, True, False]


def test_a_multi_account_is_in_usd() -> None:
    market = table()
    account = held(Position(BTC, 1.0, 100.0), collateral_mode="multi", usdt=10.0)
    found = totals(market, account)
    assert market.asset_name(int(found.settle[0])) == "USD"
    assert found.equity.tolist() == [20.0]
