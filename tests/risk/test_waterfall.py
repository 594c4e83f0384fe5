"""Who pays, stage by stage: funds, the queue, everybody; each border from both sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.names import VENUES
from service.risk.adl import lights, scores
from service.risk.batch import build_batch
from service.risk.closing import close
from service.risk.columns import Batch
from service.risk.evaluate import assess
from service.risk.fund import Funds, run
from service.risk.margin import Assessment
from service.risk.model import Account, Level, Position
from service.risk.policy import POLICIES, Policy, policy_columns, under_portfolio_margin
from service.risk.waterfall import Settlement, riskiest_first, settle
from tests.risk.building import BTC, contract, held, one_rate, table_with
from tests.strategies import effort

PROTECTED = Policy("generic", negative_balance_protection=True)


def book(mark: float, *accounts: Account) -> tuple[Batch, Assessment]:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: mark})
    batch, _ = build_batch(accounts, table)
    return batch, assess(batch)


def isolated(contracts: float, entry: float, margin: float, name: str) -> Account:
    return held(Position(BTC, contracts, entry, isolated=True, margin=margin), account_key=name)


def settled(
    seen: tuple[Batch, Assessment],
    policy: Policy,
    *,
    fill: float | None = None,
    fee_rate: float = 0.0,
    fund: float = 0.0,
    event_most: float = np.inf,
) -> Settlement:
    """Liquidate what is due, by this policy for everybody."""
    batch, assessment = seen
    legs, assets = assessment.legs.mark, len(batch.asset_price)
    fills = legs if fill is None else np.full(len(legs), fill)
    return settle(
        batch,
        assessment,
        close(batch, assessment, fills, np.full(len(legs), fee_rate)),
        closed=assessment.pools.level >= Level.LIQUIDATION,
        funds=Funds(np.full(assets, fund), np.full(assets, event_most)),
        policies=policy_columns(POLICIES | {"generic": policy}),
    )


def test_every_venue_of_the_contract_has_a_policy() -> None:
    assert tuple(POLICIES) == VENUES


def test_portfolio_margin_is_not_protected_where_the_venue_claims() -> None:
    assert not under_portfolio_margin(POLICIES["binance"]).negative_balance_protection
    assert under_portfolio_margin(POLICIES["bitmex"]).negative_balance_protection


# A long of 1 bought at 100 with 10 of margin, marked at 80: 10 short, bankrupt at 90.
LONG = isolated(1.0, 100.0, 10.0, "long")


@pytest.mark.parametrize(
    ("fund", "event_most", "paid"),
    [(0.0, np.inf, 0.0), (9.0, np.inf, 9.0), (10.0, np.inf, 10.0), (99.0, 4.0, 4.0)],
)
def test_a_fund_pays_what_it_has_up_to_its_limit(
    fund: float, event_most: float, paid: float
) -> None:
    policy = Policy("generic", fund=True)
    seen = book(80.0, LONG)
    found = settled(seen, policy, fund=fund, event_most=event_most)
    assert (found.shortfall[0], found.fund[0], found.owed[0]) == (10.0, paid, 10.0 - paid)
    assert found.fund_balance[seen[0].pools.settle[0]] == fund - paid


def test_without_a_fund_or_protection_the_trader_owes_it_all() -> None:
    found = settled(book(80.0, LONG), POLICIES["generic"], fund=99.0)
    assert (found.fund[0], found.owed[0], found.venue[0]) == (0.0, 10.0, 0.0)
    found = settled(book(80.0, LONG), PROTECTED, fund=99.0)
    assert (found.fund[0], found.owed[0], found.venue[0]) == (0.0, 0.0, 10.0)


@pytest.mark.parametrize(("rate", "taken"), [(0.0, 0.0), (0.005, 0.4525), (np.inf, 0.5)])
def test_a_fund_takes_its_share_of_a_surplus(rate: float, taken: float) -> None:
    """Closed at 90.5 half a dollar of the margin is left."""
    policy = Policy("generic", fund=True, surplus_rate=rate)
    found = settled(book(90.5, LONG), policy)
    assert found.contributed[0] == pytest.approx(taken, rel=1e-12)
    assert found.kept[0] == pytest.approx(0.5 - taken, abs=1e-12)
    assert settled(book(90.5, LONG), Policy("generic", surplus_rate=rate)).contributed[0] == 0.0


def test_what_one_liquidation_brings_the_fund_pays_for_the_next_and_not_for_the_last() -> None:
    """In order: -4 finds nothing, +3 comes, -5 finds 3, +2, -1 finds enough."""
    funds = Funds(np.zeros(1), np.full(1, np.inf))
    gains, wants = np.array([0.0, 3.0, 0.0, 2.0, 0.0]), np.array([4.0, 0.0, 5.0, 0.0, 1.0])
    paid, after = run(funds, np.zeros(5, dtype=np.int64), gains, wants)
    assert paid.tolist() == [0.0, 0.0, 3.0, 0.0, 1.0]
    assert after.tolist() == [1.0]


def test_the_riskiest_is_paid_for_first() -> None:
    """10 short and 15 short of the same requirement; the fund has 18."""
    worse = isolated(1.0, 100.0, 5.0, "worse")
    for accounts, paid in (((LONG, worse), [3.0, 15.0]), ((worse, LONG), [15.0, 3.0])):
        found = settled(book(80.0, *accounts), Policy("generic", fund=True), fund=18.0)
        assert found.fund.tolist() == paid
        assert found.owed.sum() == 7.0


moneys = st.floats(0.0, 1e6) | st.sampled_from((0.0, 1.0, 10.0))


@effort(100, 2_000)
@given(st.lists(st.tuples(st.integers(0, 2), moneys, moneys), max_size=12), moneys, moneys)
def test_a_run_of_a_fund_is_one_event_after_another(
    events: list[tuple[int, float, float]], start: float, most: float
) -> None:
    columns = [np.array(column) for column in zip(*events, strict=True)] or [np.zeros(0)] * 3
    asset = columns[0].astype(np.int64)
    paid, after = run(Funds(np.full(3, start), np.full(3, most)), asset, columns[1], columns[2])
    balance = [start] * 3
    whole = 1.0 + start + float(columns[1].sum() + columns[2].sum())
    for row, (fund, gain, want) in enumerate(events):
        expected = min(want, most, balance[fund] + gain)
        balance[fund] += gain - expected
        assert paid[row] == pytest.approx(expected, abs=1e-12 * whole)
    assert after.tolist() == pytest.approx(balance, abs=1e-12 * whole)


def shorts(*rows: tuple[float, float, float]) -> list[Account]:
    """Opposing positions: (contracts, entry, margin)."""
    return [
        isolated(-contracts, entry, margin, f"short{number}")
        for number, (contracts, entry, margin) in enumerate(rows)
    ]


def test_the_queue_takes_over_at_the_bankruptcy_price_and_nothing_is_left_to_pay() -> None:
    """At 80 the long is closed with the first in the queue at 90: 10 less for that one."""
    policy = Policy("generic", True, deleveraging="bankruptcy")
    seen = book(80.0, LONG, *shorts((1.0, 85.0, 50.0), (1.0, 95.0, 50.0)))
    found = settled(seen, policy)
    assert found.deleveraged[0] == 10.0
    assert found.venue[0] == found.owed[0] == 0.0
    assert found.handed_over.tolist() == [1.0, 0.0, 0.0]
    assert found.reduced.tolist() == [0.0, 0.0, 1.0]  # the higher return
    assert found.deleveraging_cost.tolist() == pytest.approx([0.0, 0.0, 10.0])


def test_what_is_handed_over_pays_no_fee_and_costs_the_queue_none() -> None:
    """Closed in the market for 1 % the long is 10.80 short; handed over at 90 it is nothing."""
    policy = Policy("generic", True, deleveraging="bankruptcy")
    seen = book(80.0, LONG, *shorts((1.0, 85.0, 50.0)))
    found = settled(seen, policy, fee_rate=0.01)
    assert (found.shortfall[0], found.deleveraged[0]) == (10.8, 10.8)
    assert found.deleveraging_cost.tolist() == pytest.approx([0.0, 10.0])
    assert found.fees.tolist() == [0.0, 0.0]


def test_only_what_the_fund_cannot_pay_is_handed_over() -> None:
    policy = Policy("generic", True, fund=True, deleveraging="bankruptcy")
    seen = book(80.0, LONG, *shorts((4.0, 85.0, 99.0)))
    found = settled(seen, policy, fund=7.5)
    assert (found.fund[0], found.deleveraged[0]) == (7.5, 2.5)
    assert found.handed_over.tolist() == pytest.approx([0.25, 0.0])
    assert found.deleveraging_cost.tolist() == pytest.approx([0.0, 2.5])


def test_dydx_hands_an_account_over_as_its_page_tells() -> None:
    """A has -1,000 and a long, B 10,000 and nine short; at 900 B takes over all of A for 100."""
    table = table_with(contract(BTC, one_rate(0.075)), marks={BTC: 900.0})
    a = held(Position(BTC, 1.0, 2_000.0), usdt=1_000.0, account_key="a", venue="dydx")
    b = held(Position(BTC, -9.0, 900.0), usdt=1_900.0, account_key="b", venue="dydx")
    batch, _ = build_batch([a, b], table)
    found = settled((batch, assess(batch)), POLICIES["generic"])
    assert found.handed_over.tolist() == [1.0, 0.0]
    assert found.reduced.tolist() == [0.0, 1.0]
    assert found.deleveraging_cost.tolist() == pytest.approx([0.0, 100.0])
    assert (found.owed[0], found.venue[0]) == (0.0, 0.0)


@pytest.mark.parametrize(("margin", "taken"), [(40.0, 1.0), (0.0, 0.5)])
def test_nobody_takes_over_more_than_he_can_pay_for(margin: float, taken: float) -> None:
    """A short from 85 has 5 of profit at 80: without margin that pays for half a contract at 90."""
    policy = Policy("generic", True, deleveraging="bankruptcy")
    found = settled(book(80.0, LONG, *shorts((1.0, 85.0, margin))), policy)
    assert found.reduced.tolist() == pytest.approx([0.0, taken])
    assert found.venue[0] == pytest.approx(10.0 * (1.0 - taken))


def test_at_the_mark_the_queue_saves_the_slippage_alone() -> None:
    """Filled at 78 the long is 12 short, at the mark 10."""
    policy = Policy("generic", True, deleveraging="mark")
    seen = book(80.0, LONG, *shorts((1.0, 85.0, 50.0)))
    found = settled(seen, policy, fill=78.0)
    assert (found.shortfall[0], found.deleveraged[0], found.venue[0]) == (12.0, 2.0, 10.0)
    assert found.deleveraging_cost.tolist() == [0.0, 0.0]
    assert found.reduced.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("mark", "deleveraged"), [(85.8, 4.2), (85.6, 0.0)])
def test_mixed_is_at_the_mark_where_the_bankruptcy_price_is_further_than_its_line(
    mark: float, deleveraged: float
) -> None:
    """90 is 4.9 % above 85.8 and 5.1 % above 85.6."""
    policy = Policy("generic", True, deleveraging="mixed")
    found = settled(book(mark, LONG, *shorts((1.0, 99.0, 50.0))), policy)
    assert found.deleveraged[0] == pytest.approx(deleveraged)
    assert found.venue[0] == pytest.approx(90.0 - mark - deleveraged)


def test_what_is_left_is_spread_over_open_positions_by_size() -> None:
    policy = Policy("generic", True, socialises=True)
    seen = book(80.0, LONG, *shorts((3.0, 85.0, 99.0)), isolated(1.0, 80.0, 50.0, "other"))
    found = settled(seen, policy)
    assert (found.socialised[0], found.venue[0]) == (10.0, 0.0)
    assert found.socialised_cost.tolist() == [0.0, 7.5, 2.5]
    assert settled(book(80.0, LONG), policy).venue[0] == 10.0, "nobody is there to bear it"


def test_riskiest_is_the_least_equity_for_each_unit_required() -> None:
    equity = np.array([5.0, -1.0, 3.0, 0.0, 9.0, 6.0])
    required = np.array([10.0, 10.0, 6.0, 0.0, 0.0, 12.0])
    assert riskiest_first(equity, required).tolist() == [1, 5, 0, 2, 3, 4]


def queue_of(*accounts: Account) -> tuple[list[float], list[int]]:
    batch, seen = book(80.0, *accounts)
    score = scores(batch, seen)
    return score.tolist(), lights(batch, seen, score).tolist()


def test_ranks_are_return_times_leverage_in_profit_and_by_leverage_at_a_loss() -> None:
    """Shorts of 80: from 100 with 60 or 140 of equity in all; and from 64 at a loss."""
    score, _ = queue_of(*shorts((1.0, 100.0, 40.0), (1.0, 100.0, 140.0), (1.0, 64.0, 36.0)))
    assert score == pytest.approx([0.2 * 80.0 / 60.0, 0.2 * 80.0 / 160.0, -0.25 / (80.0 / 20.0)])


def test_five_lights_are_fifths_of_the_size_in_the_queue() -> None:
    """Ten contracts in the queue; the first two are the first fifth, whoever holds them."""
    rows = [(size, 100.0 - number, 99.0 * size) for number, size in enumerate((2.0, 1.0, 2.0, 5.0))]
    _, lit = queue_of(*shorts(*rows))
    assert lit == [5, 4, 4, 3]
