"""Work a tick and memory by the size of the book; and two monitors with twice the accounts.

Every book is built and ticked in a process of its own, so that its memory is its own. The rounds
are those of `bench_monitor`, beside evaluating every pool once a round. The two monitors are real
ones: the same marks to one monitor with some accounts, and to two with twice as many. Marks come in
step with the clock, and count once bands have settled: what a monitor that lags, a mark that is
stale and fresh again, or a round at which nobody is due takes, is not what a tick costs.
"""

import asyncio
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from operator import sub
from typing import Any

import numpy as np
import orjson

from service.memory import give_back_large_blocks
from tests.api.workers import instrument
from tests.benchmarks.bench_monitor import CALM_ROUNDS, CRASH, SETTLING_ROUNDS
from tests.benchmarks.books import CALM, SEED, SYMBOLS, Rounds
from tests.benchmarks.harness import (
    Measurement,
    Size,
    hash_of,
    processor_seconds,
    resident_bytes,
    timed,
)
from tests.benchmarks.whole_book import POSITIONS, PRICE, mark, symbol
from tests.benchmarks.whole_service import WITHIN_S, Whole, whole_service

CRASH_ROUNDS = 30
EVERYBODY_TIMES = 3  # the median is told
ROUND_S = 0.2


def run(size: Size) -> Iterator[Measurement]:
    small = size == "small"
    for pools in (500, 1_000) if small else (10_000, 100_000, 1_000_000):
        yield _of_book(pools)
    accounts, settling, rounds = (5_000, 4, 10) if small else (100_000, SETTLING_ROUNDS, 50)
    yield asyncio.run(_two_monitors(accounts, settling, rounds))


def _of_book(pools: int) -> Measurement:
    command = (sys.executable, "-m", "tests.benchmarks.bench_scale", str(pools))
    told = orjson.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return Measurement(
        "scale, calm round",
        {"pools": pools, "positions": 3 * pools, "marks": SYMBOLS},
        SEED,
        told.pop("calm_s"),
        "evaluating every pool once",
        told.pop("everybody_s"),
        told.pop("levels"),
        told,
    )


def _book(pools: int) -> dict[str, object]:
    """Return what a book of so many pools takes; memory is that of this process."""
    logging.getLogger("service.monitor").setLevel(logging.CRITICAL)
    give_back_large_blocks()  # as a monitor does
    rounds = Rounds("uniform", pools)
    for _ in range(SETTLING_ROUNDS):
        rounds.apply(rounds.marks(CALM))
    resident = resident_bytes(os.getpid())
    calm = [_round(rounds, 0.0) for _ in range(CALM_ROUNDS)]
    crash = [_round(rounds, CRASH) for _ in range(CRASH_ROUNDS)]
    everybody = [timed(rounds.judge_all) for _ in range(EVERYBODY_TIMES)]
    for _, wrong in everybody:
        assert wrong == 0, f"{wrong} pools are not where evaluating everything puts them"
    return {
        "calm_s": statistics.median(seconds for seconds, _ in calm),
        "everybody_s": statistics.median(seconds for seconds, _ in everybody),
        "levels": hash_of(rounds.engine.book.pools.level[:pools].astype(np.float64)),
        "crash_s": statistics.median(seconds for seconds, _ in crash),
        "calm_pools_due": statistics.median(due for _, due in calm),
        "crash_pools_due": statistics.median(due for _, due in crash),
        "resident_mb": resident / 1e6,
        "resident_bytes_a_position": resident / rounds.engine.book.positions,
    }


def _round(rounds: Rounds, drift: float) -> tuple[float, int]:
    """Return the seconds a round takes, and how many pools were due."""
    entries = rounds.marks(CALM, drift)
    start = time.perf_counter()
    due, _ = rounds.apply(entries)
    return time.perf_counter() - start, due


async def _two_monitors(accounts: int, settling: int, rounds: int) -> Measurement:
    alone = await _ticked(1, accounts, settling, rounds)
    together = await _ticked(2, 2 * accounts, settling, rounds)
    digest = hash_of(np.array([sum(alone.held), sum(together.held)], np.float64))
    return Measurement(
        "an entry in two monitors of twice the accounts",
        {"accounts": 2 * accounts, "symbols": SYMBOLS, "rounds": rounds},
        SEED,
        together.entry_s,
        "an entry in one monitor",
        alone.entry_s,
        digest,
        {
            "least_share": min(together.held) / sum(together.held),
            "pools_due_a_round": together.due,
            "pools_due_a_round_in_one": alone.due,
            "processor_ms_a_round": 1e3 * together.processor_s,
            "processor_ms_a_round_in_one": 1e3 * alone.processor_s,
        },
    )


