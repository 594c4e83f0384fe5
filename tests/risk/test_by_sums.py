"""A book piece by piece is the book at once: the same levels, the same sums, whoever is where."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.batch import build_batch
from service.risk.columns import Floats
from service.risk.fund import Funds
from service.risk.map_payers import paid
from service.risk.markets import MarketTable
from service.risk.model import Account, Level, Position
from service.risk.policy import POLICIES, Policy, PolicyColumns, policy_columns
from service.risk.reports import Key
from service.risk.simulate.by_sums import Supposed, summed
from service.risk.simulate.prices import prices_at
from service.risk.simulate.run import Outcome, run
from service.risk.simulate.scenario import Depth, Impact, Scenario, Shock, Slippage
from service.risk.simulate.whole import ACCOUNTS, FEES, FIELDS
from service.risk.venues import rule_index
from service.risk.walking import ASKED, CLAIMED, CONTRIBUTED, LONG, POOLS, SHORT, SHORTFALL
from tests import agreement
from tests.liquidations import Scene, liquidations
from tests.risk.building import BTC, ETH, contract, held, one_rate, table_with
from tests.risk.test_simulate import fall, long_at_100, market
from tests.strategies import effort


def near(wanted: Any) -> Any:
    return pytest.approx(wanted, rel=1e-9, abs=1e-9)


@dataclass
class Whole:
    """Pieces, added up by name: each has numbers of its own."""

    levels: Counter[int] = field(default_factory=Counter)
    sums: dict[Key, Floats] = field(default_factory=dict)  # (steps, FIELDS)
    short: dict[str, float] = field(default_factory=dict)  # by account and asset

    def of(self, name: int) -> float:
        return sum(float(cell[:, name].sum()) for cell in self.sums.values())


def walked(
    pieces: Sequence[Sequence[Account]],
    table: MarketTable,
    scenario: Scenario,
    policies: PolicyColumns,
    event_most: float = np.inf,
) -> Whole:
    """Take every piece through a scenario."""
    whole = Whole()
    for accounts in pieces:
        batch, _ = build_batch(accounts, table)
        prices = [prices_at(batch, table, step, {}) for step in scenario.steps]
        most = np.full(len(batch.asset_price), event_most)
        with np.errstate(all="ignore"):
            found = summed(batch, table, Supposed.of(prices, scenario.slippage, policies, most))
        whole.levels.update(found.level.tolist())
        for asset, sums in zip(found.assets.tolist(), found.sums, strict=True):
            nothing = np.zeros((len(prices), FIELDS))
            key = table.asset_key(asset)
            whole.sums[key] = whole.sums.get(key, nothing) + sums
        rows = found.short
        for account, money in zip(rows.account.tolist(), rows.shortfall.tolist(), strict=True):
            name = accounts[account].account_key
            whole.short[name] = whole.short.get(name, 0.0) + money
    return whole


def at_once(
    accounts: Sequence[Account], table: MarketTable, scenario: Scenario, policies: PolicyColumns
) -> tuple[Outcome, Counter[int]]:
    """The book where it is here as a whole, its funds without an end; and accounts by level."""
    batch, _ = build_batch(accounts, table)
    with np.errstate(all="ignore"):
        funds = Funds.unlimited(len(batch.asset_price))
        outcome = run(batch, table, scenario, funds, policies)
    by_account: dict[int, int] = {}
    for account, level in zip(batch.pools.account.tolist(), outcome.level.tolist(), strict=True):
        by_account[account] = max(by_account.get(account, 0), level)
    return outcome, Counter(by_account.values())


def total(outcome: Outcome, name: str) -> float:
    return sum(float(getattr(each.shared, name).sum()) for each in outcome.rounds)


@effort(60, 1_500)
@given(
    liquidations(),
    st.lists(st.floats(-60.0, 60.0), min_size=1, max_size=3),
    st.sampled_from((0.0, 0.01, 0.2)),
    st.integers(0, 6),
)
def test_pieces_add_up_to_the_book(
    scene: Scene, moves: list[float], coefficient: float, cut: int
) -> None:
    """Whatever book, path, steps of the venue and slippage, where nobody pays for another."""
    venue = scene.accounts[0].venue
    table = agreement.table_of(scene.world)
    policy = replace(scene.policy, name=venue, deleveraging="none", socialises=False)
    policies = policy_columns(POLICIES | {venue: policy})
    slippage = Slippage(others=Impact(coefficient, 1e5))
    scenario = Scenario(tuple(Shock(all_pct=move) for move in moves), slippage)
    found = walked((scene.accounts[:cut], scene.accounts[cut:]), table, scenario, policies)
    outcome, levels = at_once(scene.accounts, table, scenario, policies)
    assert found.levels == levels
    rounds = outcome.rounds
    notional = sum(float(each.pools.notional.sum()) for each in rounds)
    fees = sum(float(each.pools.step_fees.sum()) for each in rounds) + total(outcome, "fees")
    assert found.of(LONG) + found.of(SHORT) == near(notional)
    assert found.of(FEES) == near(fees)
    assert found.of(SHORTFALL) == near(total(outcome, "shortfall"))
    assert found.of(CONTRIBUTED) == near(total(outcome, "contributed"))
    assert found.of(ASKED) == near(total(outcome, "fund"))
    assert sum(found.short.values()) == near(found.of(SHORTFALL))
    assert found.of(POOLS) == len({pool for each in rounds for pool in each.pools.pool.tolist()})
    payers = [
        paid(sums, rule_index(venue), np.inf, policies) for (venue, _), sums in found.sums.items()
    ]
    for name in ("fund", "owed", "venue"):
        wanted = total(outcome, name)
        assert sum(float(getattr(each, name).sum()) for each in payers) == near(wanted)


GENERIC = policy_columns(POLICIES)


def generic(accounts: Sequence[Account], scenario: Scenario) -> Whole:
    return walked([[each] for each in accounts], market(), scenario, GENERIC)


def test_on_a_path_who_fell_stays_fallen_and_counts_at_his_step() -> None:
    book = [long_at_100(5.0, "a"), long_at_100(15.0, "b"), long_at_100(60.0, "c")]
    found = generic(book, fall(-10.0, -20.0, 0.0))
    (sums,) = found.sums.values()
    assert sums[:, ACCOUNTS].tolist() == [1.0, 1.0, 0.0]
    assert sums[:, LONG].tolist() == near([90.0, 80.0, 0.0])
    assert sums[:, SHORTFALL].tolist() == near([5.0, 5.0, 0.0])
    assert found.levels == {Level.BANKRUPT: 2, Level.HEALTHY: 1}
    assert found.short == {"a": near(5.0), "b": near(5.0)}


@pytest.mark.parametrize(("pct", "falls"), [(-9.09, 0), (-9.1, 1)])
def test_a_position_falls_at_its_line(pct: float, falls: int) -> None:
    """10 - 100 g = 1 (1 - g) at g = 9 / 99."""
    found = generic([long_at_100(10.0)], fall(pct))
    assert found.of(ACCOUNTS) == falls


def test_each_side_meets_its_own_depth() -> None:
    """A long sells to bids 10 % away, a short buys from asks 1 % away; 50 each, both lost."""
    depth = Slippage(
        {BTC: Depth(np.array([10.0]), np.array([1e6]))},
        {BTC: Depth(np.array([1.0]), np.array([1e6]))},
    )
    book = [long_at_100(1.0, "a"), long_at_100(1.0, "b", -1.0)]
    long, short = (
        generic([each], replace(fall(pct), slippage=depth))
        for each, pct in zip(book, (-50.0, 50.0), strict=True)
    )
    assert long.of(SHORTFALL) == near(50.0 + 5.0 - 1.0)
    assert short.of(SHORTFALL) == near(50.0 + 1.5 - 1.0)


def test_an_account_counts_once_with_two_pools_of_an_asset() -> None:
    both = held(
        Position(BTC, 1.0, 100.0, isolated=True, margin=5.0),
        Position(ETH, 1.0, 10.0, isolated=True, margin=0.5),
        usdt=1_000.0,
    )
    steps = Scenario((Shock(pct={BTC: -20.0}), Shock(pct={BTC: -20.0, ETH: -20.0})))
    (sums,) = generic([both], steps).sums.values()
    assert sums[:, POOLS].tolist() == [1.0, 1.0]
    assert sums[:, ACCOUNTS].tolist() == [1.0, 0.0]


def test_a_loan_is_claimed_and_a_fund_is_asked_for_no_more_than_its_limit() -> None:
    policy = Policy("generic", True, claims_borrowed=True, fund=True)
    policies = policy_columns(POLICIES | {"generic": policy})
    found = walked([[long_at_100(5.0)]], market(), fall(-25.0), policies, event_most=8.0)
    assert [found.of(name) for name in (SHORTFALL, ASKED)] == near([20.0, 8.0])
    lent = walked([[long_at_100(-5.0)]], market(), fall(-25.0), policies)
    assert found.of(CLAIMED) == 0.0
    assert [lent.of(name) for name in (SHORTFALL, CLAIMED, ASKED)] == near([30.0, 5.0, 25.0])


@pytest.mark.parametrize("price", [80.0, 120.0])
def test_a_mark_may_be_supposed_where_there_is_none(price: float) -> None:
    """Without it nobody knows; with it both sides are judged, one after the other."""
    table = table_with(contract(BTC, one_rate(0.01), taker_fee=0.0))
    book = [long_at_100(10.0, "a"), long_at_100(10.0, "b", -1.0)]
    steps = Scenario((Shock(), Shock(marks={BTC: price}), Shock(marks={BTC: 100.0})))
    found = walked([[each] for each in book], table, steps, GENERIC)
    outcome, levels = at_once(book, table, steps, GENERIC)
    assert found.levels == levels == {Level.UNPRICED: 1, Level.BANKRUPT: 1}
    assert found.of(SHORTFALL) == near(total(outcome, "shortfall")) == near(10.0)
    assert list(found.short) == ["a" if price < 100.0 else "b"]


def test_a_piece_of_nobody_is_nothing() -> None:
    found = generic([held(account_key="idle")], fall(-20.0))
    assert not found.sums
    assert not found.levels
