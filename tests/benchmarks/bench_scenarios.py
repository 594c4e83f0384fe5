"""Ten scenarios on all monitored accounts through the whole service, beside a request loop.

The loop posts the same accounts with the same scenarios to `/v1/simulate`, as many at a time as a
body may well have, and adds up what comes: both must count the same accounts, notional and
shortfall in every scenario.
"""

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import numpy as np
import orjson

from tests.benchmarks.harness import Measurement, Size, hash_of
from tests.benchmarks.whole_book import (
    POSITIONS,
    SEED,
    SYMBOLS,
    Watch,
    asked,
    meanwhile,
    pieces_of,
    supposed,
    symbol,
)

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
BY_SUMS = SUPPOSED | {"settledBy": "sums"}


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
    yield asyncio.run(_measured(300 if size == "small" else 100_000, size))


async def _measured(count: int, size: Size) -> Measurement:
    async with asked(count) as (service, http, monitor):
        async with Watch(monitor) as watch:
            await supposed(http, BY_SUMS)
            ours_s, found, lines = await supposed(http, BY_SUMS)
        loop_s, wanted = await looped(http, count)
        ours = totals(found["scenarios"])
        assert np.allclose(ours, wanted, rtol=1e-9, atol=1e-6), (ours, wanted)
        met = await meanwhile(service, size, "scenarios", partial(supposed, http, BY_SUMS))
    return Measurement(
        "scenarios",
        {"accounts": count, "positions": POSITIONS * count, "scenarios": len(scenarios())},
        SEED,
        ours_s,
        "a request loop",
        loop_s,
        hash_of(np.round(ours, 6)),
        met
        | {
            "progress_lines": float(lines),
            "monitor_mb_above_book": watch.above_mb,
            "times_faster": loop_s / ours_s,
        },
    )
