"""Tier tables: what is refused, what continuity makes of a table, and which tier a size is in."""

import gzip
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from service.risk.legs import tier_of
from service.risk.model import Position, Tier
from service.risk.tiers import (
    build_tables,
    deductions,
    deductions_of,
    validate_tiers,
    width_for,
)
from service.risk.venues import RULES
from tests.risk.building import (
    BTC,
    INF,
    THREE_TIERS,
    contract,
    held,
    one_rate,
    outcome,
    table_with,
)

REAL_TABLES = Path(__file__).parents[3] / "shared" / "data" / "binance_tiers.json.gz"
GENERIC = RULES["generic"]


def test_a_good_table_has_no_faults() -> None:
    assert validate_tiers(THREE_TIERS) == []


def test_a_position_s_tier_may_be_given_alone_with_its_amount() -> None:
    assert validate_tiers((Tier(0.0, INF, 0.025, deduction=1_300.0),)) == []


@pytest.mark.parametrize(
    ("tiers", "index", "code"),
    [
        ((), 0, "no_tiers"),
        ((Tier(1.0, INF, 0.01),), 0, "tier_start"),
        ((Tier(0.0, 10.0, 0.01), Tier(11.0, INF, 0.02)), 1, "tier_gap"),
        ((Tier(0.0, 10.0, 0.01), Tier(9.0, INF, 0.02)), 1, "tier_overlap"),
        ((Tier(0.0, 10.0, 0.02), Tier(10.0, INF, 0.01)), 1, "falling_rate"),
        ((Tier(0.0, 10.0, 0.01), Tier(10.0, 10.0, 0.02)), 1, "empty_tier"),
        ((Tier(0.0, INF, -0.01),), 0, "negative_rate"),
        ((Tier(0.0, INF, float("nan")),), 0, "tier_not_finite"),
        ((Tier(0.0, INF, 0.01, deduction=INF),), 0, "tier_not_finite"),
        ((Tier(0.0, INF, 0.01, 0.0),), 0, "invalid_leverage"),
        ((Tier(0.0, float("nan"), 0.01),), 0, "tier_not_finite"),
    ],
)
def test_a_bad_table_is_refused_with_its_tier_and_a_code(
    tiers: tuple[Tier, ...], index: int, code: str
) -> None:
    assert (index, code) in [(fault.index, fault.code) for fault in validate_tiers(tiers)]


def test_equal_rates_and_a_closed_top_are_fine() -> None:
    assert validate_tiers((Tier(0.0, 10.0, 0.01), Tier(10.0, 20.0, 0.01))) == []


def test_deductions_by_continuity() -> None:
    floors, rates = np.array([0.0, 10_000.0, 50_000.0]), np.array([0.01, 0.025, 0.1])
    assert deductions(floors, rates).tolist() == pytest.approx([0.0, 150.0, 3_900.0], rel=1e-14)


@pytest.mark.parametrize(
    "size", [0.0, 1.0, 9_999.999, 10_000.0, 10_000.001, 49_999.0, 50_000.0, 1e12]
)
def test_maintenance_is_the_sum_over_the_tiers_that_a_size_fills(size: float) -> None:
    tables = build_tables([(contract(BTC), GENERIC)])
    filled = sum(
        max(0.0, min(size, tier.cap) - tier.floor) * tier.maintenance_rate for tier in THREE_TIERS
    )
    tier = tier_of(tables.floor, 0, size)
    found = size * tables.rate[0, tier] - tables.deduction[0, tier]
    assert found == pytest.approx(filled, rel=1e-12)


@pytest.mark.parametrize(
    ("size", "tier"),
    [
        (0.0, 0),
        (np.nextafter(10_000.0, 0.0), 0),
        (10_000.0, 1),
        (np.nextafter(50_000.0, 0.0), 1),
        (50_000.0, 2),
        (1e300, 2),
        (float("nan"), 0),
    ],
)
def test_a_size_belongs_to_the_last_tier_that_starts_at_or_below_it(size: float, tier: int) -> None:
    tables = build_tables([(contract(BTC, one_rate(0.5)), GENERIC), (contract(BTC), GENERIC)])
    assert tier_of(tables.floor, 1, size) == tier


@pytest.mark.parametrize("tiers", [1, 2, 3, 4, 5, 8, 9, 12, 16, 17])
def test_the_lookup_finds_every_tier_of_tables_of_any_length(tiers: int) -> None:
    table = tuple(
        Tier(10.0 * n, 10.0 * (n + 1) if n + 1 < tiers else INF, 0.01 * (n + 1))
        for n in range(tiers)
    )
    tables = build_tables([(contract(BTC, table), GENERIC)])
    assert tables.floor.shape[1] == width_for(tiers) >= tiers
    for tier in range(tiers):
        assert tier_of(tables.floor, 0, 10.0 * tier) == tier
        assert tier_of(tables.floor, 0, 10.0 * tier + 9.999) == tier


