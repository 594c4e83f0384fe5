"""The real crash through the real service: the log is that of judging everybody after every mark, whoever dies on the way."""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.reference.levels import Name
from tests.reference.log import Entry, ExactEvaluator, Logged, LogWriter, identity
from tests.simulation.history import Alert, History, expected, judged, marks_of, marks_of_tape, told
from tests.simulation.run import Run, random_kills
from tests.simulation.scratch import VectorisedEvaluator
from tests.simulation.tape import Crash, crash, needs_tape

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
ACCOUNTS, SAMPLE = (10_000, 200) if SOAK else (200, 20)
START_S, SECONDS = (0, None) if SOAK else (2_160, 20)  # where WIF and AAVE lost three quarters
KILLS = 20 if SOAK else 4
SEED = 20_251_010

pytestmark = [needs_tape, pytest.mark.anyio, pytest.mark.soak]


@pytest.fixture(scope="module")
def tape() -> Crash:
    return crash(ACCOUNTS, SEED, START_S, SECONDS)


def check(run: Run, history: History) -> None:
    """The stream is the tape, the log is the from-scratch log, both clients have exactly the log."""
    assert marks_of(history.entries) == marks_of_tape(run.crash.marks)
    truth = _truth(history)
    assert told(history.alerts) == expected(truth.log)
    _check_figures(history.alerts, truth)
    log = {alert["id"]: alert for alert in history.alerts}
    assert len(log) == len(history.alerts)
    for client in (run.always, run.resuming):
        assert client.alerts == log
        assert (client.unrecovered, client.out_of_order) == (0, 0)
    print(
        f"\n{len(run.crash.accounts)} accounts, {len(run.crash.marks)} marks, {len(log)} alerts,"
        f" deaths {len(run.deaths)}; missing 0, doubled in the log 0; clients: connections"
        f" {run.always.connections} and {run.resuming.connections}, sent again and dropped"
        f" {run.always.doubled} and {run.resuming.doubled}"
    )


@dataclass(frozen=True, slots=True)
class Truth:
    """What these entries must lead to, by judging everybody after each of them."""

    entries: list[Entry]
    log: list[Logged]
    figures: dict[tuple[int, Name], tuple[float, float]]  # equity, maintenance


_TRUTHS: list[Truth] = []


def _truth(history: History) -> Truth:
    """The from-scratch log; a run with exactly the entries of an earlier one has its truth."""
    for known in _TRUTHS:
        if known.entries == history.entries:
            return known
    evaluator = VectorisedEvaluator()
    log = judged(history.entries, LogWriter(evaluator))
    _check_sample(history, log)
    _TRUTHS.append(Truth(history.entries, log, evaluator.figures))
    return _TRUTHS[-1]


def _check_figures(alerts: list[Alert], truth: Truth) -> None:
    """Every alert's money is what judging from scratch says; null is NaN there."""
    for alert, logged in zip(alerts, truth.log, strict=True):
        name = identity((logged.account_key, logged.pool))
        figures = truth.figures.get((logged.market_id, name), (math.nan, math.nan))
        for given, known in zip(
            (alert["equity"], alert["maintenanceMargin"]), figures, strict=True
        ):
            if given is None:
                assert not math.isfinite(known), alert
            else:
                scale = 1.0 + abs(figures[0]) + figures[1]
                assert math.isclose(given, known, rel_tol=1e-9, abs_tol=1e-9 * scale), alert


def _check_sample(history: History, truth: list[Logged]) -> None:
    """Some accounts are judged by the exact reference too."""
    sample = {one.account_key for one in truth}
    chosen = set(sorted(sample)[:: max(1, len(sample) // SAMPLE)][:SAMPLE])
    exact = judged(_only(history, chosen), LogWriter(ExactEvaluator()))
    assert expected(exact) == expected(one for one in truth if one.account_key in chosen)
    print(f"\nexact reference: {len(chosen)} accounts, {len(exact)} alerts, all equal")


def _only(history: History, chosen: set[str]) -> list[Entry]:
    return [
        replace(entry, payload=tuple(c for c in entry.payload if c.account_key in chosen))
        if isinstance(entry.payload, tuple)
        else entry
        for entry in history.entries
    ]


async def test_the_log_of_the_crash_is_that_of_judging_everybody_after_every_mark(
    tape: Crash, tmp_path: Path
) -> None:
    run = Run(tape, tmp_path)
    history = await run.play(seed=SEED)
    check(run, history)
    assert len(history.alerts) > ACCOUNTS // 10


async def test_kill_9_of_monitor_and_valkey_loses_nothing_and_doubles_nothing(
    tape: Crash, tmp_path: Path
) -> None:
    run = Run(tape, tmp_path)
    kills = random_kills(KILLS, len(tape.marks), SEED, ("monitor", "valkey"))
    check(run, await run.play(kills, SEED))
    assert len(run.deaths) == KILLS
