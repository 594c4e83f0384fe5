"""Many accounts through the whole service: uploaded by the line, and taken in by a new monitor.

Beside the upload: the same documents by plain pipelined HSET to the same server, which is the wire
and Redis alone. Beside the cold start: reading the same replies and making dictionaries of them.
"""

import asyncio
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import orjson
from redis import Redis

from service.contract.stored import read_statements
from service.store.accounts import Accounts
from service.store.client import connect
from service.store.embedded import socket_path
from service.store.market_stream import MarketStream
from tests.benchmarks.harness import Measurement, Size, hash_of, processor_seconds, resident_bytes
from tests.benchmarks.whole_service import SHARDS, changes_behind
from tests.e2e.running_service import RunningService, until

SEED = 19
SYMBOLS = 200
LINES_A_PIECE = 500
HSETS_A_TRIP = 1_000
TIERS = [
    {"minNotional": 0, "maxNotional": 50_000, "maintenanceMarginRate": 0.004},
    {"minNotional": 50_000, "maintenanceMarginRate": 0.01},
]


def symbol(index: int) -> str:
    return f"S{index}/USDT:USDT"


def documents(count: int) -> Iterator[bytes]:
    """Yield accounts of one to three positions as clients write them."""
    source = random.Random(SEED)
    for number in range(count):
        held = source.sample(range(SYMBOLS), source.choice((1, 2, 3)))
        positions = [
            {
                "symbol": symbol(index),
                "side": source.choice(("long", "short")),
                "contracts": round(source.lognormvariate(0.0, 1.0), 4),
                "entryPrice": round(source.uniform(95.0, 105.0), 4),
                "leverage": source.choice((2, 5, 10)),
                "marginMode": "cross",
            }
            for index in held
        ]
        balances = [{"asset": "USDT", "amount": round(source.uniform(100.0, 10_000.0), 2)}]
        yield orjson.dumps({"id": f"a{number}", "balances": balances, "positions": positions})


