"""Thousands of subscribers on one API worker: from an alert's commit to the frame in each socket.

First alerts come evenly: the same to few subscribers that share the accounts, then to many with an
account each. Then all accounts at once, again and again: to the many alone, then beside clients of
everything that never read. Those are closed (4008), come back and have all they missed.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx
import msgspec
import numpy as np

from service.store.alert_log import AlertLog
from tests.benchmarks.harness import Measurement, Size, resident_bytes
from tests.benchmarks.sockets import (
    STUCK_BUFFER_BYTES,
    Listener,
    allow_descriptors,
    connect,
    connected,
)
from tests.benchmarks.two_symbols import ACCOUNTS_A_SYMBOL, SHARED, TwoSymbols
from tests.benchmarks.whole_service import SHARDS, WITHIN_S, Whole, whole_service

ALERTS_PER_S = 200
BURST_EVERY_S = 1.0
SLOW = 4008
_ALL_WITHIN_S = 300.0

Took: TypeAlias = list[float]


@dataclass(frozen=True, slots=True)
class Scale:
    accounts: int
    few: int
    stuck: int
    seconds: float
    bursts: int


SCALES: dict[Size, Scale] = {
    "small": Scale(200, 10, 5, 2.0, 4),
    "full": Scale(5_000, 100, 100, 20.0, 3),
}


class _Alert(msgspec.Struct, gc=False):
    id: str


class _Frame(msgspec.Struct, gc=False):
    alerts: list[_Alert]
    cursor: str


_frames = msgspec.json.Decoder(_Frame)
_alerts = msgspec.json.Decoder(list[_Alert])


@dataclass
class Clock:
    """When which shard's log was told to have come how far; and how large the worker became."""

    ends: list[list[tuple[int, float]]] = field(default_factory=lambda: [[] for _ in range(SHARDS)])
    worker_bytes: int = 0
    sockets: list[tuple[float, int]] = field(default_factory=list)


def run(size: Size) -> Iterator[Measurement]:
    allow_descriptors()
    yield from asyncio.run(measured(SCALES[size]))


async def measured(scale: Scale) -> list[Measurement]:
    async with whole_service() as service, watching(service) as clock:
        market = TwoSymbols(scale.accounts, service.market)
        async with market.ticking():
            await service.fill(market.instruments(), market.accounts())
            even = await _evenly(service, clock, scale, market)
            burst = await _in_bursts(service, clock, scale, market)
        service.check_log()
    return [even, burst]


async def _evenly(service: Whole, clock: Clock, scale: Scale, market: TwoSymbols) -> Measurement:
    """The same alerts to few clients, and to as many as there are accounts."""
    took: list[Took] = []
    notes: dict[str, float] = {}
    for clients in (scale.few, scale.accounts):
        before = resident_bytes(service.worker())
        listeners = await connected(
            service.url, [market.names[each::clients] for each in range(clients)]
        )
        notes[f"worker_kb_a_client_{clients}"] = (
            (resident_bytes(service.worker()) - before) / clients / 1e3
        )
        busy_s, began = time.process_time(), time.perf_counter()
        alerts = await _move_evenly(market, scale.seconds)
        await _all_have(listeners, alerts)
        notes[f"generator_share_{clients}"] = (time.process_time() - busy_s) / (
            time.perf_counter() - began
        )
        latencies, told = await _latencies(service, clock, listeners)
        took.append(latencies)
        assert not any(each.lost for each in listeners), "a connection was dropped"
        _hang_up(listeners)
    (few, many) = (np.percentile(each, (50.0, 99.0)).tolist() for each in took)
    return Measurement(
        "commit to frame, p99 of many subscribers",
        {"subscribers": scale.accounts, "alerts": len(took[1]), "dropped": 0},
        0,
        many[1],
        f"the same alerts to {scale.few} subscribers, p99",
        few[1],
        _digest(told),
        {"p50_ms": 1e3 * many[0], "p99_ms": 1e3 * many[1], "few_p50_ms": 1e3 * few[0]}
        | {"few_p99_ms": 1e3 * few[1], "slowest_ms": 1e3 * max(took[1])}
        | notes,
    )


async def _in_bursts(service: Whole, clock: Clock, scale: Scale, market: TwoSymbols) -> Measurement:
    """Everybody is moved at once, again and again; then so beside clients that are stuck."""
    listeners = await connected(service.url, [[each] for each in market.names])
    alone, _ = await _bursts(service, clock, market, listeners, scale.bursts)
    everything = [["*"]] * scale.stuck
    stuck = await connected(service.url, everything, STUCK_BUFFER_BYTES)
    for each in stuck:
        each.stop_reading()
    before, began = resident_bytes(service.worker()), time.perf_counter()
    clock.worker_bytes = before
    beside, told = await _bursts(service, clock, market, listeners, scale.bursts)
    first_at = min(at for ends in clock.ends for _, at in ends if at >= began)
    open_at = [at for at, sockets in clock.sockets if sockets > scale.accounts]
    notes = {
        "closed_within_s": open_at[-1] - first_at,  # a send was not blocked before
        "worker_mb_before": before / 1e6,
        "worker_mb_most": clock.worker_bytes / 1e6,
    }
    assert not any(each.lost for each in listeners), "a connection was dropped"
    clock.worker_bytes = 0
    resumed_s = await _resume(service, stuck, 2 * scale.bursts * scale.accounts)
    notes |= {"resumed_s": resumed_s, "worker_mb_most_resuming": clock.worker_bytes / 1e6}
    _hang_up(listeners)
    p99 = [np.percentile(each, 99.0).item() for each in (alone, beside)]
    return Measurement(
        "commit to frame in bursts beside stuck clients, p99",
        {"subscribers": scale.accounts, "stuck": scale.stuck, "alerts": len(beside), "dropped": 0},
        0,
        p99[1],
        "the same bursts, nobody stuck, p99",
        p99[0],
        _digest(told),
        {"p99_ms": 1e3 * p99[1], "alone_p99_ms": 1e3 * p99[0]} | notes,
    )


