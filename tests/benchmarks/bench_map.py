"""A liquidation map of all monitored accounts through the whole service, beside a request loop.

The loop asks for what the map says without it: the same accounts, posted to `/v1/evaluate` with the
marks of each point. Evaluating all points so would take an hour at full size: some points spread
over the map are timed and the rest is taken to cost the same; at the small size all are. At every
point that is timed both must count the same accounts and the same notional and shortfall.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import orjson

from service.store.market_stream import NewMark
from tests.api.workers import one_tier
from tests.benchmarks.harness import Measurement, Size, hash_of, resident_bytes
from tests.benchmarks.whole_service import Whole, whole_service

SEED = 23
SYMBOLS, POSITIONS = 200, 3
PRICE = 100.0
POINTS = 121
ACCOUNTS_A_CALL = 5_000
TIMED = (0, 30, 60, 90)  # points of the loop at full size
SAMPLE_S = 0.01


def symbol(number: int) -> str:
    return f"S{number}/USDT:USDT"


def accounts(count: int) -> Iterator[dict[str, object]]:
    """Yield accounts of three cross positions, levered 2 to 20 times."""
    source = np.random.default_rng(SEED)
    leverage = 2.0 * 10.0 ** source.random(count)
    held = source.integers(0, SYMBOLS, count)
    sides = source.random((count, POSITIONS)) < 0.5
    for number in range(count):
        positions = [
            {
                "symbol": symbol((int(held[number]) + 61 * step) % SYMBOLS),
                "side": "long" if sides[number, step] else "short",
                "contracts": 1,
                "entryPrice": PRICE,
            }
            for step in range(POSITIONS)
        ]
        wallet = POSITIONS * PRICE / float(leverage[number])
        balances = [{"asset": "USDT", "amount": wallet}]
        yield {"id": f"a{number:07d}", "balances": balances, "positions": positions}


@dataclass
class Watch:
    """The most memory that the monitor takes while something runs."""

    monitor: int
    before: int = 0
    most: int = 0
    task: "asyncio.Task[None] | None" = field(default=None)

    async def __aenter__(self) -> "Watch":
        self.before = self.most = resident_bytes(self.monitor)

        async def look() -> None:
            while True:
                self.most = max(self.most, resident_bytes(self.monitor))
                await asyncio.sleep(SAMPLE_S)

        self.task = asyncio.create_task(look())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        self.task.cancel()

    @property
    def above_mb(self) -> float:
        return (self.most - self.before) / 1e6


@dataclass(frozen=True, slots=True)
class Ticks:
    """What marks met at the monitor: how long one took, and how old it was when it was taken."""

    entry_ms: float
    age_ms: float
    age_p99_ms: float  # at most: the upper edge of a bar of the monitor's histogram


async def ticks(service: Whole, seconds: float) -> Ticks:
    """Let marks come for a while, some hundreds a second."""
    before = await _histograms(service)
    walk, ends = np.random.default_rng(SEED), time.perf_counter() + seconds
    while time.perf_counter() < ends:
        moved = walk.integers(0, SYMBOLS, 20)
        marks = [(int(one), PRICE * float(np.exp(walk.normal(0.0, 1e-4)))) for one in moved]
        await mark(service, marks)
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.6)  # a monitor reports twice a second
    after = await _histograms(service)
    entry, age = (
        _told(before[name], after[name]) for name in ("entry_seconds", "mark_age_seconds")
    )
    return Ticks(entry[0], *age)


async def _histograms(service: Whole) -> dict[str, Any]:
    (figures,) = await service.figures()
    found: dict[str, Any] = figures["histograms"]
    return found


def _told(before: dict[str, Any], after: dict[str, Any]) -> tuple[float, float]:
    """Return the mean and the 99th percentile of what came in between, in milliseconds."""
    counts = np.array(after["counts"]) - np.array(before["counts"])
    many = max(1, int(counts.sum()))
    place = int(np.searchsorted(np.cumsum(counts), 0.99 * many))
    bounds = [*after["bounds"], np.inf]
    return 1e3 * (after["sum"] - before["sum"]) / many, 1e3 * float(bounds[place])


async def mark(service: Whole, marks: Sequence[tuple[int, float]]) -> None:
    news = [
        NewMark(
            "generic",
            symbol(number),
            orjson.dumps({"venue": "generic", "symbol": symbol(number), "markPrice": price}),
        )
        for number, price in marks
    ]
    await service.market.append_marks(news)


async def mapped(http: httpx.AsyncClient) -> tuple[float, dict[str, Any], int]:
    """Return the seconds a map of all symbols takes, the map, and the lines of progress."""
    body = {"accounts": "monitored", "map": {"points": POINTS}}
    began = time.perf_counter()
    accept = {"Accept": "application/x-ndjson"}
    answer = await http.post("/v1/simulate", json=body, headers=accept, timeout=600.0)
    took_s = time.perf_counter() - began
    *progress, last = [orjson.loads(line) for line in answer.text.splitlines()]
    assert "result" in last, last
    return took_s, last["result"], len(progress)


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


def pieces_of(count: int) -> list[bytes]:
    """Return the accounts as bodies that lack their marks."""
    everybody = list(accounts(count))
    parts = [everybody[at : at + ACCOUNTS_A_CALL] for at in range(0, count, ACCOUNTS_A_CALL)]
    return [b'{"accounts":' + orjson.dumps(part) for part in parts]


def _shortfall(account: dict[str, Any]) -> float:
    """What closing at the mark leaves missing, with the fees (0.05 % at `generic`, 0 here)."""
    return max(0.0, -float(account["equity"]))


def run(size: Size) -> Iterator[Measurement]:
    yield asyncio.run(_measured(300 if size == "small" else 100_000, small=size == "small"))
    if size == "full":
        yield asyncio.run(_large(1_000_000))


async def filled(service: Whole, count: int) -> int:
    """Put the accounts in; return the monitor's process."""
    await mark(service, [(number, PRICE) for number in range(SYMBOLS)])
    listed = [one_tier(symbol(number), takerFee=0) for number in range(SYMBOLS)]
    await service.fill(listed, accounts(count))
    (monitor,) = service.running.children("monitor")
    return monitor


