"""Stop-losses: none, passed, behind liquidation, above budget; each cleared as it is said."""

from dataclasses import replace
from math import sqrt

import pytest

from service.risk.model import Position
from tests.risk.building import BTC, BTC_COIN, contract, held, one_rate
from tests.risk.checkup import LENIENT, Patient, amounts, is_cleared, less

CODES = (
    "no_stop_loss",
    "stop_loss_passed",
    "stop_loss_beyond_liquidation",
    "stop_loss_above_budget",
)
# Liquidated at 90 / 0.99 = 90.909 and 110 / 1.01 = 108.91.
LONG = Position(BTC, 1.0, 100.0, isolated=True, leverage=10.0)
SHORT = replace(LONG, contracts=-1.0)
BELOW, ABOVE = 90.0 / 0.99, 110.0 / 1.01


def patient(
    position: Position = LONG,
    stop: float | None = None,
    budget: float | None = None,
    expected: bool = True,
) -> Patient:
    return Patient(
        held(position, usdt=990.0),
        replace(LENIENT, stop_expected=expected),
        stops={} if stop is None else {0: stop},
        budgets={} if budget is None else {0: budget},
    )


def stop_codes(checked: Patient) -> list[str]:
    return [finding.code for finding in checked.findings() if finding.code in CODES]


def check_cleared(checked: Patient, code: str) -> None:
    finding = checked.only(code)
    assert finding.changes
    for change in finding.changes:
        assert is_cleared(checked, finding, change), change


@pytest.mark.parametrize(("position", "liquidation"), [(LONG, BELOW), (SHORT, ABOVE)])
def test_without_a_stop_one_halfway_to_liquidation_is_proposed(
    position: Position, liquidation: float
) -> None:
    finding = patient(position).only("no_stop_loss")
    expected = {"set_stop": sqrt(100.0 * liquidation), "reduce": 1.0}
    assert amounts(finding.changes) == pytest.approx(expected)
    check_cleared(patient(position), "no_stop_loss")


@pytest.mark.parametrize(("position", "stop"), [(LONG, 98.0), (SHORT, 102.0)])
def test_a_stop_inside_all_limits_is_no_finding(position: Position, stop: float) -> None:
    assert stop_codes(patient(position, stop)) == []


def test_no_stop_is_no_finding_where_none_is_expected() -> None:
    assert stop_codes(patient(expected=False)) == []


def test_a_proposal_keeps_to_the_budget_where_that_is_nearer() -> None:
    finding = patient(budget=2.0).only("no_stop_loss")
    assert amounts(finding.changes)["set_stop"] == pytest.approx(98.0)
    assert stop_codes(patient(stop=98.0 + 1e-9, budget=2.0)) == []


def test_without_liquidation_or_budget_price_only_closing_is_left() -> None:
    # Nothing can liquidate it, and it has lost more than its budget already.
    paid = held(Position(BTC, 1.0, 120.0), usdt=500.0)
    checked = replace(patient(budget=5.0), account=paid)
    finding = checked.only("no_stop_loss")
    assert set(amounts(finding.changes)) == {"reduce"}
    check_cleared(checked, "no_stop_loss")


@pytest.mark.parametrize(
    ("position", "stop", "passed"),
    [
        (LONG, 99.999, False),
        (LONG, 100.0, True),
        (LONG, 103.0, True),
        (SHORT, 100.001, False),
        (SHORT, 100.0, True),
        (SHORT, 97.0, True),
    ],
)
def test_a_stop_on_the_wrong_side_of_the_mark_is_passed(
    position: Position, stop: float, passed: bool
) -> None:
    checked = patient(position, stop)
    assert (stop_codes(checked) == ["stop_loss_passed"]) == passed
    if passed:
        finding = checked.only("stop_loss_passed")
        assert (finding.measured, finding.limit, finding.unit) == (stop, 100.0, "price")
        check_cleared(checked, "stop_loss_passed")


