"""A book at many moves: each point is the evaluation at those marks, and payers add up."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.aftermath import aftermath
from service.risk.batch import build_batch
from service.risk.closing import borrowed, close, taker_fees
from service.risk.columns import Batch, Floats
from service.risk.levels import LIQUIDATION
from service.risk.liquidation_map import Found, walk
from service.risk.map_payers import paid
from service.risk.margin import assess
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Position
from service.risk.policy import POLICY_COLUMNS
from service.risk.shocks import Shock, shock_of
from service.risk.venues import rule_index
from service.risk.walking import ASKED, CLAIMED, CONTRIBUTED, LONG, POOLS, SHORT, SHORTFALL
from tests.agreement import table_of
from tests.reference.world import World
from tests.risk.building import BTC, BTC_COIN, ETH, contract, held, one_rate, table_with
from tests.safe_scenes import safe_scenes
from tests.strategies import SYMBOLS, VENUES, effort, scenes

FACTORS = np.array([0.4, 0.8, 0.97, 1.0, 1.05, 1.6])
NO_LIMIT = np.full(1_000, np.inf)
Scene = tuple[World, Account]


def at_factor(batch: Batch, shock: Shock, factor: float) -> Batch:
    """The batch as it is evaluated once the marks, and the coins, have moved."""
    markets = np.where(shock.markets, factor, 1.0)
    assets = np.where(shock.assets, factor, 1.0)
    holdings, legs = batch.holdings, batch.legs
    return replace(
        batch,
        markets=replace(batch.markets, mark=batch.markets.mark * markets),
        legs=replace(legs, mark=legs.mark * markets[legs.market]),
        holdings=replace(holdings, price=holdings.price * assets[holdings.asset]),
        asset_price=batch.asset_price * assets,
    )


def moved_by(batch: Batch, shock: Shock) -> np.ndarray:
    """The pools that count: open, and with something that moves."""
    pools, multi = len(batch.pools.rule), batch.pools.multi
    market, at = batch.legs.market, batch.legs.pool
    moves = shock.markets[market] | (multi[at] & shock.assets[batch.markets.settle[market]])
    found = np.bincount(at, moves, pools) > 0.0
    coins = shock.assets[batch.holdings.asset] & multi[batch.holdings.pool]
    found |= np.bincount(batch.holdings.pool, coins, pools) > 0.0
    return (np.bincount(at, minlength=pools) > 0) & (found | shock.everything)


def expected(batch: Batch, shock: Shock, factor: float) -> dict[int, list[float]]:
    """What a point must say, by asset: out of a plain evaluation at its marks."""
    with np.errstate(all="ignore"):
        shocked = at_factor(batch, shock, factor)
        found = assess(shocked)
        closing = close(shocked, found, found.legs.mark, taker_fees(shocked))
    owing = borrowed(shocked, found)
    usable = moved_by(batch, shock) & ~assess(batch).pools.unpriced & ~found.pools.unpriced
    sums: dict[int, list[float]] = {}
    for pool in np.flatnonzero(usable & (found.pools.level >= LIQUIDATION)).tolist():
        row = sums.setdefault(int(batch.pools.settle[pool]), [0.0] * 5)
        rule, short = int(batch.pools.rule[pool]), max(0.0, -float(closing.remainder[pool]))
        protected = POLICY_COLUMNS.loans_stay
        row[POOLS] += 1.0
        for leg in np.flatnonzero(batch.legs.pool == pool).tolist():
            side = LONG if found.legs.size[leg] > 0.0 else SHORT
            row[side] += float(found.legs.notional[leg] * found.legs.settle_price[leg])
        row[SHORTFALL] += short
        row[CLAIMED] += min(short, float(owing[pool])) if protected[rule] else 0.0
    return sums


def walked(batch: Batch, shock: Shock) -> Found:
    with np.errstate(all="ignore"):
        return walk(batch, shock, NO_LIMIT[: len(batch.asset_price)])


@effort(120, 3_000)
@given(safe_scenes() | scenes(), st.none() | st.sampled_from(SYMBOLS))
def test_every_point_is_the_evaluation_at_those_marks(scene: Scene, symbol: str | None) -> None:
    world, account = scene
    table = table_of(world)
    batch, _ = build_batch([account], table)
    shock = shock_of(table, symbol, None, FACTORS)
    found = walked(batch, shock)
    for point, factor in enumerate(FACTORS.tolist()):
        wanted = expected(batch, shock, factor)
        for index, asset in enumerate(found.assets.tolist()):
            row = found.sums[index, point]
            assert row[: CLAIMED + 1].tolist() == wanted.get(asset, [0.0] * 5)
        assert found.accounts[point] == (len(wanted) > 0)
        assert found.accounts_short[point] == any(row[SHORTFALL] > 0 for row in wanted.values())


@effort(60, 1_000)
@given(safe_scenes(), st.sampled_from(VENUES))
def test_who_pays_is_who_pays_after_a_gap(scene: Scene, venue: str) -> None:
    world, account = scene
    table = table_of(world)
    account = replace(account, venue=venue, collateral_mode="single")
    batch, _ = build_batch([account], table)
    shock = shock_of(table, None, None, FACTORS)
    found, assessment = walked(batch, shock), assess(batch)
    for point, factor in enumerate(FACTORS.tolist()):
        with np.errstate(all="ignore"):
            after = aftermath(batch, assessment, np.full(len(batch.legs.pool), factor))
        held_in = moved_by(batch, shock) & (after.reason == 0)
        for index, asset in enumerate(found.assets.tolist()):
            payers = paid(found.sums[index], rule_index(venue), np.inf)
            rows = held_in & (batch.pools.settle == asset)
            for name in ("fund", "deleveraged", "socialised", "owed", "venue"):
                wanted = getattr(after, name)[rows].sum()
                assert getattr(payers, name)[point] == pytest.approx(wanted, rel=1e-9)


def a_long(key: str, wallet: float, contracts: float = 1.0, **more: object) -> Account:
    position = Position(BTC, contracts, 100.0)
    facts: dict[str, object] = {"account_key": key, "venue": "binance"}
    return held(position, usdt=wallet, **(facts | more))


def book_of(table: MarketTable, accounts: Sequence[Account]) -> Batch:
    return build_batch(accounts, table)[0]


def btc_table() -> MarketTable:
    return table_with(contract(BTC, one_rate(0.0), taker_fee=0.0), marks={BTC: 100.0})


def factors(*percent: float) -> Floats:
    return 1.0 + np.array(percent) / 100.0


def test_a_fund_pays_up_to_its_balance_and_the_queue_the_rest() -> None:
    table = btc_table()
    batch = book_of(table, [a_long("t/a", 10.0), a_long("t/b", 20.0)])
    found = walked(batch, shock_of(table, BTC, None, factors(-15, -30)))
    assert found.sums[0, :, SHORTFALL].tolist() == pytest.approx([5.0, 30.0])
    assert found.accounts.tolist() == [1, 2]
    payers = paid(found.sums[0], rule_index("binance"), 12.0)
    assert payers.fund.tolist() == pytest.approx([5.0, 12.0])
    assert payers.deleveraged.tolist() == pytest.approx([0.0, 18.0])
    assert payers.balance.tolist() == pytest.approx([7.0, 0.0])
    assert not payers.owed.any()


def test_a_fund_with_a_limit_pays_no_pool_more() -> None:
    table = btc_table()
    batch = book_of(table, [a_long("t/a", 10.0), a_long("t/b", 20.0)])
    limit = np.full(len(batch.asset_price), 8.0)
    found = walk(batch, shock_of(table, BTC, None, factors(-25)), limit)
    assert found.sums[0, 0, SHORTFALL] == pytest.approx(20.0)
    assert found.sums[0, 0, ASKED] == pytest.approx(13.0)  # 8 of 15, and 5


def test_what_closing_leaves_over_is_the_funds_where_it_takes_it() -> None:
    table = table_with(contract(BTC, one_rate(0.1), taker_fee=0.0), marks={BTC: 100.0})
    batch = book_of(table, [a_long("t/a", 14.0, venue="okx"), a_long("t/b", 14.0)])
    found = walked(batch, shock_of(table, BTC, None, factors(-5)))
    by_venue = {table.asset_key(asset)[0]: row for row, asset in enumerate(found.assets.tolist())}
    assert found.sums[by_venue["okx"], 0, CONTRIBUTED] == pytest.approx(9.0)
    assert found.sums[by_venue["binance"], 0, CONTRIBUTED] == 0.0


def test_only_what_the_symbol_moves_counts() -> None:
    table = table_with(
        contract(BTC, one_rate(0.5)), contract(ETH, one_rate(0.5)), marks={BTC: 100.0, ETH: 100.0}
    )
    eth = held(Position(ETH, 1.0, 100.0), usdt=1.0, account_key="t/e")
    batch = book_of(table, [a_long("t/a", 1.0), eth])
    one = walked(batch, shock_of(table, BTC, None, factors(0)))
    both = walked(batch, shock_of(table, None, None, factors(0)))
    other = walked(batch, shock_of(table, BTC, "okx", factors(0)))
    assert (one.pools, both.pools, other.pools) == (1, 2, 0)
    assert (one.accounts[0], both.accounts[0], other.accounts[0]) == (1, 2, 0)


def test_coins_go_with_their_symbol() -> None:
    """A short that the coin itself covers stands still; without the coin it does not."""
    listed = contract(BTC, one_rate(0.01), taker_fee=0.0)
    table = table_with(listed, pegged=("USDT",), marks={BTC: 100.0})
    hedged = held(
        Position(BTC, -1.0, 100.0),
        account_key="t/h",
        collateral_mode="multi",
        balances=(Balance("BTC", 1.0), Balance("USDT", 5.0)),
    )
    naked = replace(hedged, balances=(Balance("USDT", 5.0),))
    for account, wanted in ((hedged, [0, 0, 0]), (naked, [0, 0, 1])):
        batch = book_of(table, [account])
        found = walked(batch, shock_of(table, BTC, None, factors(-50, 0, 60)))
        assert found.unpriced == 0
        assert found.accounts.tolist() == wanted


def test_an_account_counts_once_however_many_of_its_pools_go() -> None:
    table = table_with(
        contract(BTC, one_rate(0.01)),
        contract(BTC_COIN, one_rate(0.01), linear=False),
        marks={BTC: 100.0, BTC_COIN: 100.0},
    )
    two = held(
        Position(BTC, 1.0, 100.0),
        Position(BTC_COIN, 100.0, 100.0),
        balances=(Balance("USDT", 10.0), Balance("BTC", 0.1)),
        account_key="t/two",
    )
    found = walked(book_of(table, [two]), shock_of(table, None, None, factors(-40)))
    assert found.accounts.tolist() == [1]
    assert found.sums[:, 0, POOLS].tolist() == [1.0, 1.0]


def test_a_pool_without_a_mark_is_no_part_of_any_sum() -> None:
    table = table_with(contract(BTC, one_rate(0.01)))
    found = walked(book_of(table, [a_long("t/a", 1.0)]), shock_of(table, BTC, None, factors(-50)))
    assert (found.pools, found.unpriced) == (1, 1)
    assert not found.sums.any()
