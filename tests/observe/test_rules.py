"""The alert rules: whole, timed as they say, and each with its section in the runbook."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.observe.prometheus import ROOT, RULES, needed, shortened
from tests.observe.rule_cases import CASES, written

RUNBOOK = ROOT / "docs" / "runbook.md"
PARTS = ("**Means.**", "**See.**", "**Do.**")


def rules_by_name() -> dict[str, str]:
    """Return the text of each rule."""
    pieces = re.split(r"^ +- alert: ", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {piece.partition("\n")[0]: piece for piece in pieces[1:]}


def sections() -> dict[str, str]:
    """Return the runbook's text by heading."""
    pieces = re.split(r"^## ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {piece.partition("\n")[0]: piece for piece in pieces[1:]}


def test_every_rule_has_a_section_in_the_runbook_and_no_section_is_left_over() -> None:
    assert list(sections()) == list(rules_by_name())
    for name, text in sections().items():
        for part in PARTS:
            assert part in text, f"{name} lacks {part}"


@pytest.mark.parametrize("name", rules_by_name())
def test_a_rule_says_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    rule = rules_by_name()[name]
    assert re.search(r"severity: (critical|warning) }", rule)
    assert re.search(r'summary: ".+\."', rule)
    assert f"runbook: docs/runbook.md#{name.lower()}\n" in rule


@pytest.mark.live
def test_promtool_finds_nothing_wrong() -> None:
    checked = subprocess.run(
        [needed("promtool"), "check", "rules", str(RULES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules_by_name())} rules found" in checked.stdout


@pytest.mark.live
def test_every_rule_fires_in_its_time_and_not_before_and_clears(tmp_path: Path) -> None:
    assert {case.name for case in CASES} == set(rules_by_name())
    file = tmp_path / "rules_test.yml"
    file.write_text(written(str(RULES)), encoding="utf-8")
    tested = subprocess.run(
        [needed("promtool"), "test", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_the_waits_are_those_of_the_rules() -> None:
    for name, rule in rules_by_name().items():
        wait = re.search(r"for: (\d+)([sm])\n", rule)
        wait_s = 0 if wait is None else int(wait[1]) * {"s": 1, "m": 60}[wait[2]]
        assert {case.for_s for case in CASES if case.name == name} == {wait_s}


def test_a_shorter_copy_has_every_time_in_it_shorter() -> None:
    short = shortened(RULES.read_text(encoding="utf-8"), 60.0, 250)
    assert not re.search(r"\d+[mh](\]|\n|\)| >)", short)
    assert "[5000ms]" in short
    assert "[3000ms]" in short  # a minute: twelve scrapes, as it is where they are 5 s apart
    assert "[1000ms]" not in short
    assert "for: 500ms" in short
