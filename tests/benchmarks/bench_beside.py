"""`POST /v1/evaluate` of one position while others ask for 10,000 of the same worker.

Calls of one position come every few milliseconds on a connection of their own. First alone, then
beside a process that asks for 10,000 positions again and again. What stands in `ours_s` and
`baseline_s` are 99th percentiles; the floor in the notes is an empty GET's, beside the same.
"""

import asyncio
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from tests.benchmarks.bench_evaluate import SEED
from tests.benchmarks.bench_rows import Worker, instruments, request_of, rows_worker
from tests.benchmarks.harness import Measurement, Size, hash_of
from tests.benchmarks.whole_service import whole_service

LARGE = 10_000
EVERY_S = 0.004
CALLS: dict[Size, int] = {"small": 250, "full": 1_500}
ROUNDS: dict[Size, int] = {"small": 1, "full": 5}


def run(size: Size) -> Iterator[Measurement]:
    yield asyncio.run(_measured(size))


async def _measured(size: Size) -> Measurement:
    async with whole_service() as service:
        await service.fill(instruments(), [])
        with rows_worker(f"unix://{service.socket}") as worker:
            found = _compared(worker, size)
        service.check_log()
        return found


def _compared(worker: Worker, size: Size) -> Measurement:
    body = request_of(1)
    call: Callable[[], object] = lambda: worker.call("POST", "/v1/evaluate", body)  # noqa: E731
    nothing: Callable[[], object] = lambda: worker.call("GET", "/floor")  # noqa: E731
    calls = CALLS[size]
    quiet, beside, floor, answered = [], [], [], []
    for _ in range(ROUNDS[size]):
        quiet.append(_percentile(call, calls))
        command = (sys.executable, "-m", __name__, str(worker.connection.port))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as others:
            assert others.stdout is not None
            others.stdout.readline()  # one is answered, so they are at it
            beside.append(_percentile(call, calls))
            floor.append(_percentile(nothing, calls))
            answered.append(int(others.communicate()[0] or 0))
    added_ms = 1e3 * (float(np.median(beside)) - float(np.median(quiet)))
    return Measurement(
        "evaluate one position beside large calls",
        {"positions": 1, "beside": LARGE, "calls": calls, "cores": os.cpu_count() or 0},
        SEED,
        float(np.median(beside)),
        "the same with nobody beside",
        float(np.median(quiet)),
        hash_of(np.array([1.0])),
        {
            "added_ms": added_ms,
            "floor_p99_ms": 1e3 * float(np.median(floor)),
            "large_calls": float(np.median(answered)),
            "load": os.getloadavg()[0],
        },
    )


def _percentile(call: Callable[[], object], calls: int) -> float:
    """Return the 99th percentile of what calls take that begin at even times."""
    took_s = []
    for _ in range(calls):
        began_s = time.perf_counter()
        call()
        took_s.append(time.perf_counter() - began_s)
        time.sleep(max(0.0, EVERY_S - took_s[-1]))
    return float(np.percentile(took_s, 99))


def ask_for_many(port: int) -> None:
    """Ask until somebody closes what we read; say when the first is answered, and how many were."""
    body, answered = request_of(LARGE), 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60.0)
    os.set_blocking(sys.stdin.fileno(), False)
    while sys.stdin.buffer.read(1) is None:
        connection.request("POST", "/v1/evaluate", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert len(answer.read()) > len(body), answer.status
        answered += 1
        if answered == 1:
            print("asking", flush=True)
    print(answered)


if __name__ == "__main__":
    ask_for_many(int(sys.argv[1]))