@pytest.mark.parametrize(
    ("position", "stop", "beyond"),
    [
        (LONG, BELOW + 0.001, False),
        (LONG, BELOW - 0.001, True),
        (SHORT, ABOVE - 0.001, False),
        (SHORT, ABOVE + 0.001, True),
    ],
)
def test_a_stop_behind_liquidation_comes_too_late(
    position: Position, stop: float, beyond: bool
) -> None:
    checked = patient(position, stop)
    assert (stop_codes(checked) == ["stop_loss_beyond_liquidation"]) == beyond
    if beyond:
        finding = checked.only("stop_loss_beyond_liquidation")
        limit = BELOW if position is LONG else ABOVE
        assert (finding.measured, finding.severity) == (stop, "critical")
        assert finding.limit == pytest.approx(limit)
        check_cleared(checked, "stop_loss_beyond_liquidation")


def test_a_stop_at_the_liquidation_price_comes_too_late() -> None:
    at = float(patient().outcome().prices.below[0])
    assert stop_codes(patient(stop=at)) == ["stop_loss_beyond_liquidation"]


@pytest.mark.parametrize(("stop", "above"), [(95.01, False), (94.99, True)])
def test_the_loss_at_the_stop_is_held_against_the_budget(stop: float, above: bool) -> None:
    assert (stop_codes(patient(stop=stop, budget=5.0)) == ["stop_loss_above_budget"]) == above


def test_a_loss_above_budget_is_cleared_by_a_nearer_stop_or_a_smaller_position() -> None:
    checked = patient(stop=94.0, budget=4.0)
    finding = checked.only("stop_loss_above_budget")
    assert (finding.measured, finding.limit, finding.unit) == (6.0, 4.0, "money")
    assert amounts(finding.changes) == pytest.approx({"set_stop": 96.0, "reduce": 1.0 / 3.0})
    for change in finding.changes:
        assert is_cleared(checked, finding, change)
        assert not is_cleared(checked, finding, less(change))


def test_the_budget_is_a_share_of_the_account_where_none_is_given() -> None:
    # 990 + a margin of 10: 2 % are 20.
    short = replace(SHORT, contracts=-10.0, margin=10.0, leverage=None)
    over = patient(short, 102.1)
    checked = replace(over, limits=replace(LENIENT, budget_share=0.02))
    finding = checked.only("stop_loss_above_budget")
    assert finding.limit == pytest.approx(20.0)
    assert finding.measured == pytest.approx(21.0)
    check_cleared(checked, "stop_loss_above_budget")


def test_the_closing_fee_counts() -> None:
    with_fee = contract(BTC, one_rate(0.01), taker_fee=0.001)
    checked = replace(patient(stop=96.0, budget=4.05), instruments=(with_fee,))
    assert checked.only("stop_loss_above_budget").measured == pytest.approx(4.0 + 0.096)
    check_cleared(checked, "stop_loss_above_budget")


def test_a_stop_that_locks_a_profit_in_loses_nothing() -> None:
    won = replace(LONG, entry_price=80.0, leverage=5.0)
    assert stop_codes(patient(won, stop=90.0, budget=0.0)) == []


def test_what_is_lost_already_no_stop_brings_back() -> None:
    under = replace(LONG, entry_price=104.0, margin=30.0)
    checked = patient(under, stop=97.0, budget=3.0)
    finding = checked.only("stop_loss_above_budget")
    assert set(amounts(finding.changes)) == {"reduce"}
    check_cleared(checked, "stop_loss_above_budget")


@pytest.mark.parametrize(("contracts", "stop"), [(1_000.0, 92.0), (-1_000.0, 108.0)])
def test_an_inverse_position_loses_coin(contracts: float, stop: float) -> None:
    position = Position(BTC_COIN, contracts, 100.0, isolated=True, leverage=10.0)
    checked = patient(position, stop, budget=0.5)
    finding = checked.only("stop_loss_above_budget")
    assert finding.measured == pytest.approx(abs(1_000.0 / stop - 10.0))
    for change in finding.changes:
        assert is_cleared(checked, finding, change)
    nearer = amounts(finding.changes)["set_stop"]
    assert abs(1_000.0 / nearer - 10.0) == pytest.approx(0.5)


def test_without_a_mark_nothing_is_said_of_stops() -> None:
    assert stop_codes(replace(patient(stop=98.0), marks={})) == []
    assert stop_codes(replace(patient(), marks={})) == []
