"""Volatility and funding against the buffer, isolated beside cross, old and missing marks."""

from dataclasses import replace
from math import exp, log

import pytest

from service.risk.health import buffers
from service.risk.health.check import check_health, no_inputs
from service.risk.health.findings import SEVERITY
from service.risk.model import Account, Balance, HealthLimits, Position
from tests.risk.building import BTC, BTC_COIN, ETH, contract, held, one_rate
from tests.risk.checkup import (
    LENIENT,
    MARKS,
    Patient,
    amounts,
    check_changes_are_just_enough,
    is_cleared,
)

LONG = Position(BTC, 1.0, 100.0, isolated=True, leverage=10.0)
BELOW = 90.0 / 0.99
HOUR_S = 3_600.0


def moving(
    deviation: float, account: Account | None = None, limit: float = 3.0, **facts: object
) -> Patient:
    """Markets whose standard deviation over the horizon of an hour is that."""
    limits = replace(LENIENT, buffer_deviations_min=limit, buffer_horizon_s=HOUR_S)
    patient = Patient(account or held(LONG), limits, per_sqrt_s=deviation / HOUR_S**0.5)
    return replace(patient, **facts)  # type: ignore[arg-type] # facts are the patient's own fields


@pytest.mark.parametrize(
    ("position", "distance"),
    [(LONG, log(100.0 / BELOW)), (replace(LONG, contracts=-1.0), log(110.0 / 1.01 / 100.0))],
)
def test_a_buffer_is_measured_in_moves_of_the_market(position: Position, distance: float) -> None:
    enough = moving(distance / 3.0 * (1.0 - 1e-9), held(position))
    assert not enough.named("buffer_thin")
    thin = moving(distance / 3.0 * (1.0 + 1e-9), held(position))
    finding = thin.only("buffer_thin")
    assert finding.measured == pytest.approx(3.0)
    assert (finding.limit, finding.unit, finding.severity) == (
        3.0,
        "standard_deviations",
        "critical",
    )


@pytest.mark.parametrize("contracts", [1.0, -1.0])
@pytest.mark.parametrize("deviation", [0.04, 0.1])
def test_a_thin_buffer_is_cleared_by_deposit_or_less(contracts: float, deviation: float) -> None:
    one_tier = (contract(BTC, one_rate(0.01)), contract(ETH), contract(BTC_COIN))
    patient = moving(deviation, held(replace(LONG, contracts=contracts)), instruments=one_tier)
    check_changes_are_just_enough(patient, "buffer_thin")


def test_the_deposit_is_what_survives_the_move() -> None:
    finding = moving(0.05).only("buffer_thin")
    price = 100.0 * exp(-0.15)
    assert amounts(finding.changes)["deposit"] == pytest.approx(0.01 * price + 90.0 - price)
    assert finding.figures["standardDeviation"] == pytest.approx(0.05)
    assert finding.figures["liquidationPrice"] == pytest.approx(BELOW)


def test_over_several_tiers_both_changes_clear() -> None:
    cross = held(Position(BTC, -300.0, 100.0), Position(ETH, 200.0, 10.0), usdt=4_000.0)
    patient = moving(0.1, cross)
    for finding in patient.named("buffer_thin"):
        for change in finding.changes:
            assert is_cleared(patient, finding, change)


def test_an_inverse_position_needs_coin() -> None:
    account = held(Position(BTC_COIN, 1_000.0, 100.0, isolated=True, leverage=10.0))
    patient = moving(0.05, account, instruments=(contract(BTC_COIN, one_rate(0.01)),))
    check_changes_are_just_enough(patient, "buffer_thin")


def test_where_collateral_moves_too_no_deposit_is_told() -> None:
    account = Account(
        "a",
        collateral_mode="multi",
        balances=(Balance("BTC", 0.1),),
        positions=(Position(BTC, 1.0, 100.0),),
    )
    patient = moving(0.2, account)
    finding = patient.only("buffer_thin")
    assert amounts(finding.changes) == {"reduce": 1.0}
    assert is_cleared(patient, finding, finding.changes[0])


