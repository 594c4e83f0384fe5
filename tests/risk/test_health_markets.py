"""Findings of the markets that positions are in: beyond a band, never at it, nor of the unknown."""

import numpy as np
import pytest

from service.risk.conditions import Bands
from service.risk.health.findings import Finding, MarketColumns
from tests.risk.building import held
from tests.risk.checkup import Patient
from tests.risk.test_health_buffers import LONG

BANDS = Bands(volatility=4.0, divergence=0.02)


def found(annual: float, apart: float, bands: Bands = BANDS) -> list[Finding]:
    """Return the findings of a long in a market in that condition."""
    columns = MarketColumns(np.array([annual]), np.array([apart]), bands)
    return Patient(held(LONG), condition=columns).findings()


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings}


@pytest.mark.parametrize(
    ("annual", "apart", "expected"),
    [
        (4.0, 0.02, set()),
        (np.nextafter(4.0, 5.0), 0.02, {"market_volatile"}),
        (4.0, np.nextafter(0.02, 1.0), {"market_diverged"}),
        (4.0, -np.nextafter(0.02, 1.0), {"market_diverged"}),
        (4.0, -0.02, set()),
        (np.nan, np.nan, set()),
    ],
)
def test_beyond_a_band_is_a_finding_and_at_it_is_none(
    annual: float, apart: float, expected: set[str]
) -> None:
    assert codes(found(annual, apart)) == expected


def test_a_finding_says_what_was_measured_and_that_closing_clears_it() -> None:
    volatile, diverged = found(5.0, -0.03)
    assert (volatile.measured, volatile.limit, volatile.unit) == (5.0, 4.0, "ratio")
    assert (diverged.measured, diverged.limit, diverged.unit) == (0.03, 0.02, "ratio")
    for finding in (volatile, diverged):
        [change] = finding.changes
        assert (change.action, change.amount) == ("reduce", abs(LONG.contracts))
        assert (finding.severity, finding.leg) == ("warning", 0)


def test_without_a_band_there_is_no_finding() -> None:
    assert codes(found(5.0, 0.5, Bands(0.0, 0.02))) == {"market_diverged"}
    assert codes(found(5.0, 0.5, Bands(4.0, 0.0))) == {"market_volatile"}


def test_rows_are_those_of_the_positions() -> None:
    columns = MarketColumns(np.array([1.0, 9.0]), np.array([np.nan, 0.0]), BANDS)
    [row] = columns.rows(np.array([1])).annual.tolist()
    assert row == 9.0
    assert columns.rows(np.array([1])).bands is BANDS
