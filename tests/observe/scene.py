"""A whole service with a feed, under traffic, scraped by a real Prometheus, to make faults in.

The short form runs the rules in a sixtieth of their times, the long one in a tenth.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from service.store.embedded import socket_path
from tests.e2e.running_service import RunningService
from tests.feeds.venues.mock import MockVenue
from tests.observe.collector import Collector, collecting
from tests.observe.faults import again
from tests.observe.prometheus import RULES, Prometheus, shortened
from tests.observe.synced import Synced
from tests.observe.traffic import ALT, INSTRUMENTS, SYMBOL, Traffic, holder
from tests.observe.venue import quoting

SHARDS = 4
LONG = os.environ.get("PLIMSOLL_SOAK") == "1"
FACTOR, EVERY_MS, WITHIN_S = (10.0, 500, 180.0) if LONG else (60.0, 250, 30.0)
AWAY_MS = 1_500  # while the store is away /metrics answers after a second


@dataclass
class Scene:
    """The service, who uses it, and who looks at it; `seen` are the alerts that fired."""

    service: RunningService
    traffic: Traffic
    venue: MockVenue
    prometheus: Prometheus
    redis_url: str
    collector: Collector
    synced: Synced

    def __post_init__(self) -> None:
        self.seen: set[str] = set()

    def fires(self, *names: str) -> None:
        """Return once all of these alerts have fired, at the same time or not."""

        def missing() -> set[str]:
            self.seen |= self.prometheus.alerts()
            return set(names) - self.seen

        _none_left(missing, "do not fire")

    def clears(self, *names: str) -> None:
        """Return once none of these alerts fires, or none at all."""
        asked = set(names) or self.prometheus.rules()
        _none_left(lambda: self.prometheus.alerts() & asked, "still fire")

    def has_data(self, title: str, query: str) -> None:
        """Return once a panel's query has a value."""
        wanted = {title}
        _none_left(lambda: set() if self.prometheus.values(query) else wanted, f"lacks {query}")


def _none_left(alerts: Callable[[], set[str]], what: str) -> None:
    deadline, pause = time.monotonic() + WITHIN_S, threading.Event()
    while found := alerts():
        assert time.monotonic() < deadline, f"{sorted(found)} {what} after {WITHIN_S:g} s"
        pause.wait(EVERY_MS / 1e3)


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[Scene]:
    """Run it all; the alerts are still until somebody makes a fault."""
    data_dir = folder / "data"
    with quoting() as venue, collecting() as collector, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLIMSOLL_FEEDS", "binance")
        patch.setenv("PLIMSOLL_FEED_URLS", orjson.dumps({"binance": venue.origin}).decode())
        patch.setenv("PLIMSOLL_OTLP_ENDPOINT", collector.url)
        patch.setenv("PLIMSOLL_LOG_FORMAT", "json")
        patch.setenv("PLIMSOLL_SHARDS", str(SHARDS))
        patch.setenv("PLIMSOLL_APPENDFSYNC", "no")
        patch.setenv("PLIMSOLL_MARK_MAX_AGE_S", "2")
        patch.setenv("PLIMSOLL_BODIES_MAX_BYTES", str(2**20))
        service = RunningService(data_dir, "--workers", "2")
        try:
            _prepare(service)
            rules = shortened(RULES.read_text(encoding="utf-8"), FACTOR, EVERY_MS)
            prometheus = Prometheus(folder / "prometheus", service.url, rules, EVERY_MS)
            try:
                traffic = Traffic(service.url)
                redis_url = f"unix://{socket_path(data_dir)}"
                synced = Synced(redis_url)
                with traffic.flowing(), again(synced.report):
                    yield Scene(service, traffic, venue, prometheus, redis_url, collector, synced)
            finally:
                prometheus.stop()
        finally:
            service.process.terminate()
            service.ended(15.0)


def _prepare(service: RunningService) -> None:
    """Store what is watched: accounts that warn in turns, one that a crash makes owe, a fund."""
    service.write("PUT", "/v1/instruments", INSTRUMENTS)
    for number in range(20):
        service.write("PUT", f"/v1/accounts/moves-{number}", holder(SYMBOL, 60_000, 15_000))
    service.write("PUT", "/v1/accounts/warned", holder(ALT, 2_000, 150))
    service.write("PUT", "/v1/accounts/falls-1", holder(ALT, 2_000, 300))
    service.write("PUT", "/v1/accounts/falls-2", holder(ALT, 2_000, 300))
    service.write("PUT", "/v1/funds/okx/USDT", {"balance": 1})
