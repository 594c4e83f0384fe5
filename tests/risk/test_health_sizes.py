"""Too large a pool, a position, a coin: on both sides of each limit, and cleared as it is said."""

from dataclasses import replace

import pytest

from service.risk.model import Account, Balance, Position
from tests.risk.building import BTC, BTC_COIN, ETH, held
from tests.risk.checkup import (
    LENIENT,
    Patient,
    amounts,
    check_changes_are_just_enough,
)

LEVERAGED = Patient(held(Position(BTC, 2.0, 100.0), usdt=20.0), replace(LENIENT, leverage_max=8.0))


@pytest.mark.parametrize(("wallet", "flagged"), [(25.0, False), (24.99, True)])
def test_leverage_is_notional_over_equity(wallet: float, flagged: bool) -> None:
    patient = replace(LEVERAGED, account=held(Position(BTC, 2.0, 100.0), usdt=wallet))
    assert bool(patient.named("leverage_above_limit")) == flagged


def test_leverage_is_cleared_by_deposit_or_by_less_of_everything() -> None:
    finding = LEVERAGED.only("leverage_above_limit")
    assert (finding.measured, finding.limit, finding.unit) == (10.0, 8.0, "ratio")
    assert (finding.leg, finding.pool, finding.severity) == (None, 0, "warning")
    assert amounts(finding.changes) == pytest.approx({"deposit": 5.0, "reduce_pool": 0.2})
    check_changes_are_just_enough(LEVERAGED, "leverage_above_limit")


def test_leverage_of_an_isolated_position_counts_its_profit() -> None:
    long = Position(BTC, 1.0, 80.0, isolated=True, margin=10.0)
    limits = replace(LENIENT, leverage_max=3.0)
    assert Patient(held(long), limits).only("leverage_above_limit").measured == 100.0 / 30.0
    check_changes_are_just_enough(Patient(held(long), limits), "leverage_above_limit")


def test_without_equity_leverage_is_endless_and_only_closing_or_a_deposit_helps() -> None:
    patient = replace(LEVERAGED, account=held(Position(BTC, 2.0, 120.0), usdt=20.0))
    finding = patient.only("leverage_above_limit")
    assert finding.measured == float("inf")
    assert amounts(finding.changes)["reduce_pool"] == 1.0
    check_changes_are_just_enough(patient, "leverage_above_limit")


def sized(wallet: float) -> Patient:
    position = Position(BTC, 1.0, 100.0, leverage=5.0)
    return Patient(held(position, usdt=wallet), replace(LENIENT, position_share_max=0.4))


@pytest.mark.parametrize(("wallet", "flagged"), [(50.0, False), (49.9, True)])
def test_a_positions_share_is_its_initial_margin_over_the_accounts_equity(
    wallet: float, flagged: bool
) -> None:
    assert bool(sized(wallet).named("position_too_large")) == flagged


def test_too_large_a_position_is_cleared_by_less_of_it_or_by_more_capital() -> None:
    patient = sized(40.0)
    finding = patient.only("position_too_large")
    assert (finding.measured, finding.limit, finding.leg) == (0.5, 0.4, 0)
    assert amounts(finding.changes) == pytest.approx({"deposit": 10.0, "reduce": 0.2})
    check_changes_are_just_enough(patient, "position_too_large")


def test_capital_in_another_asset_counts_at_its_price() -> None:
    account = Account(
        "a",
        balances=(Balance("USDT", 20.0), Balance("BTC", 0.2)),
        positions=(
            Position(BTC, 1.0, 100.0, leverage=5.0),
            Position(BTC_COIN, 10.0, 100.0, leverage=5.0),
        ),
    )
    patient = Patient(account, replace(LENIENT, position_share_max=0.4))
    assert patient.only("position_too_large").measured == pytest.approx(20.0 / 40.0)
    check_changes_are_just_enough(patient, "position_too_large")


def test_without_a_price_of_the_whole_nothing_is_said_of_a_share() -> None:
    account = held(Position(BTC, 1.0, 100.0, leverage=5.0), Position(ETH, 1.0, 10.0), usdt=1.0)
    patient = Patient(account, replace(LENIENT, position_share_max=0.4), marks={BTC: 100.0})
    assert not patient.named("position_too_large")


def spread(contracts: float, *others: Position) -> Patient:
    account = held(Position(BTC, contracts, 100.0), *others, usdt=1_000.0)
    return Patient(account, replace(LENIENT, concentration_max=0.8))


@pytest.mark.parametrize(("contracts", "flagged"), [(4.0, False), (4.01, True), (-4.01, True)])
def test_concentration_is_net_of_a_coin_over_gross_of_all(contracts: float, flagged: bool) -> None:
    patient = spread(contracts, Position(ETH, 10.0, 10.0))
    assert bool(patient.named("concentrated")) == flagged


def test_concentration_is_cleared_by_less_of_the_coin() -> None:
    patient = spread(9.0, Position(ETH, 10.0, 10.0))
    finding = patient.only("concentrated")
    assert (finding.measured, finding.limit, finding.leg) == (0.9, 0.8, 0)
    # 4 of 5 are 0.8.
    assert amounts(finding.changes) == pytest.approx({"reduce": 5.0, "reduce_coin": 5.0 / 9.0})
    check_changes_are_just_enough(patient, "concentrated")


def test_a_hedge_is_no_concentration() -> None:
    assert not spread(4.0, Position(BTC, -4.0, 100.0)).named("concentrated")


def test_the_same_coin_in_another_contract_counts() -> None:
    patient = spread(4.0, Position(BTC_COIN, 400.0, 100.0), Position(ETH, 10.0, 10.0))
    finding = patient.only("concentrated")
    assert finding.measured == pytest.approx(8.0 / 9.0)
    assert set(amounts(finding.changes)) == {"reduce_coin"}, "neither alone is enough"
    check_changes_are_just_enough(patient, "concentrated")


def test_a_single_position_has_nothing_to_spread() -> None:
    assert not spread(9.0).named("concentrated")