@dataclass(frozen=True, slots=True)
class _Ticked:
    """What marks cost the monitor that they cost most, and how many positions each one holds.

    `processor_s` is all that the process had in a round's time, for leases and reports too. On a
    machine that is not busy it is somewhat more than what the round's entries took by the clock.
    On a busy one it is the figure to go by.
    """

    entry_s: float
    due: float  # pools a round
    processor_s: float  # a round
    held: list[int]


async def _ticked(count: int, accounts: int, settling: int, rounds: int) -> _Ticked:
    """Let calm rounds come, and count from when bands have settled."""
    async with whole_service("--monitors", str(count)) as service:
        walk = _Walk(service)
        await walk.go(1)
        listed = [instrument(symbol(number)) for number in range(SYMBOLS)]
        await service.fill(listed, _accounts(accounts))
        held = await _shared_out(service, count, accounts)
        await walk.go(settling)  # marks that grew stale meanwhile are fresh after three
        monitors = service.running.children("--role monitor")
        before, used = await walk.taken(), [processor_seconds(each) for each in monitors]
        await walk.go(rounds)
        after = await walk.taken()
        used_s = [processor_seconds(each) - was for each, was in zip(monitors, used, strict=True)]
        spent = [tuple(map(sub, now, was)) for now, was in zip(after, before, strict=True)]
        assert all(each[0] >= rounds * SYMBOLS for each in spent), "marks are missing"
        assert all(each[2] for each in spent), "no pool was due: that is no work to measure"
        return _Ticked(
            max(seconds / entries for entries, seconds, _ in spent),
            max(due for *_, due in spent) / rounds,
            max(used_s) / rounds,
            held,
        )


async def _shared_out(service: Whole, count: int, accounts: int) -> list[int]:
    """Return how many positions each monitor holds, once all are held by as many as there are."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            told = await service.figures()
            held = [int(figures["positions"]) for figures in told if figures["shards"]]
            if len(held) == count and sum(held) == POSITIONS * accounts:
                return held
            await asyncio.sleep(0.1)


class _Walk:
    """Marks that wander from about where the positions were entered."""

    def __init__(self, service: Whole) -> None:
        self._service = service
        self._prices, self._source = np.full(SYMBOLS, PRICE), np.random.default_rng(SEED)

    async def go(self, rounds: int) -> None:
        """Append rounds in step with the clock, as a venue's feed does."""
        due_at = time.perf_counter()
        for _ in range(rounds):
            await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
            due_at += ROUND_S
            self._prices *= np.exp(self._source.normal(0.0, CALM, SYMBOLS))
            await mark(self._service, list(enumerate(self._prices.tolist())))

    async def taken(self) -> list[tuple[float, float, float]]:
        """Return what each monitor has taken once it tells that it has all that was appended.

        Entries, the seconds they took, and pools that were due at them.
        """
        last, _ = await self._service.market.tail()
        async with asyncio.timeout(WITHIN_S):
            while True:
                told = await self._service.figures()
                if all(figures["marketId"] >= last for figures in told):
                    break
                await asyncio.sleep(0.05)
        return [_told(figures["histograms"]) for figures in told]


def _told(histograms: dict[str, Any]) -> tuple[float, float, float]:
    seconds, pools = histograms["entry_seconds"], histograms["entry_pools"]
    return sum(seconds["counts"]), seconds["sum"], pools["sum"]


def _accounts(count: int) -> Iterator[dict[str, object]]:
    """Yield accounts that lie as those of the books: as many near a line."""
    source = np.random.default_rng(SEED)
    leverage = 1.5 * 20.0 ** source.random(count)
    money = np.exp(source.normal(9.0, 2.0, (count, POSITIONS)))
    held = (source.integers(0, SYMBOLS, (count, 1)) + 61 * np.arange(POSITIONS)) % SYMBOLS
    entries = PRICE * source.uniform(0.95, 1.05, held.shape)
    sides = source.random(held.shape) < 0.5
    for number in range(count):
        positions = [
            {
                "symbol": symbol(int(held[number, leg])),
                "side": "long" if sides[number, leg] else "short",
                "contracts": float(money[number, leg]) / PRICE,
                "entryPrice": float(entries[number, leg]),
            }
            for leg in range(POSITIONS)
        ]
        wallet = float(money[number].sum() / leverage[number])
        balances = [{"asset": "USDT", "amount": wallet}]
        yield {"id": f"a{number:07d}", "balances": balances, "positions": positions}


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(_book(int(sys.argv[1]))).decode())
