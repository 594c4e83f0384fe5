"""The question itself, by hand: a long at ten times leverage, alone and with a hedge beside it.

The numbers are those of docs/owing.md, where they are worked out in words.
"""

from dataclasses import replace

import numpy as np
import pytest

from service.risk.closing import close
from service.risk.evaluate import assess
from service.risk.fund import Funds
from service.risk.gaps import REASONS, leg_gaps, max_loss, pool_gaps
from service.risk.markets import MarketTable
from service.risk.model import Account, Position
from service.risk.moves import moved
from service.risk.policy import POLICIES, policy_columns
from service.risk.waterfall import Settlement, settle
from tests.risk.building import BTC, ETH, Outcome, contract, held, one_rate, outcome, table_with

FEE = 0.0005
ALONE = Position(BTC, 1.0, 60_000.0, isolated=True, leverage=10.0)
HEDGED = (Position(BTC, 1.0, 60_000.0), Position(ETH, -15.0, 2_000.0))


def table() -> MarketTable:
    return table_with(
        contract(BTC, one_rate(0.005)),
        contract(ETH, one_rate(0.01)),
        marks={BTC: 60_000.0, ETH: 2_000.0},
    )


def alone(venue: str) -> Account:
    return held(ALONE, venue=venue)


def hedged(venue: str) -> Account:
    return held(*HEDGED, usdt=6_000.0, venue=venue)


def after(account: Account, btc: float, eth: float, fund: float = np.inf) -> Settlement:
    """Close the account's one pool after a gap, at the marks and for the fee."""
    batch = outcome(table(), account).batch
    factor = np.ones(len(batch.markets.mark))
    factor[batch.legs.market] = [1.0 + btc, 1.0 + eth][: len(batch.legs.market)]
    shocked = moved(batch, factor)
    seen = assess(shocked)
    legs = seen.legs.mark
    return settle(
        shocked,
        seen,
        close(shocked, seen, legs, np.full(len(legs), FEE)),
        closed=np.ones(1, dtype=np.bool_),
        funds=Funds(np.full(len(batch.asset_price), fund), np.full(len(batch.asset_price), np.inf)),
    )


def gaps_of(found: Outcome) -> tuple[list[float], list[float]]:
    """Percent to liquidation and to a debt: of the positions, then of the pool."""
    legs = leg_gaps(found.batch, found.assessment, found.prices)
    pools = pool_gaps(found.batch, found.assessment, found.prices)
    return (
        [*legs.liquidation_pct.tolist(), *pools.liquidation_pct.tolist()],
        [*legs.owe_pct.tolist(), *pools.owe_pct.tolist()],
    )


def test_ten_times_long_alone_liquidates_at_nine_and_a_half_and_owes_from_ten_percent() -> None:
    """6,000 of margin; 6,000 - 60,000 g = 0.5 % of 60,000 (1 - g), and = 0."""
    liquidation, owe = gaps_of(outcome(table(), alone("generic")))
    assert liquidation == pytest.approx([100.0 * 5_700.0 / 59_700.0] * 2, rel=1e-12)
    assert owe == pytest.approx([10.0, 10.0], rel=1e-12)


def test_a_gap_of_twelve_percent_takes_the_margin_and_twelve_hundred_more() -> None:
    """7,200 lost of 6,000; with 0.05 % of 52,800 for closing 26.40 more."""
    found = after(alone("generic"), btc=-0.12, eth=0.0)
    assert found.shortfall[0] == found.owed[0] == pytest.approx(1_226.4, rel=1e-12)
    assert found.kept[0] == found.fund[0] == 0.0
    found = after(alone("binance"), btc=-0.12, eth=0.0)
    assert found.owed[0] == 0.0
    assert found.fund[0] == pytest.approx(1_226.4, rel=1e-12)
    found = after(alone("binance"), btc=-0.12, eth=0.0, fund=1_000.0)
    assert (found.fund[0], found.owed[0]) == (1_000.0, 0.0)
    assert found.venue[0] == pytest.approx(226.4, rel=1e-10)


@pytest.mark.parametrize(
    ("venue", "most"), [("generic", 60_000.0), ("binance", 6_000.0), ("htx", 60_000.0)]
)
def test_at_most_the_margin_is_lost_where_debts_are_not_the_traders(
    venue: str, most: float
) -> None:
    found = outcome(table(), alone(venue))
    assert max_loss(found.batch, found.assessment).money.tolist() == [most]