def test_a_whole_position_table_jumps_and_says_so() -> None:
    amounts, _, continuous = deductions_of(contract(BTC, tiering="whole"), GENERIC)
    assert amounts.tolist() == [0.0, 0.0, 0.0]
    assert not continuous


def test_the_venues_tiering_holds_where_the_contract_states_none() -> None:
    assert deductions_of(contract(BTC), RULES["okx"])[0].tolist() == [0.0, 0.0, 0.0]
    assert deductions_of(contract(BTC, tiering="marginal"), RULES["okx"])[2]


@pytest.mark.parametrize(
    ("second", "continuous"), [(150.0, True), (150.00000001, True), (149.0, False), (150.1, False)]
)
def test_a_given_amount_is_taken_and_known_to_jump_unless_it_is_continuitys(
    second: float, continuous: bool
) -> None:
    tiers = (Tier(0.0, 10_000.0, 0.01, None, 0.0), Tier(10_000.0, INF, 0.025, None, second))
    amounts, _, found = deductions_of(contract(BTC, tiers), GENERIC)
    assert amounts.tolist() == [0.0, second]
    assert found == continuous


def test_tiers_by_contracts_never_jump_with_the_price() -> None:
    terms = contract(BTC, tiering="whole", tier_unit="contracts")
    assert deductions_of(terms, GENERIC)[2]


def test_an_amount_given_by_contracts_is_contracts_worth_at_any_price() -> None:
    tiers = (Tier(0.0, 100.0, 0.01), Tier(100.0, INF, 0.03, deduction=2.0))
    terms = contract(BTC, tiers, tier_unit="contracts", contract_size=0.001)
    for mark in (40_000.0, 4_000.0):
        table = table_with(terms, marks={BTC: mark})
        position = Position(BTC, 200.0, 40_000.0, leverage=10.0)
        legs = outcome(table, held(position, usdt=1e6)).assessment.legs
        required = (200.0 * 0.03 - 2.0) * 0.001 * mark
        assert legs.maintenance_margin[0] == pytest.approx(required, rel=1e-12)


@pytest.mark.parametrize("contracts", [1.0, 9_999.0, 10_000.0, 10_001.0, 50_000.0, 70_000.0])
def test_marginal_tiers_by_contracts_are_continuous_in_contracts(contracts: float) -> None:
    terms = contract(BTC, tier_unit="contracts", contract_size=0.001)
    table = table_with(terms, marks={BTC: 40_000.0})
    position = Position(BTC, -contracts, 40_000.0, leverage=10.0)
    legs = outcome(table, held(position, usdt=1.0)).assessment.legs
    filled = sum(
        max(0.0, min(contracts, tier.cap) - tier.floor) * tier.maintenance_rate
        for tier in THREE_TIERS
    )
    assert legs.maintenance_margin[0] == pytest.approx(filled * 40.0, rel=1e-12)


def real_tables() -> dict[str, list[list[float]]]:
    if not REAL_TABLES.exists():
        pytest.skip("the real tier tables are not here")
    tables: dict[str, list[list[float]]] = json.loads(gzip.decompress(REAL_TABLES.read_bytes()))
    return tables


def test_every_real_table_loads_and_continuity_gives_its_published_amounts() -> None:
    tables = real_tables()
    assert (len(tables), sum(map(len, tables.values()))) == (907, 7_276)
    for rows in tables.values():
        tiers = tuple(Tier(floor, cap, rate, most) for floor, cap, rate, most, _ in rows)
        assert validate_tiers(tiers) == []
        amounts, _, continuous = deductions_of(contract(BTC, tiers), GENERIC)
        assert continuous
        published = np.array([row[4] for row in rows])
        np.testing.assert_allclose(amounts, published, rtol=1e-12, atol=0.0)


def test_continuity_is_exact_in_rationals_for_every_real_tier() -> None:
    matching = 0
    for rows in real_tables().values():
        amount, rate_before = Fraction(0), Fraction(0)
        for floor, _, rate, _, published in rows:
            rate_now = Fraction(repr(rate))
            amount += Fraction(repr(floor)) * (rate_now - rate_before)
            rate_before = rate_now
            matching += amount == Fraction(repr(published))
    assert matching == 7_276
