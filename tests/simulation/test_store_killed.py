"""The store dies again and again while bots listen and writers write; what is promised meanwhile.

While it is away nobody calls the service ready, what needs no store is answered, and what is to be
written is refused whole. What was under way when it died happened once or not at all, and once when
it is asked for again with its Idempotency-Key. The log and what the bots have of it are as ever.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.store.client import Client
from tests.api.guarded import WRITES, Call
from tests.api.workers import account
from tests.benchmarks.good_client import body
from tests.simulation.bot_run import BotRun, check_bots
from tests.simulation.processes import wait_until
from tests.simulation.run import Event, post
from tests.simulation.scratch import judge_all
from tests.simulation.tape import crash, needs_tape
from tests.simulation.test_crash import check

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
ACCOUNTS = 200 if SOAK else 10  # a bot each
START_S, SECONDS = (2_000, 300) if SOAK else (2_165, 8)
BATCH_MARKS = 50 if SOAK else 25
PLAYED_S = 300.0 if SOAK else 4.0
CALM_S = 3.0 if SOAK else 2.0  # on average between two misfortunes
DEATHS_MIN = 10 if SOAK else 1
MOST = None if SOAK else 5  # misfortunes
SEED = 20_251_010
WRITERS = 4
PAUSE_S = 0.02 if SOAK else 0.1  # between two writes of a writer
NOTHING = ("/v1/webhooks", "/v1/silences")  # where a refused write would have left something

pytestmark = [
    needs_tape,
    pytest.mark.soak,
    pytest.mark.skipif(
        os.environ.get("PLIMSOLL_TEST_STORE") == "cluster", reason="of a cluster one node dies"
    ),
]


class StoreRun(BotRun):
    """A run whose store dies; `away` is told of every absence."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.evaluated = 0
        self.back_s: list[float] = []
        self.written: list[tuple[int, int, float]] = []  # asked for, answered, in the store

    async def _feed(self, client: Client, events: Sequence[Event]) -> None:
        over = asyncio.Event()
        writers = [
            asyncio.create_task(self._write(f"writer-{number}", number % 2 == 0, over))
            for number in range(WRITERS)
        ]
        await super()._feed(client, events)
        over.set()
        self.written = await asyncio.gather(*writers)

    async def _write(self, name: str, once: bool, over: asyncio.Event) -> tuple[int, int, float]:
        """Add 1 again and again; with a key until it is answered, without one only once each."""
        url = self.processes.url
        await post(url, "PUT", f"/v1/accounts/{name}", {**account(), "positions": []})
        asked = answered = 0
        async with httpx.AsyncClient(base_url=url, timeout=10.0) as http:
            (before,) = (await http.get(f"/v1/accounts/{name}")).json()["balances"]
            while not over.is_set() or (once and answered < asked):
                if not once or answered == asked:
                    asked += 1
                answered += await self._added(http, name, f'"{name}-{asked}"' if once else None)
                await asyncio.sleep(PAUSE_S)
            (after,) = (await http.get(f"/v1/accounts/{name}")).json()["balances"]
        return asked, answered, after["amount"] - before["amount"]

    async def _added(self, http: httpx.AsyncClient, name: str, key: str | None) -> bool:
        """Return whether we were told that it was done; else it may have been."""
        headers = {} if key is None else {"Idempotency-Key": key}
        asked = {"asset": "USDT", "delta": 1, "reason": "deposit"}
        with suppress(httpx.TransportError):
            path = f"/v1/accounts/{name}/adjust"
            answer = await http.post(path, json=asked, headers=headers)
            assert answer.status_code in (200, 409, 503), answer.text
            return answer.status_code == 200
        return False

    def _hit(self, kind: str) -> None:
        if kind != "store":
            super()._hit(kind)
            return
        self.processes.kill("valkey")
        with httpx.Client(base_url=self.processes.url, timeout=10.0) as http:
            self._check_away(http)
            self.processes.start("valkey")
            began = time.monotonic()
            wait_until(self.processes.ready, "the service to be ready again")
            self.back_s.append(time.monotonic() - began)
            assert http.get("/v1/accounts/a1").status_code == 404
            assert [http.get(path).json() for path in NOTHING] == [
                {"webhooks": []},
                {"silences": []},
            ]

    def _check_away(self, http: httpx.Client) -> None:
        assert http.get("/livez").status_code == 200
        assert http.get("/readyz").status_code == 503
        headers = {"Content-Type": "application/json"}
        evaluated = http.post("/v1/evaluate", content=body(), headers=headers)
        assert evaluated.status_code == 200, evaluated.text
        self.evaluated += 1

        def refused(call: Call) -> tuple[int, str]:
            answer = http.request(call.method, call.path, json=call.body)
            return answer.status_code, answer.json()["code"]

        # Targets are turned off here, which is what they say.
        calls = [call for call in WRITES if "/targets" not in call.path]
        with ThreadPoolExecutor(len(calls)) as pool:  # each waits a while for the store
            for call, answer in zip(calls, pool.map(refused, calls), strict=True):
                assert answer == (503, "store_unavailable"), call


def check_writers(run: StoreRun) -> str:
    """With a key each write was done once, without one at most once and if it was answered."""
    for number, (asked, answered, done) in enumerate(run.written):
        assert answered <= done <= asked, run.written
        assert number % 2 or done == asked == answered, run.written
    return f"; writes asked for, answered and done {run.written}"


@pytest.mark.timeout(0 if SOAK else 240)
def test_the_store_dies_and_nothing_is_lost_doubled_or_half_done() -> None:
    tape = crash(ACCOUNTS, SEED, START_S, SECONDS)
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        run = StoreRun(
            tape,
            Path(folder),
            kinds=("store", "socket"),
            calm_s=CALM_S,
            batch_marks=BATCH_MARKS,
            pace_s=PLAYED_S * BATCH_MARKS / len(tape.marks),
            seed=SEED,
            most=MOST,
        )
        history = asyncio.run(run.play())
        told = check_bots(run) + check_writers(run)
    assert run.misfortunes["store"] >= DEATHS_MIN
    check(run, history, judge_all(history.entries))
    print(f"{told}; ready again after {', '.join(f'{each:.2f}' for each in run.back_s)} s")
