"""A bot that falls over, on a service whose parts are killed."""

import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plimsoll import Alert, Client, Event, Snapshot
from tests.api.workers import one_tier
from tests.e2e.running_service import RunningService, until

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="finds the parts of the service in /proc"
)

SYMBOL = "BTC/USDT:USDT"
ACCOUNT = {
    "balances": [{"asset": "USDT", "amount": 1_000}],
    "positions": [{"symbol": SYMBOL, "side": "long", "contracts": 1, "entryPrice": 10_000}],
    "thresholds": {"easeAfterMs": 0},
}
FAR, NEAR = 10_000.0, 9_110.0  # equity 1,000 and maintenance 100, then 110 and 91.1


@contextmanager
def bot(url: str, cursor: Path, last: int) -> Iterator[list[Event]]:
    """Listens in a thread and falls over while it deals with the alert `last`."""
    heard: list[Event] = []

    def listen() -> None:
        with Client(url) as client:
            for event in client.alerts(["a1"], cursor_file=cursor, reconnect_delay_max_s=0.1):
                heard.append(event)
                if isinstance(event, Alert) and event.seq == last:
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield heard
    thread.join(20.0)
    assert not thread.is_alive()


def mark(service: RunningService, price: float) -> None:
    service.write("POST", "/v1/marks", {"marks": [{"symbol": SYMBOL, "markPrice": price}]})


def seqs(heard: list[Event]) -> list[int]:
    return [event.seq for event in heard if isinstance(event, Alert)]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    running = RunningService(tmp_path / "data")
    yield running
    running.process.terminate()
    running.ended(20.0)


def test_a_bot_misses_nothing_when_it_or_a_part_of_the_service_dies(
    service: RunningService, tmp_path: Path
) -> None:
    cursor = tmp_path / "cursor"
    service.write("PUT", "/v1/instruments", [one_tier()])
    mark(service, FAR)
    service.write("PUT", "/v1/accounts/a1", ACCOUNT)
    prices = itertools.cycle((NEAR, FAR))
    with bot(service.url, cursor, last=3) as heard:
        until(cursor.exists)
        mark(service, next(prices))
        until(lambda: seqs(heard) == [1])
        service.kill("--role api")
        mark(service, next(prices))
        until(lambda: seqs(heard) == [1, 2])
        service.kill("valkey-server")
        mark(service, next(prices))
    assert seqs(heard) == [1, 2, 3]
    assert [event for event in heard if isinstance(event, Snapshot)] == heard[:1]

    mark(service, next(prices))  # while the bot is away
    with bot(service.url, cursor, last=4) as resumed:
        pass
    assert seqs(resumed) == [3, 4]  # it had not dealt with 3
    assert len(resumed) == 2  # and nothing is missing
