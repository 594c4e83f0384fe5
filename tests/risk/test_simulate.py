"""A scenario from its first step to its last: who falls when, at what price, and who pays."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.batch import build_batch
from service.risk.fund import Funds
from service.risk.markets import MarketTable
from service.risk.model import Account, Level, Position
from service.risk.policy import POLICIES, Policy, policy_columns
from service.risk.simulate.run import Outcome, Round, run
from service.risk.simulate.scenario import (
    Cascade,
    Impact,
    Scenario,
    Shock,
    Slippage,
)
from tests import agreement
from tests.liquidations import Scene, liquidations
from tests.risk.building import BTC, ETH, contract, held, one_rate, table_with
from tests.strategies import effort

PAYERS = ("fund", "deleveraged", "socialised", "owed", "venue")


def went(
    accounts: Sequence[Account],
    table: MarketTable,
    scenario: Scenario,
    *,
    fund: float = np.inf,
    policy: Policy | None = None,
) -> Outcome:
    batch, _ = build_batch(accounts, table)
    assets = len(batch.asset_price)
    columns = policy_columns(POLICIES | ({} if policy is None else {"generic": policy}))
    funds = Funds(np.full(assets, fund), np.full(assets, np.inf))
    return run(batch, table, scenario, funds, columns)


def market(*, fee: float = 0.0) -> MarketTable:
    """BTC at 100 and ETH at 10, both with a maintenance of 1 % and the same fee."""
    terms = {"taker_fee": fee}
    return table_with(
        contract(BTC, one_rate(0.01), **terms),
        contract(ETH, one_rate(0.01), **terms),
        marks={BTC: 100.0, ETH: 10.0},
    )


def long_at_100(margin: float, name: str = "a", contracts: float = 1.0) -> Account:
    return held(Position(BTC, contracts, 100.0), usdt=margin, account_key=name)


def fall(*pct: float) -> Scenario:
    return Scenario(tuple(Shock(pct={BTC: each}) for each in pct))


def test_no_shock_no_liquidation() -> None:
    outcome = went([long_at_100(20.0)], market(), Scenario((Shock(),)))
    assert outcome.level.tolist() == [Level.HEALTHY]
    assert outcome.rounds == []


@pytest.mark.parametrize(("pct", "falls"), [(-9.09, False), (-9.1, True)])
def test_a_position_falls_at_its_line(pct: float, falls: bool) -> None:
    """10 - 100 g = 1 (1 - g) at g = 9 / 99."""
    outcome = went([long_at_100(10.0)], market(), fall(pct))
    assert bool(outcome.rounds) is falls


@effort(60, 1_000)
@given(
    liquidations(),
    st.lists(st.floats(-60.0, 60.0), min_size=1, max_size=3),
    st.sampled_from((0.0, 0.01, 0.2)),
    st.booleans(),
)
def test_money_in_is_money_out(
    scene: Scene, moves: list[float], coefficient: float, cascade: bool
) -> None:
    """By pool, whatever book, path, policy, slippage and fund; and so is each venue's fund."""
    venue = scene.accounts[0].venue
    table = agreement.table_of(scene.world)
    batch, _ = build_batch(scene.accounts, table)
    impact = Impact(coefficient, 1e5)
    assets = len(batch.asset_price)
    funds = Funds(np.full(assets, 1e3 if scene.fund is None else scene.fund), np.full(assets, 1e4))
    scenario = Scenario(
        tuple(Shock(all_pct=move) for move in moves),
        Slippage(others=impact),
        Cascade({}, impact, 5) if cascade else None,
    )
    policies = policy_columns(POLICIES | {venue: replace(scene.policy, name=venue)})
    outcome = run(batch, table, scenario, funds, policies)
    ledger = outcome.ledger
    assert np.all(np.abs(ledger.difference()) <= 1e-9 * ledger.turned_over.sum())
    came = np.zeros(assets)
    for each in outcome.rounds:
        check_exchanged(each, float(ledger.turned_over.sum()))
        asset = batch.pools.settle[each.lost]
        np.add.at(came, asset, each.shared.contributed - each.shared.fund)
        paid = sum((getattr(each.shared, name) for name in PAYERS), np.zeros(len(each.lost)))
        assert paid == pytest.approx(each.shared.shortfall, rel=1e-9, abs=0.0)
    whole = funds.balance.sum() + ledger.turned_over.sum()
    assert outcome.fund_balance == pytest.approx(funds.balance + came, abs=1e-9 * whole)


def check_exchanged(each: Round, whole: float) -> None:
    """What the queue took over costs it what it saved, and who is open bears what was spread.

    The scenes have one settle asset: what a unit of it is in a pool's money its legs say.
    """
    legs, shared = each.losses.legs, each.shared
    given_up = np.where(shared.handed_over > 0.0, shared.handed_over * legs.cost, 0.0)
    taken = shared.deleveraging_cost.sum()
    unit = np.ones(len(each.lost))
    unit[legs.pool] = legs.settle_price
    spread = (shared.socialised / unit).sum()
    allowed = 1e-9 * whole / unit.min(initial=1.0)
    assert taken == pytest.approx(given_up.sum(), abs=allowed)
    assert shared.socialised_cost.sum() == pytest.approx(spread, abs=allowed)
