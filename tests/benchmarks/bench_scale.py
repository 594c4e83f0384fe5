"""Work a tick and memory by the size of the book; and two monitors with twice the accounts.

Every book is built and ticked in a process of its own, so that its memory is its own. The rounds
are those of `bench_monitor`, beside evaluating every pool once a round. The two monitors are real
ones: the same marks to one monitor with some accounts, and to two with twice as many.
"""

import asyncio
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import orjson

from service.memory import give_back_large_blocks
from service.store.market_stream import NewMark
from tests.api.workers import one_tier
from tests.benchmarks.bench_monitor import CALM_ROUNDS, CRASH, SETTLING_ROUNDS
from tests.benchmarks.books import CALM, SEED, SYMBOLS, Rounds
from tests.benchmarks.harness import Measurement, Size, hash_of, resident_bytes, timed
from tests.benchmarks.whole_service import WITHIN_S, Whole, whole_service

CRASH_ROUNDS = 30
PRICE, POSITIONS = 100.0, 3  # of each account of the two monitors


def run(size: Size) -> Iterator[Measurement]:
    small = size == "small"
    for pools in (500, 1_000) if small else (10_000, 100_000, 1_000_000):
        yield _of_book(pools)
    yield asyncio.run(_two_monitors(200 if small else 100_000, 2 if small else 20))


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
    everybody_s, wrong = timed(rounds.judge_all)
    assert wrong == 0, f"{wrong} pools are not where evaluating everything puts them"
    return {
        "calm_s": statistics.median(seconds for seconds, _ in calm),
        "everybody_s": everybody_s,
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


async def _two_monitors(accounts: int, rounds: int) -> Measurement:
    alone_s, held = await _ticked(1, accounts, rounds)
    together_s, shares = await _ticked(2, 2 * accounts, rounds)
    digest = hash_of(np.array([sum(held), sum(shares)], np.float64))
    return Measurement(
        "an entry in two monitors of twice the accounts",
        {"accounts": 2 * accounts, "symbols": SYMBOLS, "rounds": rounds},
        SEED,
        together_s,
        "an entry in one monitor",
        alone_s,
        digest,
        {"least_share": min(shares) / sum(shares)},
    )


async def _ticked(count: int, accounts: int, rounds: int) -> tuple[float, list[int]]:
    """Return the mean seconds an entry took in the slowest monitor, and what each of them holds."""
    async with whole_service("--monitors", str(count)) as service:
        await _mark(service, np.full(SYMBOLS, PRICE))
        listed = [one_tier(_symbol(number)) for number in range(SYMBOLS)]
        await service.fill(listed, [_account(number) for number in range(accounts)])
        held = await _shared_out(service, count, accounts)
        prices, walk = np.full(SYMBOLS, PRICE), np.random.default_rng(SEED)
        before = await _entries(service)
        for _ in range(rounds):
            prices *= np.exp(walk.normal(0.0, CALM, SYMBOLS))
            await _mark(service, prices)
        wanted = rounds * SYMBOLS
        async with asyncio.timeout(WITHIN_S):
            while True:
                after = await _entries(service)
                spent = [
                    (now[0] - then[0], now[1] - then[1])
                    for now, then in zip(after, before, strict=True)
                ]
                if all(entries >= wanted for entries, _ in spent):
                    break
                await asyncio.sleep(0.1)
        return max(seconds / entries for entries, seconds in spent), held


async def _shared_out(service: Whole, count: int, accounts: int) -> list[int]:
    """Return how many positions each monitor holds, once all are held by as many as there are."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            told = await service.figures()
            held = [int(figures["positions"]) for figures in told if figures["shards"]]
            if len(held) == count and sum(held) == POSITIONS * accounts:
                return held
            await asyncio.sleep(0.1)


async def _entries(service: Whole) -> list[tuple[int, float]]:
    """Return, of each monitor, how many entries it has taken and the seconds that took."""
    found = []
    for figures in await service.figures():
        took = figures["histograms"]["entry_seconds"]
        found.append((sum(took["counts"]), float(took["sum"])))
    return found


async def _mark(service: Whole, prices: np.ndarray) -> None:
    marks = [
        NewMark("generic", _symbol(number), orjson.dumps(_document(number, price)))
        for number, price in enumerate(prices.tolist())
    ]
    await service.market.append_marks(marks)


def _document(number: int, price: float) -> dict[str, object]:
    return {"venue": "generic", "symbol": _symbol(number), "markPrice": price}


def _symbol(number: int) -> str:
    return f"S{number}/USDT:USDT"


def _account(number: int) -> dict[str, object]:
    """Three positions, and money from little to plenty: as many near a line as in the books."""
    wallet = 12.0 * 20.0 ** ((number * 0.618_033_988_75) % 1.0)
    positions = [
        {
            "symbol": _symbol((number * 7 + step * 61) % SYMBOLS),
            "side": "long" if (number + step) % 2 else "short",
            "contracts": 1,
            "entryPrice": PRICE,
        }
        for step in range(POSITIONS)
    ]
    balances = [{"asset": "USDT", "amount": wallet}]
    return {"id": f"a{number:07d}", "balances": balances, "positions": positions}


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(_book(int(sys.argv[1]))).decode())
