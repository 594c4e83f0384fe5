"""A hundred alerts of the real crash, chosen at random: each is derived again to the digit."""

import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.store.client import Client
from tests.simulation.history import read_log
from tests.simulation.run import Run, random_kills
from tests.simulation.tape import crash, needs_tape

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
ACCOUNTS = 2_000
START_S, SECONDS = 2_100, 900  # a quarter of an hour around the worst of it
AUDITED, KILLS, SEED = 100, 4, 20_251_010

pytestmark = [needs_tape, pytest.mark.soak, pytest.mark.skipif(not SOAK, reason="PLIMSOLL_SOAK=1")]


class AuditedRun(Run):
    """Asks the service, before it ends, to explain some of its alerts."""

    explained: list[dict[str, Any]]
    took_s: list[float]

    async def _settled(self, client: Client) -> None:
        await super()._settled(client)
        alerts = await read_log(client)
        chosen = random.Random(SEED).sample(alerts, AUDITED)
        self.explained, self.took_s = [], []
        async with httpx.AsyncClient(base_url=self.processes.url, timeout=120) as http:
            for alert in chosen:
                began = time.perf_counter()
                answer = await http.get(f"/v1/alerts/{alert['id']}/explain")
                self.took_s.append(time.perf_counter() - began)
                assert answer.status_code == 200, answer.text[:500]
                self.explained.append(answer.json())


@pytest.mark.timeout(0)
def test_alerts_of_the_crash_are_derived_again_to_the_digit() -> None:
    """Monitors are killed on the way: what is derived does not hang on what one of them knew."""
    tape = crash(ACCOUNTS, SEED, START_S, SECONDS)
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        run = AuditedRun(tape, Path(folder))
        history = asyncio.run(run.play(random_kills(KILLS, len(tape.marks), SEED, ("monitor",))))
    kinds = Counter((one["alert"]["transition"], one["alert"]["cause"]) for one in run.explained)
    unlike = [one["id"] for one in run.explained if not one["equal"]]
    entries = sorted(one["entries"] for one in run.explained)
    print(
        f"\n{len(tape.accounts)} accounts, {len(tape.marks)} marks, {len(history.alerts)} alerts;"
        f" {AUDITED} audited, {AUDITED - len(unlike)} to the digit; entries gone through: median"
        f" {entries[AUDITED // 2]}, most {entries[-1]}; seconds each: median"
        f" {sorted(run.took_s)[AUDITED // 2]:.3f}, most {max(run.took_s):.3f}; {dict(kinds)}"
    )
    assert unlike == []