class Probe:
    """A small request again and again, beside the upload."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seconds: list[float] = []

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, trust_env=False) as client:
            while not self._stop.wait(0.005):
                start = time.perf_counter()
                client.get("/v1/marks?symbol=S1/USDT:USDT")
                self.seconds.append(time.perf_counter() - start)

    def percentile_ms(self, percent: float) -> float:
        return 1e3 * float(np.percentile(self.seconds or [0.0], percent))


def run(size: Size) -> Iterator[Measurement]:
    count = 2_000 if size == "small" else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        service = RunningService(Path(folder))
        try:
            service.write("PUT", "/v1/instruments", [_instrument(row) for row in range(SYMBOLS)])
            marks = [{"symbol": symbol(row), "markPrice": 100.0} for row in range(SYMBOLS)]
            service.write("POST", "/v1/marks", {"marks": marks})
            yield _upload(service, socket_path(Path(folder)), count)
            yield _cold_start(service, socket_path(Path(folder)), count)
        finally:
            service.process.send_signal(signal.SIGTERM)
            service.ended(30.0)


def _instrument(index: int) -> dict[str, object]:
    names = {"symbol": symbol(index), "base": f"S{index}", "quote": "USDT", "settle": "USDT"}
    return names | {"linear": True, "contractSize": 1, "tiers": TIERS}


def _upload(service: RunningService, server: Path, count: int) -> Measurement:
    lines = [line + b"\n" for line in documents(count)]
    pieces = [b"".join(lines[at : at + LINES_A_PIECE]) for at in range(0, count, LINES_A_PIECE)]
    headers = {"content-type": "application/x-ndjson"}
    spent_s = _cpu_s(service)
    with Probe(service.url) as probe:
        start = time.perf_counter()
        answer = service.http.post(
            "/v1/accounts:batch", content=iter(pieces), headers=headers, timeout=600.0
        )
        ours_s = time.perf_counter() - start
    assert (answer.json()["accepted"], answer.json()["refused"]) == (count, 0)
    behind = asyncio.run(_behind(server))
    start = time.perf_counter()
    until(lambda: asyncio.run(_behind(server)) == 0, 600.0)
    followed_s = time.perf_counter() - start
    spent = {
        f"{part}_cpu_us": 1e6 * (now - spent_s[part]) / count
        for part, now in _cpu_s(service).items()
    }
    plain_s = _by_hset(server, lines)
    notes = spent | {
        "accounts_a_second": count / ours_s,
        "probe_p50_ms": probe.percentile_ms(50.0),
        "probe_p99_ms": probe.percentile_ms(99.0),
        "changes_behind_at_the_end": float(behind),
        "monitor_done_after_s": followed_s,
    }
    digest = hash_of(np.array([len(line) for line in lines], np.float64))
    baseline = "the same documents by pipelined HSET"
    return Measurement(
        "bulk upload", {"accounts": count}, SEED, ours_s, baseline, plain_s, digest, notes
    )


def _cpu_s(service: RunningService) -> dict[str, float]:
    """Return the processor time that each part has used; unlike the clock it is ours alone."""
    spent = {}
    for part in ("valkey", "api", "monitor"):
        (process,) = service.children(part)
        spent[part] = processor_seconds(process)
    return spent


def _by_hset(server: Path, lines: list[bytes]) -> float:
    """Write the documents under keys of their own and take them away again."""
    with Redis(unix_socket_path=str(server)) as redis:
        start = time.perf_counter()
        for at in range(0, len(lines), HSETS_A_TRIP):
            pipeline = redis.pipeline(transaction=False)
            for number, line in enumerate(lines[at : at + HSETS_A_TRIP], at):
                pipeline.hset(f"plain:{number % SHARDS}", f"a{number}", line.decode())
            pipeline.execute()
        seconds = time.perf_counter() - start
        redis.unlink(*(f"plain:{shard}" for shard in range(SHARDS)))
    return seconds


async def _behind(server: Path) -> int:
    async with connect(f"unix://{server}") as client:
        return await changes_behind(client)


def _cold_start(service: RunningService, server: Path, count: int) -> Measurement:
    plain_s = asyncio.run(_as_dictionaries(server))
    versions, contracts = asyncio.run(_stored(server))
    assert len(versions) == count
    said = len(service.lines)
    start = time.perf_counter()
    (old,) = service.children("monitor")
    os.kill(old, signal.SIGKILL)
    until(
        lambda: any("taken in," in line and "pools" in line for line in service.lines[said:]),
        600.0,
    )
    ours_s = time.perf_counter() - start
    (monitor,) = service.children("monitor")
    resident = resident_bytes(monitor)
    return Measurement(
        "cold start of the monitor, its process included",
        {"accounts": count, "positions": len(contracts)},
        SEED,
        ours_s,
        "reading the same and making dictionaries",
        plain_s,
        hash_of(versions, contracts),
        {
            "accounts_a_second": count / ours_s,
            "cpu_s": processor_seconds(monitor),
            "resident_mb": resident / 1e6,
            "resident_bytes_a_position": resident / len(contracts),
        },
    )


async def _as_dictionaries(server: Path) -> float:
    start = time.perf_counter()
    async with connect(f"unix://{server}", timeout_s=60.0) as client:
        accounts = Accounts(client, MarketStream(client), SHARDS)
        for shard in range(SHARDS):
            async for rows in accounts.load(shard):
                for _, _, document in rows:
                    orjson.loads(document)
    return time.perf_counter() - start


async def _stored(server: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return all versions and sizes of positions, by account key."""
    found = []
    async with connect(f"unix://{server}", timeout_s=60.0) as client:
        accounts = Accounts(client, MarketStream(client), SHARDS)
        for shard in range(SHARDS):
            async for rows in accounts.load(shard):
                found += rows
    found.sort()
    given, unread = read_statements([document for _, _, document in found])
    assert not unread
    return np.array([version for _, version, _ in found], np.float64), given.contracts
