"""`POST /v1/evaluate` in rows and in columns, against what the same worker takes for no work; in
Arrow, against rows.

The floor of one position is an empty GET, that of more a route that decodes the same request and
encodes the same answer with orjson. Calls and floors alternate on one connection of one worker, the
bodies are made before. What a call takes of the worker's processor stands in the notes: on a busy
machine that is the figure to go by.
"""

import asyncio
import contextlib
import http.client
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from service.api.bodies import ARROW, JSON
from tests.benchmarks.bench_evaluate import (
    LEVERAGE,
    POSITIONS,
    SEED,
    SYMBOLS,
    TIERS,
    start_price,
    symbol,
)
from tests.benchmarks.bench_evaluate import account as account_of
from tests.benchmarks.harness import Measurement, Size, hash_of, processor_seconds
from tests.benchmarks.whole_service import WITHIN_S, whole_service
from tests.launching import free_port

COUNTS: dict[Size, tuple[int, ...]] = {"small": (1, 100), "full": (1, 100, 1_000, 10_000)}
ROUNDS = 5


def run(size: Size) -> Iterator[Measurement]:
    yield from asyncio.run(_measured(size))


async def _measured(size: Size) -> list[Measurement]:
    async with whole_service() as service:
        await service.fill(instruments(), [])
        with rows_worker(f"unix://{service.socket}") as worker:
            found = [compared(worker, positions) for positions in COUNTS[size]]
            found += [compared(worker, each, columns=True) for each in COUNTS[size] if each >= 100]
            found += [beside_rows(worker, each) for each in COUNTS[size] if each >= 100]
            found += [prices_beside_rows(worker, each) for each in COUNTS[size] if each >= 100]
        service.check_log()
        return found


@dataclass
class Worker:
    """A worker of one's own and a connection to it that is kept."""

    process: int
    connection: http.client.HTTPConnection

    def call(
        self, method: str, path: str, body: bytes | None = None, media_type: str = JSON
    ) -> bytes:
        """Return the answer of a call that is not refused."""
        self.connection.request(method, path, body, {"Content-Type": media_type} if body else {})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text[:500]
        return text


@contextlib.contextmanager
def rows_worker(store_url: str) -> Iterator[Worker]:
    port = free_port()
    command = (sys.executable, "-m", "tests.benchmarks.rows_worker", store_url, str(port))
    process = subprocess.Popen(command)
    try:
        worker = Worker(process.pid, http.client.HTTPConnection("127.0.0.1", port, timeout=60.0))
        deadline = time.monotonic() + WITHIN_S
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                worker.call("GET", "/floor")
                break
            worker.connection.close()  # it may ask again
            assert time.monotonic() < deadline, "the worker does not answer"
            time.sleep(0.05)
        yield worker
        worker.connection.close()
    finally:
        process.terminate()
        process.wait(WITHIN_S)


def instruments() -> list[dict[str, Any]]:
    tiers = [
        {
            "minNotional": tier.floor,
            "maxNotional": tier.cap if math.isfinite(tier.cap) else None,
            "maintenanceMarginRate": tier.maintenance_rate,
        }
        for tier in TIERS
    ]
    names = {"quote": "USDT", "settle": "USDT", "linear": True, "contractSize": 1, "tiers": tiers}
    return [{"symbol": symbol(index), "base": f"S{index}", **names} for index in range(SYMBOLS)]


def request_of(positions: int) -> bytes:
    """Return a call of accounts of five positions, or of one, and the marks of all symbols."""
    source, each = random.Random(SEED), min(positions, POSITIONS)
    accounts: list[dict[str, Any]] = []
    for number in range(positions // each):
        account = account_of(number, source)
        rows = [
            {
                "symbol": row.symbol,
                "side": "long" if row.contracts > 0.0 else "short",
                "contracts": round(abs(row.contracts), 6),
                "entryPrice": round(row.entry_price, 6),
                "marginMode": "cross",
                "leverage": LEVERAGE,
            }
            for row in account.positions[:each]
        ]
        amount = round(account.balances[0].amount, 4)
        balances = [{"asset": "USDT", "amount": amount}]
        accounts.append({"id": f"a{number}", "balances": balances, "positions": rows})
    held = {row["symbol"] for account in accounts for row in account["positions"]}
    marks = {symbol(index): start_price(index) for index in range(SYMBOLS)}
    marks = {name: mark for name, mark in marks.items() if positions > 1 or name in held}
    return orjson.dumps({"accounts": accounts, "marks": marks})


def in_columns(rows: bytes) -> bytes:
    """Return the same call in columns."""
    asked = orjson.loads(rows)
    accounts = asked.pop("accounts")
    held = [(account["id"], row) for account in accounts for row in account["positions"]]
    cash = [(account["id"], row) for account in accounts for row in account["balances"]]
    asked["columns"] = {
        "accountId": [name for name, _ in held],
        "symbol": [row["symbol"] for _, row in held],
        "quantity": [row["contracts"] * (1 if row["side"] == "long" else -1) for _, row in held],
        "entryPrice": [row["entryPrice"] for _, row in held],
        "marginMode": [row["marginMode"] for _, row in held],
        "leverage": [row["leverage"] for _, row in held],
    }
    asked["balanceColumns"] = {
        "accountId": [name for name, _ in cash],
        "asset": [row["asset"] for _, row in cash],
        "amount": [row["amount"] for _, row in cash],
    }
    return orjson.dumps(asked)


def in_arrow(rows: bytes) -> bytes:
    """Return the same call in Arrow, its names by dictionaries as tables have them."""
    asked = orjson.loads(in_columns(rows))
    tables = [asked.pop("columns"), asked.pop("balanceColumns")]
    sink = pa.BufferOutputStream()
    for columns in tables:
        arrays = {name: pa.array(column) for name, column in columns.items()}
        for name, array in arrays.items():
            arrays[name] = array.dictionary_encode() if array.type == pa.string() else array
        table = pa.table(arrays, metadata={"plimsoll": orjson.dumps(asked)} if asked else None)
        asked = {}
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


@dataclass
class _Times:
    """Of one kind of call: medians of each round's, and what it took of the worker's processor."""

    medians_s: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)

    def add(self, worker: Worker, call: Callable[[], object], calls: int) -> None:
        took_s, before_s = [], processor_seconds(worker.process)
        for _ in range(calls):
            began_s = time.perf_counter()
            call()
            took_s.append(time.perf_counter() - began_s)
        self.processor_s.append((processor_seconds(worker.process) - before_s) / calls)
        self.medians_s.append(statistics.median(took_s))


