"""Evaluations with two API workers against one, asked by wrk with a body made before.

wrk takes little of the processor that both sides share, and what it takes is printed. Without it
(Debian: `apt-get install wrk`) the benchmark is skipped and says so.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from loadtests import traffic
from loadtests.wire import Connection, request_of
from tests.benchmarks.harness import Measurement, Size, hash_of
from tests.e2e.running_service import RunningService

POSITIONS = 5 * traffic.DESK_ACCOUNTS
CONNECTIONS = 16
# The answer is read and thrown away; the body is read from its file once.
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open("{body}", "rb"):read("*a")
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of wrk: what was answered, and how many processors it kept busy itself."""

    calls_per_s: float
    generator_cores: float


def run(size: Size) -> Iterator[Measurement]:
    if shutil.which("wrk") is None:
        print("bench_workers skipped: there is no wrk on PATH", file=sys.stderr)
        return
    rounds, seconds = (1, 1) if size == "small" else (5, 5)
    body = traffic.evaluation(traffic.accounts(traffic.DESK_ACCOUNTS, 5, "desk")).encode()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "body.json").write_bytes(body)
        (folder / "post.lua").write_text(SCRIPT.format(body=folder / "body.json"))
        urls = [stack.enter_context(_service(folder, workers)) for workers in (1, 2)]
        answers = [_figures(url, body) for url in urls]
        assert np.array_equal(answers[0], answers[1]), "the answers differ"
        turns = [[_wrk(url, folder, seconds) for url in urls] for _ in range(rounds)]
    one, two = (_median([pair[index] for pair in turns]) for index in (0, 1))
    yield Measurement(
        "two API workers",
        {"positions": POSITIONS, "connections": CONNECTIONS, "cores": os.cpu_count() or 0},
        traffic.SEED,
        1.0 / two.calls_per_s,
        "one API worker",
        1.0 / one.calls_per_s,
        hash_of(answers[0]),
        {
            "times": two.calls_per_s / one.calls_per_s,
            "one_calls_per_s": one.calls_per_s,
            "two_calls_per_s": two.calls_per_s,
            "one_generator_cores": one.generator_cores,
            "two_generator_cores": two.generator_cores,
        },
    )


@contextmanager
def _service(folder: Path, workers: int) -> Iterator[str]:
    """A service that knows the instruments and marks; its monitor has no accounts."""
    data = folder / f"workers-{workers}"
    service = RunningService(data, "--workers", str(workers))
    try:
        service.write("PUT", "/v1/instruments", orjson.loads(traffic.instruments()))
        service.write("POST", "/v1/marks", orjson.loads(traffic.marks(traffic.SEED)))
        yield service.url
    finally:
        service.process.terminate()
        service.ended(30.0)


def _figures(url: str, body: bytes) -> np.ndarray:
    with closing(Connection(url)) as connection:
        answer = orjson.loads(connection.call(request_of("/v1/evaluate", body)))
    assert not answer["problems"]
    accounts = answer["accounts"]
    return np.array([[row["equity"], row["maintenanceMargin"]] for row in accounts])


def _wrk(url: str, folder: Path, seconds: int) -> Turn:
    """Have wrk call for so long; RuntimeError when a call was refused or no call was answered."""
    load = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s"]
    command = ["wrk", *load, "-s", str(folder / "post.lua"), f"{url}/v1/evaluate"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    found = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    if process.returncode or not found or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"wrk: {said}")
    return Turn(float(found.group(1)), (usage.ru_utime + usage.ru_stime) / seconds)


def _median(turns: list[Turn]) -> Turn:
    return Turn(
        statistics.median(turn.calls_per_s for turn in turns),
        statistics.median(turn.generator_cores for turn in turns),
    )
