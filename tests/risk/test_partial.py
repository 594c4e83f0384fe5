"""Liquidation by steps: each venue's size of a step, until safe, and no money lost on the way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from service.risk.batch import build_batch
from service.risk.columns import Floats
from service.risk.evaluate import assess
from service.risk.losses import backstopped
from service.risk.model import Account, Level, Position, Tier
from service.risk.partial import Stepped, step_down, step_shares
from service.risk.policy import POLICIES, Policy, policy_columns
from tests import agreement
from tests.liquidations import Scene, liquidations
from tests.risk.building import (
    BTC,
    ETH,
    INF,
    Outcome,
    contract,
    held,
    one_rate,
    outcome,
    table_with,
)
from tests.strategies import effort

BY_CONTRACTS = (
    Tier(0.0, 100.0, 0.01),
    Tier(100.0, 200.0, 0.02),
    Tier(200.0, 400.0, 0.04),
    Tier(400.0, 800.0, 0.08),
    Tier(800.0, INF, 0.16),
)


def shares(found: Outcome) -> list[float]:
    """Of each leg, what the first step closes, without fees."""
    none = np.zeros(len(found.batch.legs.pool))
    return list(step_shares(found.batch, found.assessment, none).tolist())


def stepped(found: Outcome, fee_rate: float = 0.0) -> Stepped:
    legs = len(found.batch.legs.pool)
    return step_down(found.batch, np.ones(legs), np.full(legs, fee_rate))


def okx(contracts: float, wallet: float) -> Outcome:
    listed = contract(BTC, BY_CONTRACTS, tier_unit="contracts", taker_fee=0.0)
    table = table_with(listed, marks={BTC: 10.0})
    return outcome(table, held(Position(BTC, contracts, 10.0), usdt=wallet, venue="okx"))


@pytest.mark.parametrize(
    ("contracts", "left"),
    [
        (900.0, 400.0),  # the fifth tier down to the top of the third
        (500.0, 200.0),
        (300.0, 100.0),  # from the third to the first
        (200.0, 100.0),  # at a floor it is in the tier above
        (150.0, 100.0),
        (100.0, 100.0),
        (99.0, 0.0),  # the first tier goes whole
    ],
)
def test_okx_goes_down_two_tiers_at_a_time(contracts: float, left: float) -> None:
    (share,) = shares(okx(contracts, wallet=1.0))
    assert contracts * (1.0 - share) == pytest.approx(left, rel=1e-9)


def test_tiers_are_left_until_the_requirement_of_a_lower_one_is_met() -> None:
    """500 at 10: 8 % asks 400 of 60, 200 at 2 % ask 40: one step, and safe."""
    found = stepped(okx(500.0, wallet=60.0))
    assert found.steps.tolist() == [1]
    assert found.closed.tolist() == pytest.approx([300.0], rel=1e-9)
    assert found.assessment.pools.level[0] < Level.LIQUIDATION
    assert not found.whole[0]
    found = stepped(okx(500.0, wallet=15.0))  # 200 ask 40, 100 ask 10: two steps
    assert found.steps.tolist() == [2]
    found = stepped(okx(500.0, wallet=5.0))  # 100 ask 10: what is left goes whole
    assert found.whole[0]


def hyperliquid(notional: float, equity: float) -> Outcome:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 100.0})
    position = Position(BTC, notional / 100.0, 100.0)
    return outcome(table, held(position, usdt=equity, venue="hyperliquid"))


@pytest.mark.parametrize(
    ("notional", "share"), [(100_000.0, 1.0), (100_100.0, 0.2), (1_000_000.0, 0.2)]
)
def test_hyperliquid_closes_a_fifth_of_large_positions_first(notional: float, share: float) -> None:
    assert shares(hyperliquid(notional, 0.9 * notional / 100.0)) == pytest.approx([share])


def test_hyperliquid_closes_all_after_the_first_step() -> None:
    """1 % of 800,000 is above 7,900 still; nobody waits for a second fifth."""
    found = stepped(hyperliquid(1_000_000.0, 7_900.0))
    assert found.steps.tolist() == [1]
    assert found.whole[0]
    found = stepped(hyperliquid(1_000_000.0, 8_100.0))
    assert not found.whole[0]


@pytest.mark.parametrize(
    ("equity", "taken"), [(2_000.0 / 3.0 - 0.01, True), (2_000.0 / 3.0 + 0.01, False)]
)
def test_hyperliquid_hands_all_to_the_backstop_below_two_thirds(equity: float, taken: bool) -> None:
    found = hyperliquid(100_000.0, equity)
    assert backstopped(found.batch, found.assessment).tolist() == [taken]
    large = hyperliquid(1_000_000.0, 10.0 * equity)
    assert (shares(large) == [0.0]) == taken


@pytest.mark.parametrize(
    ("notional", "closed"), [(500.0, 500.0), (5_000.0, 1_000.0), (50_000.0, 5_000.0), (2e6, 1e5)]
)
def test_dydx_closes_a_tenth_within_its_bounds(notional: float, closed: float) -> None:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 100.0})
    account = held(Position(BTC, -notional / 100.0, 100.0), usdt=notional * 0.009, venue="dydx")
    assert shares(outcome(table, account)) == pytest.approx([closed / notional], rel=1e-12)


@pytest.mark.parametrize("fee_rate", [0.0, 0.001])
def test_drift_closes_what_meets_the_requirement_and_no_more(fee_rate: float) -> None:
    """10 of 1,000 asked for and 8 there: 200 go for nothing, more for a fee."""
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 100.0})
    found = outcome(table, held(Position(BTC, 10.0, 100.0), usdt=8.0, venue="drift"))
    done = stepped(found, fee_rate)
    assert done.closed[0] == pytest.approx(2.0 / (0.01 - fee_rate) / 100.0, rel=1e-9)
    pools = done.assessment.pools
    assert pools.level[0] == Level.MARGIN_CALL
    assert pools.equity[0] == pytest.approx(pools.maintenance_margin[0], rel=1e-9)


def test_a_fee_of_all_that_a_step_frees_leaves_nothing_but_the_whole() -> None:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 100.0})
    found = outcome(table, held(Position(BTC, 10.0, 100.0), usdt=8.0, venue="drift"))
    done = stepped(found, 0.01)
    assert done.steps.tolist() == [0]
    assert done.whole[0]


def test_a_bankrupt_pool_takes_no_steps() -> None:
    done = stepped(okx(500.0, wallet=-1.0))
    assert done.steps.tolist() == [0]
    assert done.whole[0]


def test_a_leg_that_a_step_closes_whole_is_gone_from_the_pool() -> None:
    """A fifth of the large position, all of the small one."""
    table = table_with(
        contract(BTC, one_rate(0.01)), contract(ETH, one_rate(0.01)), marks={BTC: 100.0, ETH: 10.0}
    )
    positions = (Position(ETH, 100.0, 10.0), Position(BTC, 10_000.0, 100.0))
    found = outcome(table, held(*positions, usdt=9_000.0, venue="hyperliquid"))
    done = stepped(found)
    assert done.rows.tolist() == [1]
    assert done.closed.tolist() == pytest.approx([100.0, 2_000.0])
    assert not done.whole[0]


ANY: tuple[Policy, ...] = (
    POLICIES["okx"],
    POLICIES["drift"],
    POLICIES["hyperliquid"],
    POLICIES["dydx"],
    Policy("any", partial="share", step_share=0.5, step_least=10.0),
)


@effort(60, 1_500)
@given(liquidations())
def test_steps_lose_no_money_and_end_safe_or_whole(scene: Scene) -> None:
    for policy in ANY:
        assert_steps_conserve(scene, policy)


def assert_steps_conserve(scene: Scene, policy: Policy) -> None:
    venue = scene.accounts[0].venue
    batch, _ = build_batch(scene.accounts, agreement.table_of(scene.world))
    before, legs = assess(batch), len(batch.legs.pool)
    fill = 1.0 - np.sign(before.legs.size) * scene.slip
    table = policy_columns(POLICIES | {venue: replace(policy, name=venue)})
    done = step_down(batch, fill, np.full(legs, scene.fee_rate), table, most=50)
    after = done.assessment.pools
    known = before.pools.open & ~before.pools.unpriced
    left: Floats = after.equity + done.fees + done.slippage
    size = np.abs(before.pools.wallet) + np.abs(before.pools.unrealised_pnl) + done.fees
    size += done.slippage + before.pools.maintenance_margin
    assert np.all(np.abs(left - before.pools.equity)[known] <= 1e-9 * size[known])
    assert np.array_equal(done.whole, after.level >= Level.LIQUIDATION)
    untouched = done.steps == 0
    assert np.array_equal(after.level[untouched], before.pools.level[untouched])
    assert np.all(done.closed <= np.abs(batch.legs.contracts) * (1.0 + 1e-12))


def test_accounts_do_not_touch_one_another() -> None:
    """Only the pool that is due is reduced."""
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 100.0})

    def account(key: str, wallet: float) -> Account:
        return held(Position(BTC, 10.0, 100.0), usdt=wallet, venue="drift", account_key=key)

    batch, _ = build_batch([account("a", 8.0), account("b", 80.0)], table)
    done = step_down(batch, np.ones(2), np.zeros(2))
    assert done.steps.tolist() == [1, 0]
    assert done.closed[1] == 0.0
