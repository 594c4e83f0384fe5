"""What a load test must be able to see, against one real service: that it is slow, that calls fail,
that a worker grows. `make check` has the same load test pass."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import orjson
import pytest

from loadtests.servers import planted
from loadtests.wire import Connection, request_of
from tests.api.workers import account, long, one_tier
from tests.benchmarks.harness import resident_bytes
from tests.e2e.running_service import RunningService, until
from tests.launching import free_port

ROOT = Path(__file__).resolve().parents[2]
TYPED = "locust -f loadtests/locustfile.py"
COMMAND = ("-m", *TYPED.split(), "--only-summary")
# Of each run: delay in ms, share of errors.
FAULTS = {"slow": (50.0, 0.0), "failing": (0.0, 0.01)}
RUN_S = 5

SOAK = bool(os.environ.get("PLIMSOLL_SOAK"))
FIRST, CALLS = (10_000, 1_000_000) if SOAK else (100, 1_000)
GROWTH_MAX = 1.1
TICK_TO_ALERT = '"tick to alert"'  # as Locust's page names who calls


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = RunningService(tmp_path_factory.mktemp("load"))
    yield running
    running.process.terminate()
    running.ended(30.0)


@pytest.fixture(scope="module")
def ended(service: RunningService) -> dict[str, tuple[int, list[str]]]:
    """Exit code and rows of the table of a run with each fault; both runs at once."""
    with ExitStack() as stack:
        runs = {}
        for name, (delay_ms, error_share) in FAULTS.items():
            url = stack.enter_context(planted(service.url, delay_ms, error_share))
            timed = ("--headless", "--run-time", f"{RUN_S}s")
            command = [sys.executable, *COMMAND, *timed, "--host", url]
            runs[name] = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        said = {name: run.communicate()[0] for name, run in runs.items()}
    return {name: (run.returncode, rows_of(said[name])) for name, run in runs.items()}


def rows_of(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(("ok ", "BROKEN "))]


def verdict(rows: list[str], rule: str) -> str:
    """Return what the table says of the bots' calls."""
    (row,) = [row for row in rows if "evaluate 3 positions" in row and f"  {rule}" in row]
    return row.split()[0]


@pytest.mark.parametrize("name", ["README.md", "loadtests/README.md"])
def test_what_is_run_here_is_what_people_are_told_to_type(name: str) -> None:
    assert f".venv/bin/{TYPED} " in (ROOT / name).read_text()


def test_fifty_milliseconds_break_the_budget(ended: dict[str, tuple[int, list[str]]]) -> None:
    code, rows = ended["slow"]
    assert code == 1
    assert verdict(rows, "p50 ms") == "BROKEN", rows
    assert verdict(rows, "failed, share") == "ok", rows


def test_one_error_in_a_hundred_breaks_the_budget(ended: dict[str, tuple[int, list[str]]]) -> None:
    code, rows = ended["failing"]
    assert code == 1
    shares = [row.split()[0] for row in rows if "  failed, share" in row]
    assert "BROKEN" in shares, rows  # of whichever call it hits: each has a share of its own


@pytest.mark.parametrize("begins", [True, False], ids=["a run", "no run"])
def test_locusts_page_is_shown_and_begins_a_run(service: RunningService, begins: bool) -> None:
    """The same command without `--headless`; it ends as an operator ends it."""
    port = free_port()
    address = ("--web-host", "127.0.0.1", "--web-port", str(port))
    command = [sys.executable, *COMMAND, *address, "--host", service.url]
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as locust,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as page,
    ):
        try:
            shown = until(lambda: answered(page, "/"))
            assert shown.status_code == 200
            assert service.url in shown.text
            if begins:
                asked = {"user_count": "16", "spawn_rate": "16"}
                assert page.post("/swarm", data=asked).json()["success"]
                until(lambda: TICK_TO_ALERT in (answered(page, "/stats/requests") or shown).text)
        finally:
            locust.terminate()
        said, _ = locust.communicate()
    assert bool(rows_of(said)) == begins
    assert ("nothing was measured" in said) != begins


def answered(page: httpx.Client, path: str) -> httpx.Response | None:
    """Return what is answered; None while nobody listens."""
    with suppress(httpx.TransportError):
        return page.get(path)
    return None


@pytest.mark.soak
@pytest.mark.timeout(0 if SOAK else 120)
def test_a_worker_does_not_grow_with_its_calls(service: RunningService) -> None:
    (worker,) = service.children("--role api")
    request = request_of("/v1/evaluate", one_position())
    with closing(Connection(service.url)) as connection:
        for _ in range(FIRST):
            connection.call(request)
        first = resident_bytes(worker)
        for _ in range(CALLS - FIRST):
            connection.call(request)
        last = resident_bytes(worker)
    print(f"resident after {FIRST:,} calls: {first:,} bytes, after {CALLS:,}: {last:,} bytes")
    assert last <= GROWTH_MAX * first


def one_position() -> bytes:
    """The body of an evaluation that brings all it needs."""
    instrument = one_tier()
    document = {"accounts": [account(long(), id="a1")], "instruments": [instrument]}
    return orjson.dumps(document | {"marks": {instrument["symbol"]: 61_000}})
