"""Two monitors through the crash; whatever befalls them, the log is that of one left in peace."""

import asyncio
import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.run import Run, random_events
from tests.simulation.scratch import judge_all
from tests.simulation.tape import crash, needs_tape
from tests.simulation.test_crash import check

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
EVENTS = 100 if SOAK else 4
ACCOUNTS = 2_000 if SOAK else 100
START_S, SECONDS = (2_100, 240) if SOAK else (2_160, 20)
BATCH_MARKS = 50 if SOAK else 10
EVENT_EVERY_S = 3.0
SEED = 20_251_010

pytestmark = [needs_tape, pytest.mark.soak]


@pytest.mark.timeout(0 if SOAK else 240)
def test_the_log_is_the_same_whatever_befalls_two_monitors() -> None:
    tape = crash(ACCOUNTS, SEED, START_S, SECONDS)
    pace_s = EVENTS * EVENT_EVERY_S * BATCH_MARKS / len(tape.marks)
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        run = Run(tape, Path(folder), monitors=2, batch_marks=BATCH_MARKS, pace_s=pace_s)
        events = random_events(EVENTS, len(tape.marks), SEED, run.processes.monitors)
        history = asyncio.run(run.play(events, SEED))
        said = [run.processes.said(name) for name in run.processes.monitors]
    assert run.befallen == events
    assert not any("Traceback" in text for text in said)
    check(run, history, judge_all(history.entries))
    assert len(history.alerts) > ACCOUNTS // 10
    print(f"two monitors: {dict(Counter(event.kind for event in events))}")
