"""The real crash through the real service: its log is that of judging all at every mark.

It stays so whoever dies on the way.
"""

import asyncio
import math
import multiprocessing
import os
import tempfile
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.logs import expected, told
from tests.reference.entries import Entry, Logged
from tests.reference.log import identity
from tests.simulation.history import History, marks_of, marks_of_tape
from tests.simulation.run import Run, random_kills
from tests.simulation.scratch import Truth, judge_all, judge_exactly
from tests.simulation.subscriber import Alert
from tests.simulation.tape import crash, needs_tape

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
ACCOUNTS, SAMPLE = (10_000, 200) if SOAK else (100, 20)
START_S, SECONDS = (0, None) if SOAK else (2_160, 12)  # where WIF and AAVE lost three quarters
KILLS = 20 if SOAK else 4
SEED = 20_251_010

pytestmark = [needs_tape, pytest.mark.soak]


@dataclass(frozen=True, slots=True)
class Story:
    """An undisturbed run, a run with deaths, and what both must have come to."""

    quiet: tuple[Run, History]
    deadly: tuple[Run, History]
    everybody: "Future[Truth]"
    sample: "Future[list[Logged]]"
    chosen: set[str]


def play(pool: ProcessPoolExecutor) -> Story:
    """Play both runs; the first one's entries are judged beside the second."""
    tape = crash(ACCOUNTS, SEED, START_S, SECONDS)
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        quiet = Run(tape, Path(folder))
        history = asyncio.run(quiet.play(seed=SEED))
    chosen = _some_accounts(history)
    everybody = pool.submit(judge_all, history.entries)
    sample = pool.submit(judge_exactly, _only(history.entries, chosen))
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        deadly = Run(tape, Path(folder))
        kills = random_kills(KILLS, len(tape.marks), SEED, ("monitor", "valkey"))
        deaths = asyncio.run(deadly.play(kills, SEED))
    return Story((quiet, history), (deadly, deaths), everybody, sample, chosen)


def _some_accounts(history: History) -> set[str]:
    """A sample of those that something happened to."""
    names = sorted({f"default/{alert['accountId']}" for alert in history.alerts})
    return set(names[:: max(1, len(names) // SAMPLE)][:SAMPLE])


def _only(entries: list[Entry], chosen: set[str]) -> list[Entry]:
    """The same stream with the changes of these accounts alone."""
    return [
        replace(entry, payload=tuple(c for c in entry.payload if c.account_key in chosen))
        if isinstance(entry.payload, tuple)
        else entry
        for entry in entries
    ]


def check(run: Run, history: History, truth: Truth) -> None:
    """The stream is the tape, the log the from-scratch log, both clients have just the log."""
    assert marks_of(history.entries) == marks_of_tape(run.crash.marks)
    assert told(history.alerts) == expected(truth.log)
    _check_figures(history.alerts, truth)
    log = {alert["id"]: alert["whole"] for alert in history.alerts}
    assert len(log) == len(history.alerts)
    for client in (run.always, run.resuming):
        assert client.alerts == log
        assert (client.unrecovered, client.out_of_order) == (0, 0)
    print(
        f"\n{len(run.crash.accounts)} accounts, {len(run.crash.marks)} marks, {len(log)} alerts,"
        f" events {len(run.befallen)}; missing 0, doubled in the log 0; clients: connections"
        f" {run.always.connections} and {run.resuming.connections}, sent again and dropped"
        f" {run.always.doubled} and {run.resuming.doubled}"
    )


def _check_figures(alerts: list[Alert], truth: Truth) -> None:
    """Every alert's money is what judging from scratch says; null is NaN there."""
    for alert, logged in zip(alerts, truth.log, strict=True):
        if logged.repeat_of:
            continue  # the level stands: judging from scratch keeps no figures of it
        name = identity((logged.account_key, logged.pool))
        figures = truth.figures.get((logged.market_id, name), (math.nan, math.nan))
        told_figures = (alert["equity"], alert["maintenanceMargin"])
        for given, known in zip(told_figures, figures, strict=True):
            if given is None:
                assert not math.isfinite(known), alert
            else:
                scale = 1.0 + abs(figures[0]) + figures[1]
                assert math.isclose(given, known, rel_tol=1e-9, abs_tol=1e-9 * scale), alert


def check_sample(story: Story) -> None:
    """The exact reference judges some of the accounts alike."""
    exact, everybody = story.sample.result(), story.everybody.result()
    assert expected(exact) == expected(
        one for one in everybody.log if one.account_key in story.chosen
    )
    print(f"\nexact reference: {len(story.chosen)} accounts, {len(exact)} alerts, all equal")


@pytest.mark.timeout(0 if SOAK else 240)
def test_the_log_is_that_of_judging_everybody_after_every_mark_whoever_dies() -> None:
    """One test, because both runs are held against the same judgement, which takes longest."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        story = play(pool)
        truth = story.everybody.result()
        check(*story.quiet, truth)
        check_sample(story)
        assert len(story.quiet[1].alerts) > ACCOUNTS // 10
        assert story.deadly[1].entries == story.quiet[1].entries
        check(*story.deadly, truth)
        assert len(story.deadly[0].befallen) == KILLS
