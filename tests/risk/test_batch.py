"""Which pools an account has, what stands in them, and in which order."""

import math

import numpy as np
import pytest

from service.errors import UnknownVenue
from service.risk.batch import build_batch
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, PoolKey, Position, Thresholds
from tests.risk.building import BTC, BTC_COIN, ETH, contract, held, table_with


def table() -> MarketTable:
    return table_with(contract(BTC), contract(ETH), contract(BTC_COIN))


def keys_of(account: Account) -> list[PoolKey]:
    return build_batch([account], table())[1][0]


def test_an_account_with_nothing_has_no_pools() -> None:
    batch, keys = build_batch(
        [Account("a"), Account("b", balances=(Balance("USDT", 0.0),))], table()
    )
    assert keys == [[], []]
    assert len(batch.pools.rule) == len(batch.legs.pool) == len(batch.holdings.pool) == 0


def test_no_accounts_make_an_empty_batch() -> None:
    batch, keys = build_batch([], table())
    assert keys == []
    assert len(batch.pools.rule) == 0


def test_pools_come_cross_first_by_settle_then_isolated_by_symbol_and_side() -> None:
    account = held(
        Position(ETH, 1.0, 10.0, isolated=True, leverage=1.0),
        Position(BTC, -1.0, 10.0, isolated=True, leverage=1.0),
        Position(BTC, 1.0, 10.0, isolated=True, leverage=1.0),
        Position(BTC, 1.0, 10.0),
        Position(BTC_COIN, 1.0, 10.0),
        usdt=5.0,
    )
    assert keys_of(account) == [
        PoolKey("cross", "BTC"),
        PoolKey("cross", "USDT"),
        PoolKey("isolated", "USDT", BTC, "long"),
        PoolKey("isolated", "USDT", BTC, "short"),
        PoolKey("isolated", "USDT", ETH, "long"),
    ]


def test_a_balance_alone_is_a_pool_unless_it_is_zero() -> None:
    balances = (Balance("USDT", 1.0), Balance("DOGE", -1.0), Balance("BTC", 0.0))
    assert keys_of(Account("a", balances=balances)) == [
        PoolKey("cross", "DOGE"),
        PoolKey("cross", "USDT"),
    ]


def test_multi_mode_has_one_cross_pool_in_usd_and_isolated_ones_beside_it() -> None:
    account = held(
        Position(BTC, 1.0, 10.0),
        Position(BTC_COIN, 1.0, 10.0),
        Position(ETH, 1.0, 10.0, isolated=True, leverage=1.0),
        collateral_mode="multi",
        usdt=5.0,
    )
    batch, keys = build_batch([account], table())
    assert keys == [[PoolKey("cross", "USD"), PoolKey("isolated", "USDT", ETH, "long")]]
    assert batch.pools.multi.tolist() == [True, False]
    assert batch.pools.isolated.tolist() == [False, True]


def test_a_contract_nobody_listed_still_has_a_pool_by_its_name() -> None:
    assert keys_of(held(Position("DOGE/USDC:USDC", 1.0, 1.0))) == [PoolKey("cross", "USDC")]


def test_rows_of_several_accounts_stand_one_after_the_other() -> None:
    first = held(Position(BTC, 1.0, 10.0), Position(ETH, -2.0, 20.0), usdt=3.0)
    second = Account("b")
    third = held(
        Position(ETH, 4.0, 40.0, isolated=True, leverage=2.0),
        thresholds=Thresholds(0.4, 0.7, 0.1, 9),
        venue="okx",
    )
    batch, keys = build_batch([first, second, third], table())
    assert [len(names) for names in keys] == [1, 0, 1]
    assert batch.pools.account.tolist() == [0, 2]
    assert batch.legs.pool.tolist() == [0, 0, 1]
    assert batch.legs.contracts.tolist() == [1.0, -2.0, 4.0]
    assert batch.legs.entry_price.tolist() == [10.0, 20.0, 40.0]
    assert batch.holdings.pool.tolist() == [0]
    assert batch.pools.warning.tolist() == [0.5, 0.4]
    assert batch.pools.ease_after_ms.tolist() == [5_000, 9]
    assert len(np.unique(batch.pools.rule)) == 2


def test_what_is_not_given_is_nan() -> None:
    given = Position(BTC, 1.0, 10.0, leverage=3.0, contract_size=0.1, mark_price=9.0, margin=2.0)
    legs = build_batch([held(given, Position(ETH, 1.0, 10.0))], table())[0].legs
    for column, value in (
        ("leverage", 3.0),
        ("contract_size", 0.1),
        ("mark", 9.0),
        ("margin", 2.0),
    ):
        found = getattr(legs, column)
        assert found[0] == value
        assert math.isnan(found[1])


def test_an_unknown_venue_is_refused() -> None:
    with pytest.raises(UnknownVenue):
        build_batch([Account("a", venue="ftx")], table())
