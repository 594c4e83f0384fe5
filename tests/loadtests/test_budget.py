"""The budget says no when it is broken, by whatever; and yes when it is kept."""

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.budget import Budget, Calls, Line, judge, read_budget, table

LINE = Line("evaluate", "floor: echo", (2.0, 2.0, 2.0), 10.0, 0.0, 1.0)
BUDGET = Budget(quiet_p99_ms=5.0, lines=(LINE,))
SECONDS = 100.0


def calls(ours_ms: list[float], floor_ms: float = 1.0, empty_ms: float = 1.0) -> dict[str, Calls]:
    return {
        "evaluate": Calls(ours_ms),
        "floor: echo": Calls([floor_ms] * 200),
        "floor: empty": Calls([empty_ms] * 200),
    }


def broken(measured: dict[str, Calls], budget: Budget = BUDGET) -> list[str]:
    return [finding.rule for finding in judge(budget, measured, SECONDS) if not finding.kept]


@pytest.mark.parametrize(
    ("ours_ms", "rules"),
    [
        ([2.0] * 200, []),  # exactly what is allowed
        ([2.1] * 200, ["p50", "p95", "p99"]),
        ([1.0] * 185 + [3.0] * 15, ["p95", "p99"]),
        ([1.0] * 196 + [3.0] * 4, ["p99"]),
        ([1.0] * 80 + [3.0] * 2, []),  # too few calls for a p99
    ],
)
def test_percentiles_are_held_to_multiples_of_the_floor(
    ours_ms: list[float], rules: list[str]
) -> None:
    loose = replace(LINE, per_s_min=0.0)
    found = broken(calls(ours_ms), Budget(5.0, (loose,)))
    assert [rule.split()[0] for rule in found] == rules


def test_a_slower_machine_is_allowed_more() -> None:
    assert broken(calls([8.0] * 200, floor_ms=4.0)) == []


def test_the_ceiling_holds_on_a_quiet_machine_only() -> None:
    slow = [12.0] * 200
    assert broken(calls(slow, floor_ms=6.0, empty_ms=1.0)) == ["p99 ms, ceiling"]
    assert broken(calls(slow, floor_ms=6.0, empty_ms=6.0)) == []


def test_one_failed_call_breaks_a_budget_of_none() -> None:
    measured = calls([1.0] * 200)
    measured["evaluate"].failed = 1
    assert broken(measured) == ["failed, share"]


def test_a_call_that_was_hardly_made_breaks_its_budget() -> None:
    assert broken(calls([1.0] * 3)) == ["per second, at least", "samples, at least"]
    assert "samples, at least" in broken({"evaluate": Calls([1.0] * 200)})


def test_the_table_marks_what_is_broken() -> None:
    findings = judge(BUDGET, calls([2.1] * 200), SECONDS)
    rows = table(findings).splitlines()[1:]
    assert [row.startswith("BROKEN") for row in rows] == [not finding.kept for finding in findings]


def test_every_line_of_the_real_budget_names_a_floor_that_is_called() -> None:
    folder = Path(__file__).resolve().parents[2] / "loadtests"
    users = (folder / "locustfile.py").read_text()
    for line in read_budget(folder / "budget.toml").lines:
        assert f'"{line.floor}"' in users
        assert f'"{line.name}"' in users
