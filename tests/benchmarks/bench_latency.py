"""Tick to alert in the whole service, from the append of a mark to the frame in a client's socket.

200 symbols tick at 5 Hz; one mark of ten moves one account. All other accounts are far from any
line: what is measured is one alert's way through a busy service. Beside it the floor (floor.py)
under the same ticks: two durable hops and a frame, over the same servers. They take turns, and of
each figure the median of the rounds is told, for what disturbs the machine disturbs one round.
"""

import asyncio
import hashlib
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import orjson

from service.store.market_stream import NewMark
from tests.benchmarks.floor import STREAM, floor
from tests.benchmarks.harness import Measurement, Size
from tests.benchmarks.whole_service import (
    WITHIN_S,
    Whole,
    frames_of,
    listening,
    whole_service,
)

SEED = 17
SYMBOLS, PERIOD_S, MARKS_A_CALL = 200, 0.2, 4
MOVING = 0.1  # share of the ticks that move an account
CALM, STIRRED, MOVED = 100.0, 100.01, 98.5
SETTLING_TICKS = 5  # the first after an upload arranges a symbol's bands
ALERT_BYTES = 700
# Its market pauses while the floor has its turn. Without this every mark would go stale meanwhile,
# and a round begin with a million accounts whose marks are fresh again: no market does that.
MARKS_LAST_S = "60"

Tick: TypeAlias = tuple[int, bool]  # symbol, whether it moves its account
Send: TypeAlias = Callable[[Sequence[Tick]], Awaitable[None]]


def run(size: Size) -> Iterator[Measurement]:
    accounts, rounds, seconds = (1_000, 1, 1.0) if size == "small" else (1_000_000, 5, 15.0)
    yield asyncio.run(measured(accounts, rounds, seconds))


async def measured(accounts: int, rounds: int, seconds: float) -> Measurement:
    async with whole_service(mark_max_age_s=MARKS_LAST_S) as service:
        await _send_marks(service, [CALM] * SYMBOLS, [(each, False) for each in range(SYMBOLS)])
        instruments = [_instrument(number) for number in range(SYMBOLS)]
        await service.fill(instruments, [_account(number) for number in range(accounts)])
        ours, least, told = [], [], []
        for _ in range(rounds):
            await _settle(service)
            took, each_told = await _ours(service, seconds)
            ours.append(took)
            told.append(each_told)
            least.append(await _floor(service, seconds))
        (figures,) = await service.figures()
    (p50, p99), (floor_p50, floor_p99) = _medians(ours), _medians(least)
    return Measurement(
        "tick to alert, p99",
        {"accounts": accounts, "symbols": SYMBOLS, "rounds": rounds, "alerts": sum(map(len, ours))},
        SEED,
        p99,
        "two durable hops and a frame, p99",
        floor_p99,
        hashlib.sha256(orjson.dumps(told)).hexdigest()[:16],
        {
            "p50_ms": 1e3 * p50,
            "p99_ms": 1e3 * p99,
            "floor_p50_ms": 1e3 * floor_p50,
            "floor_p99_ms": 1e3 * floor_p99,
            "p99_ms_worst_round": 1e3 * max(float(np.percentile(each, 99.0)) for each in ours),
            "monitor_collector_share": figures["collectorShare"],
        },
    )