def test_beside_a_hedge_btc_alone_liquidates_sooner_and_owes_from_the_same_gap() -> None:
    """BTC: 6,000 - 60,000 g = 300 (1 - g) + 300. ETH up: 6,000 - 30,000 g = 300 + 300 (1 + g)."""
    liquidation, owe = gaps_of(outcome(table(), hedged("generic")))
    both = 5_400.0 / 29_400.0  # 6,000 - 30,000 g = 600 (1 - g), down
    expected = [5_400.0 / 59_700.0, 5_400.0 / 30_300.0, both]
    assert liquidation == pytest.approx([100.0 * gap for gap in expected], rel=1e-12)
    assert owe == pytest.approx([10.0, 20.0, 20.0], rel=1e-12)


def test_a_common_gap_of_twelve_percent_leaves_the_hedged_account_with_money() -> None:
    """7,200 lost, 3,600 won; closing 52,800 and 26,400 costs 39.60."""
    found = after(hedged("generic"), btc=-0.12, eth=-0.12)
    assert found.shortfall[0] == found.owed[0] == 0.0
    assert found.kept[0] == pytest.approx(2_400.0 - 39.6, rel=1e-12)
    found = after(hedged("generic"), btc=-0.12, eth=0.0)
    assert found.owed[0] == pytest.approx(1_200.0 + 0.0005 * 82_800.0, rel=1e-12)


def test_a_hedge_that_moves_more_than_its_other_half_protects_further() -> None:
    """ETH at one and a half: 6,000 - 15,000 g = 600 - 750 g, and = 0."""
    found = outcome(table(), hedged("generic"))
    beta = np.ones(len(found.batch.markets.mark))
    beta[found.batch.legs.market[1]] = 1.5
    gaps = pool_gaps(found.batch, found.assessment, found.prices, beta)
    assert gaps.liquidation_pct[0] == pytest.approx(100.0 * 5_400.0 / 14_250.0, rel=1e-12)
    assert gaps.owe_pct[0] == pytest.approx(40.0, rel=1e-12)


def test_where_no_move_does_it_there_is_a_reason() -> None:
    found = outcome(table(), hedged("binance"))
    gaps = pool_gaps(found.batch, found.assessment, found.prices)
    assert REASONS[gaps.owe_reason[0]] == "protected"
    covered = outcome(table(), held(Position(BTC, 1.0, 60_000.0), usdt=70_000.0))
    gaps = leg_gaps(covered.batch, covered.assessment, covered.prices)
    assert np.isnan(gaps.liquidation_pct[0])
    assert REASONS[gaps.liquidation_reason[0]] == REASONS[gaps.owe_reason[0]] == "no_adverse_move"


def test_what_is_so_already_needs_no_gap() -> None:
    found = outcome(table(), held(Position(BTC, 1.0, 66_500.0, isolated=True, leverage=10.0)))
    gaps = leg_gaps(found.batch, found.assessment, found.prices)
    assert gaps.liquidation_pct.tolist() == [0.0]
    assert gaps.owe_pct[0] == pytest.approx(100.0 * 150.0 / 60_000.0, rel=1e-9)
    found = outcome(table(), held(Position(BTC, 1.0, 67_000.0, isolated=True, leverage=10.0)))
    gaps = leg_gaps(found.batch, found.assessment, found.prices)
    assert gaps.liquidation_pct.tolist() == gaps.owe_pct.tolist() == [0.0]


def test_a_short_can_lose_without_bound_where_debts_are_the_traders() -> None:
    found = outcome(table(), hedged("generic"))
    loss = max_loss(found.batch, found.assessment)
    assert np.isnan(loss.money[0])
    assert REASONS[loss.reason[0]] == "unbounded"
    found = outcome(table(), hedged("okx"))
    assert max_loss(found.batch, found.assessment).money.tolist() == [6_000.0]


def test_a_policy_is_data_and_can_be_another() -> None:
    """The trader owes again once the venue's protection is taken away."""
    found = outcome(table(), alone("binance"))
    policies = policy_columns(
        POLICIES | {"binance": replace(POLICIES["binance"], negative_balance_protection=False)}
    )
    assert leg_gaps(
        found.batch, found.assessment, found.prices, policies
    ).owe_pct.tolist() == pytest.approx([10.0], rel=1e-12)
