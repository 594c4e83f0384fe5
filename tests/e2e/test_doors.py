"""The other doors of a real service: a webhook whose sender is killed, events that end politely."""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.api.workers import one_tier
from tests.e2e.running_service import RunningService, until

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="finds the parts of the service in /proc"
)

SYMBOL = "BTC/USDT:USDT"
LEG = {"symbol": SYMBOL, "side": "long", "contracts": 1, "entryPrice": 10_000}
ACCOUNT = {
    "balances": [{"asset": "USDT", "amount": 1_000}],
    "positions": [LEG],
    "thresholds": {"easeAfterMs": 0},
}
FAR, NEAR = 10_000.0, 9_110.0  # equity 1,000 and maintenance 100, then 110 and 91


class Inbox(ThreadingHTTPServer):
    """Takes what verifies while `open`; `taken` has the alerts by delivery id."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.secret = ""
        self.open = True
        self.refusals = 0
        self.taken: dict[str, list[Any]] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def seqs(self) -> list[int]:
        return [alert["seq"] for alerts in self.taken.values() for alert in alerts]

    def answer(self, headers: dict[str, str], body: bytes) -> int:
        try:
            payload = Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            return 401
        if not self.open:
            self.refusals += 1
            return 503
        self.taken.setdefault(headers["webhook-id"], payload["data"]["alerts"])
        return 204


class _Call(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Inbox)
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(self.server.answer(headers, body))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as opened:
        yield opened
        opened.shutdown()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningService]:
    monkeypatch.setenv("PLIMSOLL_WEBHOOK_ALLOW_HTTP", "true")
    monkeypatch.setenv("PLIMSOLL_WEBHOOK_ALLOW_PRIVATE", "true")
    started = RunningService(tmp_path / "data")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.ended()


def mark(service: RunningService, price: float) -> None:
    service.write("POST", "/v1/marks", {"marks": [{"symbol": SYMBOL, "markPrice": price}]})


def test_a_webhook_misses_nothing_while_its_sender_is_killed_and_its_receiver_away(
    service: RunningService, inbox: Inbox
) -> None:
    service.write("PUT", "/v1/instruments", [one_tier()])
    mark(service, FAR)
    service.write("PUT", "/v1/accounts/a1", ACCOUNT)
    url = f"http://127.0.0.1:{inbox.server_address[1]}/"
    inbox.secret = service.write("PUT", "/v1/webhooks/ops", {"url": url}).json()["secret"]
    with service.http.stream("GET", "/v1/alerts/stream", timeout=30.0) as events:
        mark(service, NEAR)
        until(lambda: inbox.seqs == [1])
        inbox.open = False
        mark(service, FAR)
        until(lambda: inbox.refusals > 0)
        service.kill("--role webhooks")
        mark(service, NEAR)
        inbox.open = True
        until(lambda: len(inbox.seqs) == 3)
        service.process.send_signal(signal.SIGTERM)
        lines = list(events.iter_lines())
    assert inbox.seqs == [1, 2, 3]
    frames = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    told = [alert["seq"] for frame in frames for alert in frame.get("alerts", [])]
    assert told == [1, 2, 3]
    assert frames[-1] == {"type": "notice", "notice": "restart", "inSeconds": 5.0}
    assert service.ended() == 0
    assert not [line for line in service.lines if "Traceback" in line]
