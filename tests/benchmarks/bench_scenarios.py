"""Ten scenarios on all monitored accounts through the whole service, beside a request loop.

The loop posts the same accounts with the same scenarios to `/v1/simulate`, as many at a time as a
body may well have, and adds up what comes: both must count the same accounts, notional and
shortfall in every scenario.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import orjson

from tests.benchmarks.bench_map import (
    POSITIONS,
    SEED,
    SYMBOLS,
    Ticks,
    Watch,
    filled,
    pieces_of,
    symbol,
    ticks,
)
from tests.benchmarks.harness import Measurement, Size, hash_of
from tests.benchmarks.whole_service import whole_service

TOTALS = ("liquidated", "notional", "fees", "shortfall", "owed")


def scenarios() -> list[dict[str, Any]]:
    """Six common moves, two of half the symbols, two paths of three steps."""
    half = [symbol(number) for number in range(0, SYMBOLS, 2)]
    common = [{"shocks": {"allPct": move}} for move in (-30, -20, -10, 10, 20, 30)]
    named = [{"shocks": {"pct": dict.fromkeys(half, move)}} for move in (-25, 25)]
    paths = [
        {"shocks": {"path": [{"allPct": sign * move} for move in (5, 15, 10)]}} for sign in (-1, 1)
    ]
    return [*common, *named, *paths]


SUPPOSED: dict[str, Any] = {"scenarios": scenarios(), "detail": "totals"}


async def by_sums(http: httpx.AsyncClient) -> tuple[float, dict[str, Any], int]:
    """Return the seconds it takes, the answer, and the lines of progress."""
    body = {"accounts": "monitored", "settledBy": "sums"} | SUPPOSED
    began = time.perf_counter()
    accept = {"Accept": "application/x-ndjson"}
    answer = await http.post("/v1/simulate", json=body, headers=accept, timeout=600.0)
    took_s = time.perf_counter() - began
    *progress, last = [orjson.loads(line) for line in answer.text.splitlines()]
    assert "result" in last, last
    return took_s, last["result"], len(progress)


async def looped(http: httpx.AsyncClient, count: int) -> tuple[float, np.ndarray]:
    """Return the seconds of the loop, and what it adds up to: scenarios by totals."""
    tail = b"," + orjson.dumps(SUPPOSED)[1:]
    headers = {"Content-Type": "application/json"}
    took_s, sums = 0.0, np.zeros((len(scenarios()), len(TOTALS)))
    for piece in pieces_of(count):
        began = time.perf_counter()
        answer = await http.post("/v1/simulate", content=piece + tail, headers=headers)
        found = orjson.loads(answer.content)["scenarios"]
        took_s += time.perf_counter() - began
        sums += totals(found)
    return took_s, sums


def totals(found: list[dict[str, Any]]) -> np.ndarray:
    """Return the totals of each scenario; all money is of one asset."""
    return np.array(
        [[sum(row[name] for row in each["totals"]) for name in TOTALS] for each in found], float
    )


def run(size: Size) -> Iterator[Measurement]:
    yield asyncio.run(_measured(300 if size == "small" else 100_000, small=size == "small"))


async def _measured(count: int, *, small: bool) -> Measurement:
    async with (
        whole_service() as service,
        httpx.AsyncClient(base_url=service.url, timeout=120.0, trust_env=False) as http,
    ):
        monitor = await filled(service, count)
        async with Watch(monitor) as watch:
            await by_sums(http)
            ours_s, found, lines = await by_sums(http)
        loop_s, wanted = await looped(http, count)
        ours = totals(found["scenarios"])
        assert np.allclose(ours, wanted, rtol=1e-9, atol=1e-6), (ours, wanted)
        seconds = 0.5 if small else 5.0
        await ticks(service, seconds)  # the first marks move pools from where they began
        quiet = await ticks(service, seconds)
        making = asyncio.create_task(_again_and_again(http))
        busy = await ticks(service, seconds)
        making.cancel()
        await asyncio.wait((making,))
    return Measurement(
        "scenarios",
        {"accounts": count, "positions": POSITIONS * count, "scenarios": len(scenarios())},
        SEED,
        ours_s,
        "a request loop",
        loop_s,
        hash_of(np.round(ours, 6)),
        _notes(quiet, busy)
        | {
            "progress_lines": float(lines),
            "monitor_mb_above_book": watch.above_mb,
            "times_faster": loop_s / ours_s,
        },
    )


def _notes(quiet: Ticks, busy: Ticks) -> dict[str, float]:
    return {
        "entry_ms": quiet.entry_ms,
        "entry_ms_during_scenarios": busy.entry_ms,
        "mark_age_ms": quiet.age_ms,
        "mark_age_ms_during_scenarios": busy.age_ms,
        "mark_age_p99_ms": quiet.age_p99_ms,
        "mark_age_p99_ms_during_scenarios": busy.age_p99_ms,
    }


async def _again_and_again(http: httpx.AsyncClient) -> None:
    while True:
        await by_sums(http)