def test_of_very_many_only_the_thinnest_are_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each copies its pool; closing the others clears them all the same."""
    patient = moving(0.2, held(LONG, replace(LONG, symbol=ETH, entry_price=10.0, leverage=20.0)))
    told = {name: len(one.changes) for one in patient.named("buffer_thin") for name in [one.leg]}
    assert told == {0: 2, 1: 2}
    monkeypatch.setattr(buffers, "COPIED_LEGS_MAX", 1)
    first, second = patient.named("buffer_thin")
    assert (first.leg, amounts(first.changes)) == (0, {"reduce": 1.0})
    assert set(amounts(second.changes)) == {"deposit", "reduce"}
    assert second.measured < first.measured


def test_without_a_volatility_nothing_is_said_of_the_buffer() -> None:
    assert not replace(moving(0.2), per_sqrt_s=None).named("buffer_thin")


def test_a_market_that_does_not_move_ends_nobody() -> None:
    assert not moving(0.0).named("buffer_thin")


def test_what_is_at_liquidation_has_its_level_to_say_so() -> None:
    assert not moving(0.2, marks={**MARKS, BTC: BELOW - 0.1}).named("buffer_thin")


def funded(rate_per_h: float, limit: float = 100.0, contracts: float = 1.0) -> Patient:
    # Equity 10, required 1: 9 are left for funding.
    limits = replace(LENIENT, funding_hours_min=limit)
    one_tier = (contract(BTC, one_rate(0.01)),)
    account = held(Position(BTC, contracts, 100.0), usdt=10.0)
    return Patient(account, limits, instruments=one_tier, funding_per_h={BTC: rate_per_h})


@pytest.mark.parametrize(
    ("rate", "contracts", "flagged"),
    [
        (0.0009 * (1.0 - 1e-9), 1.0, False),
        (0.0009 * (1.0 + 1e-9), 1.0, True),
        (-0.0009 * (1.0 + 1e-9), 1.0, False),  # the long is paid
        (-0.0009 * (1.0 + 1e-9), -1.0, True),  # the short pays
        (0.01, -1.0, False),
    ],
)
def test_funding_alone_takes_so_many_hours(rate: float, contracts: float, flagged: bool) -> None:
    named = funded(rate, contracts=contracts).named("funding_eats_margin")
    assert bool(named) == flagged
    if flagged:
        assert named[0].measured == pytest.approx(100.0)
        assert named[0].figures["fundingPerHour"] == pytest.approx(0.09)


def test_funding_is_cleared_by_deposit_or_by_less_of_everything() -> None:
    patient = funded(0.003)
    finding = patient.only("funding_eats_margin")
    assert finding.measured == pytest.approx(30.0)
    assert (finding.limit, finding.unit) == (100.0, "hours")
    assert amounts(finding.changes) == pytest.approx({"deposit": 21.0, "reduce_pool": 21.0 / 31.0})
    check_changes_are_just_enough(patient, "funding_eats_margin")


def test_without_a_rate_funding_eats_nothing() -> None:
    assert not replace(funded(0.01), funding_per_h={}).named("funding_eats_margin")


def crossed(wallet: float, *others: Position, limit: float = 3.0) -> Patient:
    account = held(Position(BTC, 1.0, 100.0, leverage=10.0), *others, usdt=wallet)
    return Patient(account, replace(LENIENT, bound_factor_max=limit))


@pytest.mark.parametrize(("wallet", "flagged"), [(30.0, False), (30.01, True)])
def test_cross_puts_the_whole_pool_at_stake(wallet: float, flagged: bool) -> None:
    assert bool(crossed(wallet).named("isolated_would_bound_loss")) == flagged


def test_cross_and_isolated_stand_side_by_side() -> None:
    patient = crossed(80.0)
    finding = patient.only("isolated_would_bound_loss")
    assert (finding.measured, finding.limit, finding.severity) == (8.0, 3.0, "info")
    assert finding.figures == pytest.approx(
        {
            "crossMaxLoss": 80.0,
            "isolatedMaxLoss": 10.0,
            "crossLiquidationPrice": 20.0 / 0.99,
            "isolatedLiquidationPrice": BELOW,
        }
    )
    assert amounts(finding.changes) == pytest.approx({"isolate": 10.0})
    assert is_cleared(patient, finding, finding.changes[0])


def test_a_hedge_is_not_taken_apart() -> None:
    assert not crossed(80.0, Position(BTC, -0.5, 100.0)).named("isolated_would_bound_loss")
    other = Position(ETH, -5.0, 10.0, leverage=10.0)
    assert len(crossed(80.0, other).named("isolated_would_bound_loss")) == 2


def test_what_would_not_stand_alone_is_left_where_it_is() -> None:
    under = replace(
        crossed(80.0), account=held(Position(BTC, 1.0, 115.0, leverage=10.0), usdt=80.0)
    )
    assert not under.named("isolated_would_bound_loss")


def test_the_rest_of_the_pool_must_stand_without_it() -> None:
    other = Position(ETH, 800.0, 10.0)
    assert crossed(91.0, other).named("isolated_would_bound_loss")
    # The other needs 80.
    assert not crossed(90.0, other).named("isolated_would_bound_loss")


def test_an_isolated_position_is_bounded_already() -> None:
    patient = replace(crossed(80.0), account=held(LONG, usdt=80.0))
    assert not patient.named("isolated_would_bound_loss")


@pytest.mark.parametrize(("age_ms", "flagged"), [(10_000.0, False), (10_001.0, True)])
def test_an_old_mark_is_told_with_its_age(age_ms: float, flagged: bool) -> None:
    patient = Patient(held(LONG), replace(LENIENT, mark_age_max_ms=10_000.0))
    found = replace(patient, mark_age_ms={BTC: age_ms}).named("mark_stale")
    assert bool(found) == flagged
    if flagged:
        assert (found[0].measured, found[0].limit, found[0].unit) == (age_ms, 1e4, "milliseconds")
        assert [change.action for change in found[0].changes] == ["post_mark"]
        assert not replace(patient, mark_age_ms={BTC: 0.0}).named("mark_stale")


def test_the_gates_word_that_a_mark_is_stale_is_enough() -> None:
    assert Patient(held(LONG), stale=(BTC,)).named("mark_stale")
    assert not Patient(held(LONG), stale=(ETH,)).named("mark_stale")
    own = replace(LONG, mark_price=100.0)
    assert not Patient(held(own), stale=(BTC,)).named("mark_stale")


def test_a_missing_mark_is_told_and_nothing_else_is_guessed() -> None:
    patient = Patient(held(LONG), HealthLimits(), marks={})
    assert [finding.code for finding in patient.findings()] == ["mark_missing"]
    assert not replace(patient, marks=MARKS).named("mark_missing")


def test_a_contract_that_nobody_listed_is_told() -> None:
    patient = Patient(held(LONG), HealthLimits(), instruments=())
    assert [finding.code for finding in patient.findings()] == ["instrument_missing"]


def test_collateral_without_a_price_is_told() -> None:
    account = Account(
        "a",
        collateral_mode="multi",
        balances=(Balance("DOGE", 100.0),),
        positions=(Position(BTC, 1.0, 100.0),),
    )
    finding = Patient(account, HealthLimits()).only("collateral_unpriced")
    assert [change.action for change in finding.changes] == ["price_collateral"]
    priced = replace(account, balances=(Balance("DOGE", 100.0, price=2.0),))
    assert not Patient(priced, HealthLimits()).named("collateral_unpriced")


def test_an_empty_account_and_an_empty_batch_are_healthy() -> None:
    assert Patient(held(usdt=1.0), HealthLimits()).findings() == []
    assert Patient(held(), HealthLimits()).findings() == []


def test_findings_stand_worst_first() -> None:
    account = held(Position(BTC, 5.0, 100.0), Position(ETH, 1.0, 10.0), usdt=30.0)
    patient = Patient(account, HealthLimits(), per_sqrt_s=1e-3)
    ranks = [["critical", "warning", "info"].index(f.severity) for f in patient.findings()]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


def test_every_code_has_a_severity_and_columns_are_as_long_as_legs() -> None:
    found = Patient(held(LONG)).outcome()
    inputs = no_inputs(found.batch)
    strict = HealthLimits(leverage_max=0.0, position_share_max=0.0)
    codes = {
        one.code
        for one in check_health(found.batch, found.assessment, found.prices, strict, inputs)
    }
    assert codes <= SEVERITY.keys()
    assert len(inputs.stop_price) == len(found.batch.legs.pool)
