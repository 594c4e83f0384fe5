"""A whole service's book that is asked what a move does to it, and its marks meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import orjson

from service.store.market_stream import NewMark
from tests.api.workers import one_tier
from tests.benchmarks.harness import Size, resident_bytes
from tests.benchmarks.whole_service import Whole, whole_service

SEED = 23
SYMBOLS, POSITIONS = 200, 3
PRICE = 100.0
ACCOUNTS_A_CALL = 5_000
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
    mark_age_ms: float
    mark_age_p99_ms: float  # at most: the upper edge of a bar of the monitor's histogram


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


async def meanwhile(
    service: Whole, size: Size, what: str, work: Callable[[], Awaitable[object]]
) -> dict[str, float]:
    """Return how marks fare in a service at rest, and while `work` is done again and again."""
    seconds = 0.5 if size == "small" else 5.0

    async def again_and_again() -> None:
        while True:
            await work()

    await ticks(service, seconds)  # the first marks move pools from where they began
    quiet = await ticks(service, seconds)
    working = asyncio.create_task(again_and_again())
    busy = await ticks(service, seconds)
    working.cancel()
    await asyncio.wait((working,))
    told = ((quiet, ""), (busy, f"_during_{what}"))
    return {
        f"{name}{when}": getattr(each, name)
        for name in ("entry_ms", "mark_age_ms", "mark_age_p99_ms")
        for each, when in told
    }


async def supposed(
    http: httpx.AsyncClient, question: dict[str, Any]
) -> tuple[float, dict[str, Any], int]:
    """Ask `/v1/simulate` of all monitored accounts.

    Return the seconds it takes, the answer, and the lines of progress.
    """
    body = {"accounts": "monitored"} | question
    began = time.perf_counter()
    accept = {"Accept": "application/x-ndjson"}
    answer = await http.post("/v1/simulate", json=body, headers=accept, timeout=600.0)
    took_s = time.perf_counter() - began
    *progress, last = [orjson.loads(line) for line in answer.text.splitlines()]
    assert "result" in last, last
    return took_s, last["result"], len(progress)


def pieces_of(count: int) -> list[bytes]:
    """Return the accounts as bodies that lack their marks."""
    everybody = list(accounts(count))
    parts = [everybody[at : at + ACCOUNTS_A_CALL] for at in range(0, count, ACCOUNTS_A_CALL)]
    return [b'{"accounts":' + orjson.dumps(part) for part in parts]


@asynccontextmanager
async def asked(count: int) -> AsyncIterator[tuple[Whole, httpx.AsyncClient, int]]:
    """Yield a service with so many accounts, a client of it, and the monitor's process."""
    async with (
        whole_service() as service,
        httpx.AsyncClient(base_url=service.url, timeout=600.0, trust_env=False) as http,
    ):
        yield service, http, await filled(service, count)


async def filled(service: Whole, count: int) -> int:
    """Put the accounts in; return the monitor's process."""
    await mark(service, [(number, PRICE) for number in range(SYMBOLS)])
    listed = [one_tier(symbol(number), takerFee=0) for number in range(SYMBOLS)]
    await service.fill(listed, accounts(count))
    (monitor,) = service.running.children("monitor")
    return monitor
