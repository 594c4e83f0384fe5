"""The probability model on a real tape's calm part: right on the whole, and better than none."""

import numpy as np
import pytest

from tests.risk.calibration import HORIZONS_S, Cases, calm_cases, table
from tests.simulation.tape import needs_tape

pytestmark = needs_tape


@pytest.fixture(scope="module")
def cases() -> Cases:
    return calm_cases()


def test_a_minute_ahead_it_is_right_on_the_whole(cases: Cases) -> None:
    minute = cases.horizon_s == 60.0
    said, came = cases.probability[minute].mean(), cases.happened[minute].mean()
    assert said == pytest.approx(came, abs=0.05)


@pytest.mark.parametrize("horizon_s", HORIZONS_S)
def test_it_tells_more_than_the_share_of_all(cases: Cases, horizon_s: int) -> None:
    asked = cases.horizon_s == horizon_s
    happened = cases.happened[asked]
    score = np.mean((cases.probability[asked] - happened) ** 2)
    assert score < 0.9 * np.mean((happened.mean() - happened) ** 2)


def test_the_table_counts_every_case_once(cases: Cases) -> None:
    rows = list(table(cases))[1:]
    assert sum(int(row.split("%")[1].split()[0]) for row in rows) == len(cases.happened)