async def _measured(count: int, *, small: bool) -> Measurement:
    async with (
        whole_service() as service,
        httpx.AsyncClient(base_url=service.url, timeout=120.0, trust_env=False) as http,
    ):
        monitor = await filled(service, count)
        async with Watch(monitor) as watch:
            await mapped(http)
            ours_s, found, lines = await mapped(http)
        points = range(0, POINTS, 12) if small else TIMED
        percents = [float(found["points"][point]["movePct"]) for point in points]
        loop_s, told = await looped(http, count, percents)
        for point, wanted in zip(points, told, strict=True):
            _agree(found["points"][point], wanted)
        seconds = 0.5 if small else 5.0
        await ticks(service, seconds)  # the first marks move pools from where they began
        quiet = await ticks(service, seconds)
        making = asyncio.create_task(_again_and_again(http))
        busy = await ticks(service, seconds)
        making.cancel()
        await asyncio.wait((making,))
    notes = {
        "points_of_the_loop": float(len(percents)),
        "progress_lines": float(lines),
        "monitor_mb_above_book": watch.above_mb,
        "entry_ms": quiet.entry_ms,
        "entry_ms_during_maps": busy.entry_ms,
        "mark_age_ms": quiet.age_ms,
        "mark_age_ms_during_maps": busy.age_ms,
        "mark_age_p99_ms": quiet.age_p99_ms,
        "mark_age_p99_ms_during_maps": busy.age_p99_ms,
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


async def _again_and_again(http: httpx.AsyncClient) -> None:
    while True:
        await mapped(http)


def _agree(point: dict[str, Any], wanted: tuple[int, float, float]) -> None:
    rows = point["byAsset"]
    notional = sum(row["longNotional"] + row["shortNotional"] for row in rows)
    found = (point["accounts"], notional, sum(row["shortfall"] for row in rows))
    assert np.allclose(found, wanted, rtol=1e-9, atol=1e-6), (found, wanted)


async def _large(count: int) -> Measurement:
    """The memory that a map takes where there are many accounts; beside the book's own."""
    async with (
        whole_service() as service,
        httpx.AsyncClient(base_url=service.url, timeout=600.0, trust_env=False) as http,
    ):
        monitor = await filled(service, count)
        async with Watch(monitor) as watch:
            ours_s, found, lines = await mapped(http)
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