async def _bursts(
    service: Whole, clock: Clock, market: TwoSymbols, listeners: list[Listener], bursts: int
) -> tuple[Took, list[str]]:
    """Move everybody so often, down and back; return how long each alert took, and all of them."""
    for _ in range(2 * bursts):
        await market.turn([SHARED])
        await asyncio.sleep(BURST_EVERY_S)
    await _all_have(listeners, 2 * bursts * len(market.names))
    return await _latencies(service, clock, listeners)


async def _resume(service: Whole, stuck: list[Listener], alerts: int) -> float:
    """Let the stuck read what there is still for them, then come back; each then has it all."""
    for each in stuck:
        each.read_on()
    async with asyncio.timeout(WITHIN_S):
        for each in stuck:
            await each.ended.wait()
    assert {each.close_code for each in stuck} == {SLOW}, {each.close_code for each in stuck}
    heard = [_heard(each) for each in stuck]
    began = time.perf_counter()
    cursors = [_cursor(each) for each in stuck]
    again = await asyncio.gather(*(connect(service.url, ["*"], since=cursor) for cursor in cursors))
    missing = alerts * len(stuck) - sum(map(len, heard))
    await _all_have(again, missing)
    taken_s = time.perf_counter() - began
    whole = [before + _heard(each) for before, each in zip(heard, again, strict=True)]
    assert all(len(ids) == len(set(ids)) == alerts for ids in whole), "lost or doubled"
    assert all(ids == whole[0] for ids in whole), "out of order"
    _hang_up(again)
    return taken_s


async def _move_evenly(market: TwoSymbols, seconds: float) -> int:
    """Move symbol after symbol down, then back, so that alerts come evenly; return how many."""
    half = int(seconds / 2.0 * ALERTS_PER_S / ACCOUNTS_A_SYMBOL)
    down = [market.symbols[step % len(market.symbols)] for step in range(half)]
    due = time.perf_counter()
    for symbol in (*down, *down):
        await market.turn([symbol])
        due += ACCOUNTS_A_SYMBOL / ALERTS_PER_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    return 2 * half * ACCOUNTS_A_SYMBOL


@asynccontextmanager
async def watching(service: Whole) -> AsyncIterator[Clock]:
    """Note when commits are told, and every quarter of a second how the worker is."""
    clock = Clock()
    log = AlertLog(service.store, SHARDS, service.store)

    async def commits() -> None:
        async for ends in log.listen():
            now = time.perf_counter()
            for shard, offset in ends or ():
                clock.ends[shard].append((offset, now))

    async def size() -> None:
        async with httpx.AsyncClient(base_url=service.url, trust_env=False) as http:
            while True:
                text = (await http.get("/metrics", timeout=WITHIN_S)).text
                (line,) = (
                    each for each in text.splitlines() if each.startswith("plimsoll_sockets ")
                )
                clock.sockets.append((time.perf_counter(), int(float(line.split()[1]))))
                clock.worker_bytes = max(clock.worker_bytes, resident_bytes(service.worker()))
                await asyncio.sleep(0.25)

    tasks = [asyncio.create_task(each) for each in (commits(), size())]
    try:
        yield clock
    finally:
        for task in tasks:
            task.cancel()


async def _latencies(
    service: Whole, clock: Clock, listeners: Sequence[Listener]
) -> tuple[Took, list[str]]:
    """Return for each alert the seconds from its commit to its frame, and what was told."""
    committed: dict[str, float] = {}
    log = AlertLog(service.store, SHARDS)
    for shard, ends in enumerate(clock.ends):
        if not ends:
            continue
        ends.sort()
        offsets = np.maximum.accumulate([offset for offset, _ in ends])
        after = 0
        while entries := await log.read(shard, after, 1_000):
            for entry in entries:
                for offset, alert in enumerate(_alerts.decode(entry.alerts), entry.offset_first):
                    committed[alert.id] = ends[int(np.searchsorted(offsets, offset))][1]
            after = entries[-1].offset_last
    took = [
        at - committed[alert.id]
        for each in listeners
        for at, payload in each.alerts
        for alert in _frames.decode(payload).alerts
    ]
    told = sorted(alert for each in listeners for alert in _heard(each))
    assert len(told) == len(set(told)), "told twice"
    for each in listeners:
        each.forget()
    return took, told


def _digest(told: list[str]) -> str:
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _heard(listener: Listener) -> list[str]:
    return [alert.id for _, text in listener.alerts for alert in _frames.decode(text).alerts]


def _cursor(listener: Listener) -> str:
    """Return where a client resumes: after the last frame that it has whole."""
    last = listener.alerts[-1:]
    return _frames.decode(last[0][1]).cursor if last else str(listener.cursor)


async def _all_have(listeners: Sequence[Listener], alerts: int) -> None:
    async with asyncio.timeout(_ALL_WITHIN_S):
        while sum(each.told for each in listeners) < alerts:  # noqa: ASYNC110 - thousands may end it
            await asyncio.sleep(0.1)


def _hang_up(listeners: Sequence[Listener]) -> None:
    for each in listeners:
        each.hang_up()
