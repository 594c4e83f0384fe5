"""One pass over a batch: levels, staleness, picking pools, the same figures in any company."""

from dataclasses import fields, replace

import numpy as np
import pytest

from service.risk.batch import build_batch
from service.risk.columns import Holdings, Legs
from service.risk.evaluate import assess, prices, select
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Level, Position
from service.risk.quality import GOOD, STALE
from service.risk.restore import to_restore
from tests.risk.building import BTC, BTC_COIN, ETH, contract, held, one_rate, outcome, table_with


def table(mark: float = 100.0) -> MarketTable:
    return table_with(
        contract(BTC, one_rate(0.01)),
        contract(ETH),
        contract(BTC_COIN),
        marks={BTC: mark, ETH: 10.0, BTC_COIN: 100.0},
    )


LONG = Position(BTC, 1.0, 100.0, isolated=True, leverage=5.0)


@pytest.mark.parametrize(
    ("mark", "level"),
    [
        (83.0, Level.HEALTHY),
        (81.6, Level.WARNING),
        (81.0, Level.MARGIN_CALL),
        (80.5, Level.LIQUIDATION),
        (79.0, Level.BANKRUPT),
    ],
)
def test_a_falling_mark_goes_through_the_levels(mark: float, level: Level) -> None:
    assert outcome(table(mark), held(LONG)).assessment.pools.level.tolist() == [level]


def test_a_position_without_a_mark_is_unpriced_and_one_without_a_pool_is_not() -> None:
    priceless = table_with(contract(BTC))
    account = held(LONG, usdt=5.0)
    pools = outcome(priceless, account).assessment.pools
    assert pools.level.tolist() == [Level.HEALTHY, Level.UNPRICED]
    assert pools.open.tolist() == [False, True]


def test_a_pool_is_stale_by_the_marks_it_goes_by() -> None:
    market = table()
    market.market("generic", BTC)
    market.judge_marks("generic", BTC, STALE)
    account = held(LONG, Position(ETH, 1.0, 10.0), usdt=5.0)
    assert outcome(market, account).assessment.pools.quality.tolist() == [
        GOOD.quality,
        STALE.quality,
    ]
    own = held(Position(BTC, 1.0, 100.0, mark_price=99.0), usdt=5.0)
    assert outcome(market, own).assessment.pools.quality.tolist() == [GOOD.quality]


def test_an_empty_batch_has_an_empty_answer() -> None:
    batch, _ = build_batch([], MarketTable())
    assessment = assess(batch)
    assert len(assessment.pools.level) == len(prices(batch, assessment).below) == 0


def varied() -> list[Account]:
    coins = (Balance("BTC", 0.1), Balance("USDT", 40.0))
    return [
        held(LONG, Position(BTC, -2.0, 90.0), Position(ETH, 500.0, 9.0), usdt=400.0),
        held(Position(BTC_COIN, 50.0, 80.0, leverage=3.0), balances=coins),
        held(
            Position(BTC_COIN, -50.0, 80.0),
            Position(BTC, 1.0, 90.0),
            balances=coins,
            collateral_mode="multi",
        ),
        held(Position(ETH, -70.0, 8.0, isolated=True, leverage=2.0), venue="okx"),
        held(Position(ETH, -2_000.0, 8.0), Position(ETH, 900.0, 8.0), venue="bybit", usdt=9_000.0),
    ]


def market() -> MarketTable:
    return table_with(
        contract(BTC),
        contract(ETH),
        contract(BTC_COIN),
        pegged=("USDT",),
        marks={BTC: 100.0, ETH: 10.0, BTC_COIN: 101.0},
    )


def test_an_accounts_figures_do_not_depend_on_its_company() -> None:
    together, _ = build_batch(varied(), market())
    all_figures = assess(together)
    all_prices = prices(together, all_figures)
    first_pool = first_leg = 0
    for account in varied():
        alone = outcome(market(), account)
        pools = slice(first_pool, first_pool + len(alone.keys))
        legs = slice(first_leg, first_leg + len(account.positions))
        np.testing.assert_array_equal(
            alone.assessment.pools.equity, all_figures.pools.equity[pools]
        )
        np.testing.assert_array_equal(alone.assessment.pools.level, all_figures.pools.level[pools])
        np.testing.assert_array_equal(alone.prices.below, all_prices.below[legs])
        np.testing.assert_array_equal(alone.prices.above, all_prices.above[legs])
        np.testing.assert_array_equal(alone.prices.bankruptcy, all_prices.bankruptcy[legs])
        first_pool, first_leg = pools.stop, legs.stop


def test_rows_of_a_pool_need_not_stand_together() -> None:
    """Nor does a pool's answer hang on what was noted of the pools before it."""
    batch, _ = build_batch(varied() * 3, market())
    order = np.argsort(np.arange(len(batch.legs.pool)) % 7, kind="stable")
    legs = Legs(**{f.name: getattr(batch.legs, f.name)[order] for f in fields(Legs)})
    turned = Holdings(
        **{f.name: getattr(batch.holdings, f.name)[::-1].copy() for f in fields(Holdings)}
    )
    apart = replace(batch, legs=legs, holdings=turned)
    figures, others = assess(batch), assess(apart)
    np.testing.assert_allclose(others.pools.equity, figures.pools.equity, rtol=1e-14)
    np.testing.assert_array_equal(others.pools.level, figures.pools.level)
    found, there = prices(batch, figures), prices(apart, others)
    for name in ("below", "above", "bankruptcy"):
        near = getattr(found, name)[order]
        np.testing.assert_allclose(getattr(there, name), near, rtol=1e-12, err_msg=name)
    one, other = to_restore(batch, figures), to_restore(apart, others)
    np.testing.assert_allclose(other.reduce, one.reduce[order], rtol=1e-12)


def test_selected_pools_keep_their_figures_in_the_order_asked() -> None:
    batch, _ = build_batch(varied(), market())
    whole = assess(batch)
    wanted = np.array([4, 0, 3])
    part = select(batch, wanted)
    some = assess(part)
    np.testing.assert_array_equal(some.pools.equity, whole.pools.equity[wanted])
    np.testing.assert_array_equal(some.pools.level, whole.pools.level[wanted])
    kept = np.isin(batch.legs.pool, wanted)
    np.testing.assert_array_equal(some.legs.notional, whole.legs.notional[kept])
    np.testing.assert_array_equal(part.pools.account, batch.pools.account[wanted])
    assert part.holdings.pool.max() < len(wanted)


def test_selecting_nothing_is_a_batch_of_nothing() -> None:
    batch, _ = build_batch(varied(), market())
    part = select(batch, np.array([], dtype=np.int64))
    assert len(assess(part).pools.level) == 0