def compared(worker: Worker, positions: int, *, columns: bool = False) -> Measurement:
    body = in_columns(request_of(positions)) if columns else request_of(positions)
    answer = worker.call("POST", "/v1/evaluate", body)
    figures = _equities(answer, positions, columns)
    worker.call("PUT", "/floor", answer)
    floor: Callable[[], bytes] = lambda: worker.call("POST", "/floor", body)  # noqa: E731
    baseline = "a route that decodes the request and encodes the answer with orjson"
    if positions == 1:
        floor, baseline = lambda: worker.call("GET", "/floor"), "an empty GET"
    ours, theirs, calls = _Times(), _Times(), max(5, 200 // positions)
    for _ in range(ROUNDS):
        ours.add(worker, lambda: worker.call("POST", "/v1/evaluate", body), calls)
        theirs.add(worker, floor, calls)
    name = "evaluate over HTTP, columns" if columns else "evaluate over HTTP, rows"
    size = {"accounts": len(figures), "positions": positions, "bytes": len(body) + len(answer)}
    return _measurement(name, size, figures, ours, (baseline, theirs))


def _measurement(
    name: str,
    size: dict[str, int],
    figures: np.ndarray,
    ours: _Times,
    other: tuple[str, _Times],
) -> Measurement:
    baseline, theirs = other
    ours_ms, theirs_ms = (1e3 * statistics.median(each.processor_s) for each in (ours, theirs))
    return Measurement(
        name,
        size,
        SEED,
        statistics.median(ours.medians_s),
        baseline,
        statistics.median(theirs.medians_s),
        hash_of(figures),
        {
            "worker_ms": ours_ms,
            "baseline_worker_ms": theirs_ms,
            "worker_ratio": ours_ms / theirs_ms,
            "load": os.getloadavg()[0],
        },
    )


def beside_rows(worker: Worker, positions: int) -> Measurement:
    """Compare Arrow with rows: the client has written and read neither, each is answered whole."""
    rows = request_of(positions)
    body, path = in_arrow(rows), "/v1/evaluate?table=all"
    answer = worker.call("POST", path, body, ARROW)
    figures = pa.ipc.open_stream(pa.BufferReader(answer)).read_all()["equity"].to_numpy()
    same = _equities(worker.call("POST", "/v1/evaluate", rows), positions, columns=False)
    assert hash_of(figures) == hash_of(same)
    size = {"accounts": len(figures), "positions": positions, "bytes": len(body) + len(answer)}
    called = _in_turns(worker, path, body, rows, max(5, 200 // positions))
    return _measurement("evaluate over HTTP, Arrow", size, figures, *called)


def prices_beside_rows(worker: Worker, positions: int) -> Measurement:
    """Compare what most want of a table of positions, liquidation prices, with all of the rows."""
    rows = request_of(positions)
    body, path = in_arrow(rows), "/v1/evaluate?fields=positions.liquidationPrice"
    answer = worker.call("POST", path, body, ARROW)
    prices = pa.ipc.open_stream(pa.BufferReader(answer)).read_all()["liquidationPrice"]
    told = orjson.loads(worker.call("POST", "/v1/evaluate", rows))["accounts"]
    same = [row["liquidationPrice"] for account in told for row in account["positions"]]
    assert prices.to_pylist() == same
    size = {"accounts": len(told), "positions": positions, "bytes": len(body) + len(answer)}
    called = _in_turns(worker, path, body, rows, max(5, 200 // positions))
    name = "evaluate over HTTP, Arrow, only liquidation prices"
    return _measurement(name, size, np.array(same, np.float64), *called)


def _in_turns(
    worker: Worker, path: str, body: bytes, rows: bytes, calls: int
) -> tuple[_Times, tuple[str, _Times]]:
    """Return what calls in Arrow took, and the same positions in rows."""
    ours, theirs = _Times(), _Times()
    for _ in range(ROUNDS):
        ours.add(worker, lambda: worker.call("POST", path, body, ARROW), calls)
        theirs.add(worker, lambda: worker.call("POST", "/v1/evaluate", rows), calls)
    return ours, ("the same positions in rows, every field", theirs)


def _equities(answer: bytes, positions: int, columns: bool) -> np.ndarray:
    """Return the equities of an answer that is whole."""
    told = orjson.loads(answer)
    if columns:
        assert len(told["positions"]["row"]) == positions
        return np.array(told["accounts"]["equity"])
    assert not told["problems"], told["problems"]
    assert sum(len(account["positions"]) for account in told["accounts"]) == positions
    return np.array([account["equity"] for account in told["accounts"]])
