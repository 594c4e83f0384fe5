"""Whether a run kept its budget: percentiles by call against multiples of the floor's."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PERCENTILES = (50, 95, 99)
SAMPLES_MIN = 10


@dataclass(slots=True)
class Calls:
    """What was measured of one kind of call."""

    times_ms: list[float] = field(default_factory=list)
    failed: int = 0

    def percentile(self, percent: float) -> float:
        return float(np.percentile(self.times_ms, percent)) if self.times_ms else float("inf")


@dataclass(frozen=True, slots=True)
class Line:
    """The budget of one kind of call; `multiples` in the order of PERCENTILES."""

    name: str
    floor: str
    multiples: tuple[float, ...]
    ceiling_p99_ms: float
    failed_max: float
    per_s_min: float


@dataclass(frozen=True, slots=True)
class Budget:
    quiet_p99_ms: float
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the table: what was allowed, what was measured, whether that is kept."""

    name: str
    rule: str
    measured: float
    allowed: float
    kept: bool


def read_budget(path: Path) -> Budget:
    document = tomllib.loads(path.read_text())
    lines = (_line(name, table) for name, table in document.items() if isinstance(table, dict))
    return Budget(float(document["quiet_p99_ms"]), tuple(lines))


def _line(name: str, table: Mapping[str, object]) -> Line:
    def number(key: str) -> float:
        return float(str(table[key]))

    multiples = tuple(number(f"p{percent}") for percent in PERCENTILES)
    limits = (number("ceiling_p99_ms"), number("failed_max"), number("per_s_min"))
    return Line(name, str(table["floor"]), multiples, *limits)


def judge(budget: Budget, calls: Mapping[str, Calls], seconds: float) -> list[Finding]:
    """Every rule of the budget against `seconds` of calls; too few calls break a rule."""
    quiet = _of(calls, "floor: empty").percentile(99) <= budget.quiet_p99_ms
    return [finding for line in budget.lines for finding in _judge(line, calls, seconds, quiet)]


def _of(calls: Mapping[str, Calls], name: str) -> Calls:
    return calls.get(name, Calls())


def _judge(line: Line, calls: Mapping[str, Calls], seconds: float, quiet: bool) -> list[Finding]:
    ours, floor = _of(calls, line.name), _of(calls, line.floor)
    made = len(ours.times_ms) + ours.failed
    share, rate = ours.failed / max(made, 1), len(ours.times_ms) / seconds
    findings = [
        Finding(line.name, "failed, share", share, line.failed_max, share <= line.failed_max),
        Finding(line.name, "per second, at least", rate, line.per_s_min, rate >= line.per_s_min),
    ]
    if min(len(ours.times_ms), len(floor.times_ms)) < SAMPLES_MIN:
        too_few = float(min(len(ours.times_ms), len(floor.times_ms)))
        return [*findings, Finding(line.name, "samples, at least", too_few, SAMPLES_MIN, False)]
    for percent, multiple in zip(PERCENTILES, line.multiples, strict=True):
        if len(ours.times_ms) * (100 - percent) < 100:
            continue  # a percentile with no sample above it is the slowest call, whatever that was
        measured, allowed = ours.percentile(percent), multiple * floor.percentile(percent)
        rule = f"p{percent} ms, {multiple:g} x {line.floor}"
        findings.append(Finding(line.name, rule, measured, allowed, measured <= allowed))
    if quiet:
        measured, allowed = ours.percentile(99), line.ceiling_p99_ms
        findings.append(
            Finding(line.name, "p99 ms, ceiling", measured, allowed, measured <= allowed)
        )
    return findings


def table(findings: Sequence[Finding]) -> str:
    """The findings for people; what is broken is marked."""
    rows = [("", "call", "rule", "measured", "allowed")]
    for finding in findings:
        mark = "ok" if finding.kept else "BROKEN"
        numbers = (f"{finding.measured:.2f}", f"{finding.allowed:.2f}")
        rows.append((mark, finding.name, finding.rule, *numbers))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
