"""`plimsoll serve` for real: parts killed one after another, everything kept, a clean stop."""

import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.workers import one_tier
from tests.e2e.running_service import RunningService, run_to_end, until

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="finds the parts of the service in /proc"
)

ACCOUNT = {
    "venue": "binance",
    "balances": [{"asset": "USDT", "amount": 1_000}],
    "positions": [
        {"symbol": "BTC/USDT:USDT", "side": "long", "contracts": 1, "entryPrice": 10_000}
    ],
    "thresholds": {"easeAfterMs": 0},
}
FAR, NEAR = 10_000.0, 9_110.0  # equity 1,000 and maintenance 100, then 110 and 91


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningService]]:
    started: list[RunningService] = []

    def begin(*arguments: str) -> RunningService:
        started.append(RunningService(tmp_path / "data", *arguments))
        return started[-1]

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.process.kill()
            service.ended()


def mark(service: RunningService, price: float) -> None:
    body = {"marks": [{"venue": "binance", "symbol": "BTC/USDT:USDT", "markPrice": price}]}
    service.write("POST", "/v1/marks", body)


def alerts(service: RunningService) -> list[dict[str, Any]]:
    response = service.http.get("/v1/alerts", params={"accountId": "a1"})
    return response.json()["alerts"] if response.is_success else []


def until_alerts(service: RunningService, count: int) -> None:
    until(lambda: len(alerts(service)) == count)


def fill(service: RunningService) -> None:
    service.write("PUT", "/v1/instruments", [one_tier(venue="binance")])
    mark(service, FAR)
    service.write("PUT", "/v1/accounts/a1", ACCOUNT)


def shares(service: RunningService) -> list[int]:
    """Return how many shards each monitor serves once all are served, be the mark stale by then."""
    told = service.http.get("/readyz")
    return sorted(map(len, told.json()["monitors"].values())) if told.is_success else []


def test_parts_that_are_killed_come_back_and_a_restart_keeps_everything(
    start: Callable[..., RunningService], tmp_path: Path
) -> None:
    first = start("--monitors", "2")
    fill(first)
    two_monitors_stand_in_for_each_other(first)
    for count, part, price in ((4, "--role api", FAR), (5, "valkey-server", NEAR)):
        first.kill(part)
        mark(first, price)
        until_alerts(first, count)
    until(lambda: first.answers("/readyz"))
    before = alerts(first)
    assert sum("was killed by SIGKILL" in line for line in first.lines) == 4
    intruder = run_to_end("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert intruder.returncode == 1
    assert "another plimsoll runs in" in intruder.stderr
    assert_stops_cleanly(first, signal.SIGINT)

    second = start("--workers", "2")
    assert len(second.children("--role api")) == 2
    assert until(lambda: alerts(second)) == before
    second.kill("--role monitor")  # there is no other
    mark(second, FAR)
    until_alerts(second, 6)
    assert [alert["seq"] for alert in alerts(second)] == [1, 2, 3, 4, 5, 6]
    assert [alert["level"] for alert in alerts(second)] == ["MARGIN_CALL", "HEALTHY"] * 3
    until(lambda: second.answers("/readyz"))
    a_scrape_shows_both_workers(second)
    assert_stops_cleanly(second, signal.SIGTERM)


def two_monitors_stand_in_for_each_other(service: RunningService) -> None:
    """Three alerts: of both, of the second alone, of the one that took the first one's place."""
    until(lambda: shares(service) == [32, 32])
    mark(service, NEAR)
    until_alerts(service, 1)
    first, second = service.children("--role monitor")
    os.kill(first, signal.SIGKILL)
    mark(service, FAR)
    until_alerts(service, 2)
    until(lambda: len(service.children("--role monitor")) == 2)
    os.kill(second, signal.SIGKILL)
    mark(service, NEAR)
    until_alerts(service, 3)
    until(lambda: shares(service) == [32, 32])


def a_scrape_shows_both_workers(service: RunningService) -> None:
    """Whichever answers; one that hangs takes nothing but its own series with it."""
    until(lambda: asked(service) and set(calls_by_worker(service)) == {"api-1", "api-2"})
    before = sum(calls_by_worker(service).values())
    assert sum(asked(service) for _ in range(20)) == 20
    assert sum(calls_by_worker(service).values()) == before + 20

    first, _ = service.children("--role api")
    os.kill(first, signal.SIGSTOP)
    until(lambda: 'plimsoll_workers{state="silent"} 1.0' in over_a_new_connection(service, 1.5))
    assert len(calls_by_worker(service)) == 1
    os.kill(first, signal.SIGCONT)
    until(lambda: len(calls_by_worker(service)) == 2)


def asked(service: RunningService) -> bool:
    return bool(over_a_new_connection(service, 10.0, "/v1/funds"))


def over_a_new_connection(service: RunningService, within_s: float, path: str = "/metrics") -> str:
    """Ask whichever worker gets the connection; return nothing where it does not answer."""
    with contextlib.suppress(httpx.TransportError):
        url = service.url + path
        answer = httpx.get(url, timeout=within_s, trust_env=False, verify=False)
        return answer.text if answer.is_success else ""
    return ""


def calls_by_worker(service: RunningService) -> dict[str, float]:
    """Return how many of our questions each worker has answered, of one scrape."""
    scraped = str(until(lambda: over_a_new_connection(service, 1.5)))
    labels = r'method="GET",route="/v1/funds",status="200",worker="(.*)"'
    rows = re.findall(rf"plimsoll_requests_total{{{labels}}} (.*)", scraped)
    return {worker: float(count) for worker, count in rows}


def assert_stops_cleanly(service: RunningService, number: signal.Signals) -> None:
    parts = service.children("")
    assert len(parts) >= 3
    service.process.send_signal(number)

    assert service.ended(10.0) == 0
    assert not [pid for pid in parts if Path(f"/proc/{pid}/cmdline").exists()]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])))


def test_what_cannot_work_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run_to_end("serve", "--port", port, "--data-dir", str(tmp_path))
    assert refused.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken" in refused.stderr

    public = run_to_end("serve", "--host", "0.0.0.0", "--data-dir", str(tmp_path))
    assert public.returncode == 1
    assert "PLIMSOLL_ALLOW_PUBLIC" in public.stderr

    wrong = run_to_end("serve", "--port", "70000")
    assert wrong.returncode == 2
    assert "--port" in wrong.stderr
    assert "Traceback" not in refused.stderr + public.stderr + wrong.stderr