def _medians(rounds: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return p50 and p99 in seconds, of each the median of the rounds."""
    p50, p99 = np.median([np.percentile(each, (50.0, 99.0)) for each in rounds], axis=0).tolist()
    return p50, p99


async def _settle(service: Whole) -> None:
    """Let every symbol tick a few times and end calm, and have the monitor keep up."""
    for _ in range(SETTLING_TICKS):
        await _send_marks(service, [CALM] * SYMBOLS, [(each, False) for each in range(SYMBOLS)])
        await _send_marks(service, [STIRRED] * SYMBOLS, [(each, False) for each in range(SYMBOLS)])
    await _send_marks(service, [CALM] * SYMBOLS, [(each, False) for each in range(SYMBOLS)])
    newest, _ = await service.market.tail()
    async with asyncio.timeout(WITHIN_S):
        while (await service.figures())[0]["marketId"] < newest:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.1)


async def _ours(service: Whole, seconds: float) -> tuple[list[float], list[list[str]]]:
    """Return the seconds each alert took, and what every account was told."""
    sent: dict[str, list[float]] = defaultdict(list)
    prices = [CALM] * SYMBOLS

    async def send(ticks: Sequence[Tick]) -> None:
        for symbol, moves in ticks:
            if moves:
                prices[symbol] = MOVED if prices[symbol] == CALM else CALM
                sent[_name(symbol)].append(time.perf_counter())
        await _send_marks(service, prices, ticks)

    took: list[float] = []
    told: dict[str, list[str]] = defaultdict(list)
    async with listening(service.url, "*") as heard:
        await heard.have(await _tick(send, seconds))
        for at, alert in heard.told():
            told[alert.account_id].append(alert.level)
            took.append(at - sent[alert.account_id][len(told[alert.account_id]) - 1])
    return took, [told[name] for name in sorted(told)]


async def _floor(service: Whole, seconds: float) -> list[float]:
    sent: list[float] = []

    async def send(ticks: Sequence[Tick]) -> None:
        commands = []
        for _, moves in ticks:
            text = f"{int(moves)} {ALERT_BYTES} {len(sent)}|"
            commands.append(("XADD", STREAM, "*", "d", text))
            if moves:
                sent.append(time.perf_counter())
        await service.store.batch(commands)

    async with floor(service.store, service.socket) as url, frames_of(url) as heard:
        await heard.have_frames(await _tick(send, seconds))
        return [at - sent[int(text.partition("|")[0])] for at, text in heard.frames]


async def _tick(send: Send, seconds: float) -> int:
    """Send every symbol once a period, some at a time; return how many ticks moved an account."""
    chance, moved, symbol = random.Random(SEED), 0, 0
    pause_s = PERIOD_S * MARKS_A_CALL / SYMBOLS
    due = time.perf_counter()
    for _ in range(int(seconds / pause_s)):
        ticks = [(symbol + each, chance.random() < MOVING) for each in range(MARKS_A_CALL)]
        symbol = (symbol + MARKS_A_CALL) % SYMBOLS
        moved += sum(moves for _, moves in ticks)
        await send(ticks)
        due += pause_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    return moved


async def _send_marks(service: Whole, prices: Sequence[float], ticks: Sequence[Tick]) -> None:
    marks = [
        NewMark("generic", _symbol(symbol), _payload(symbol, prices[symbol])) for symbol, _ in ticks
    ]
    await service.market.append_marks(marks)


def _payload(symbol: int, price: float) -> bytes:
    return orjson.dumps({"venue": "generic", "symbol": _symbol(symbol), "markPrice": price})


def _symbol(number: int) -> str:
    return f"S{number}/USDT:USDT"


def _name(number: int) -> str:
    return f"a{number:07d}"


def _instrument(number: int) -> dict[str, object]:
    tier = {"minNotional": 0, "maxNotional": None, "maintenanceMarginRate": 0.01}
    contract = {"linear": True, "contractSize": 1.0, "quote": "USDT", "settle": "USDT"}
    named = {"symbol": _symbol(number), "base": f"S{number}"}
    return {**named, **contract, "tiers": [tier], "tiering": "marginal"}


def _account(number: int) -> dict[str, object]:
    """The first of each symbol is near its warning line, all others hold two symbols with ease."""
    held = [number] if number < SYMBOLS else [number % SYMBOLS, number * 7 % SYMBOLS]
    position = {"side": "long", "contracts": 1, "entryPrice": 100, "marginMode": "cross"}
    return {
        "id": _name(number),
        "balances": [{"asset": "USDT", "amount": 2.9 if number < SYMBOLS else 100 + number % 97}],
        "positions": [{**position, "symbol": _symbol(each), "leverage": 5} for each in set(held)],
        "thresholds": {"warning": 0.5, "marginCall": 0.8, "hysteresis": 0.0, "easeAfterMs": 0},
    }
