"""A liquidation map of all monitored accounts through the whole service, beside a request loop.

The loop asks for what the map says without it: the same accounts, posted to `/v1/evaluate` with the
marks of each point. Evaluating all points so would take an hour at full size: some points spread
over the map are timed and the rest is taken to cost the same; at the small size all are. At every
point that is timed both must count the same accounts and the same notional and shortfall.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import httpx
import numpy as np
import orjson

from tests.benchmarks.harness import Measurement, Size, hash_of
from tests.benchmarks.whole_book import (
    POSITIONS,
    PRICE,
    SEED,
    SYMBOLS,
    Watch,
    asked,
    meanwhile,
    pieces_of,
    supposed,
    symbol,
)

POINTS = 121
TIMED = (0, 30, 60, 90)  # points of the loop at full size
MAP: dict[str, Any] = {"map": {"points": POINTS}}


async def looped(
    http: httpx.AsyncClient, count: int, percents: Sequence[float]
) -> tuple[float, list[tuple[int, float, float]]]:
    """Return the seconds of a loop over some points, and what it counts at each."""
    pieces = pieces_of(count)
    took_s, found = 0.0, []
    for percent in percents:
        price = PRICE * (1.0 + percent / 100.0)
        marks = {symbol(number): price for number in range(SYMBOLS)}
        tail = b',"marks":' + orjson.dumps(marks) + b"}"
        liquidated, notional, short = 0, 0.0, 0.0
        for piece in pieces:
            began = time.perf_counter()
            headers = {"Content-Type": "application/json"}
            answer = await http.post("/v1/evaluate", content=piece + tail, headers=headers)
            read = orjson.loads(answer.content)
            took_s += time.perf_counter() - began
            for account in read["accounts"]:
                if account["level"] in ("LIQUIDATION", "BANKRUPT"):
                    liquidated += 1
                    notional += sum(row["notional"] for row in account["positions"])
                    short += _shortfall(account)
        found.append((liquidated, notional, short))
    return took_s, found


def _shortfall(account: dict[str, Any]) -> float:
    """What closing at the mark leaves missing, with the fees (0.05 % at `generic`, 0 here)."""
    return max(0.0, -float(account["equity"]))


def run(size: Size) -> Iterator[Measurement]:
    yield asyncio.run(_measured(300 if size == "small" else 100_000, size))
    if size == "full":
        yield asyncio.run(_large(1_000_000))


async def _measured(count: int, size: Size) -> Measurement:
    async with asked(count) as (service, http, monitor):
        async with Watch(monitor) as watch:
            await supposed(http, MAP)
            ours_s, found, lines = await supposed(http, MAP)
        points = range(0, POINTS, 12) if size == "small" else TIMED
        percents = [float(found["points"][point]["movePct"]) for point in points]
        loop_s, told = await looped(http, count, percents)
        for point, wanted in zip(points, told, strict=True):
            _agree(found["points"][point], wanted)
        met = await meanwhile(service, size, "maps", partial(supposed, http, MAP))
    notes = met | {
        "points_of_the_loop": float(len(percents)),
        "progress_lines": float(lines),
        "monitor_mb_above_book": watch.above_mb,
        "times_faster": loop_s / len(percents) * POINTS / ours_s,
    }
    return Measurement(
        "liquidation map",
        {"accounts": count, "positions": POSITIONS * count, "points": POINTS},
        SEED,
        ours_s,
        f"a request loop, by {len(percents)} of its points",
        loop_s / len(percents) * POINTS,
        _hash(found),
        notes,
    )


def _agree(point: dict[str, Any], wanted: tuple[int, float, float]) -> None:
    rows = point["byAsset"]
    notional = sum(row["longNotional"] + row["shortNotional"] for row in rows)
    found = (point["accounts"], notional, sum(row["shortfall"] for row in rows))
    assert np.allclose(found, wanted, rtol=1e-9, atol=1e-6), (found, wanted)


async def _large(count: int) -> Measurement:
    """The memory that a map takes where there are many accounts; beside the book's own."""
    async with asked(count) as (_, http, monitor), Watch(monitor) as watch:
        ours_s, found, lines = await supposed(http, MAP)
    notes = {
        "progress_lines": float(lines),
        "monitor_mb": watch.before / 1e6,
        "monitor_mb_above_book": watch.above_mb,
    }
    size = {"accounts": count, "positions": POSITIONS * count, "points": POINTS}
    name = "liquidation map, memory"
    return Measurement(name, size, SEED, ours_s, "nothing", ours_s, _hash(found), notes)


def _hash(found: dict[str, Any]) -> str:
    points = found["points"]
    columns = [np.array([point["accounts"] for point in points], np.float64)]
    for name in ("longNotional", "shortNotional", "shortfall", "owed"):
        columns.append(
            np.array([sum(row[name] for row in point["byAsset"]) for point in points], np.float64)
        )
    return hash_of(*columns)
