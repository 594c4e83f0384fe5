"""Bots that are cut off at random through the crash end with their accounts' part of the log.

Sockets are cut, processes of bots killed, the API's worker killed, the API killed and restarted.
A long form; test_rolling.py has bots that are cut off in its short one.
"""

import asyncio
import os
import tempfile
from pathlib import Path

import pytest

from tests.simulation.bot_run import BotRun, check_bots
from tests.simulation.tape import crash, needs_tape

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
ACCOUNTS = 200  # a bot each
START_S, SECONDS = 2_000, 300
BATCH_MARKS = 50
PLAYED_S = 300.0
CALM_S = 1.0  # on average between two misfortunes
SEED = 20_251_010
KINDS = ("socket", "process", "worker", "socket", "api", "socket", "restart")

pytestmark = [
    needs_tape,
    pytest.mark.soak,
    pytest.mark.skipif(not SOAK, reason="a long form alone"),
]


@pytest.mark.timeout(0)
def test_each_bot_ends_with_exactly_its_part_of_the_log() -> None:
    tape = crash(ACCOUNTS, SEED, START_S, SECONDS)
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        run = BotRun(
            tape,
            Path(folder),
            kinds=KINDS,
            calm_s=CALM_S,
            batch_marks=BATCH_MARKS,
            pace_s=PLAYED_S * BATCH_MARKS / len(tape.marks),
            seed=SEED,
        )
        asyncio.run(run.play())
        told = check_bots(run)
    assert set(run.misfortunes) >= {"socket", "process", "worker"}
    assert sum(map(len, run.told.values())) > ACCOUNTS
    print(told)
