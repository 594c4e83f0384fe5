"""Whether the store answers, who owns the shards, and how old the marks are, as metrics."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.store.market_stream import NewestMark

SHARD_STATES = ("served", "taken_in", "without_owner")


class Markets(Protocol):
    """What this worker knows of the market stream."""

    newest: dict[tuple[str, str], NewestMark]
    market_id: int

    def clock_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The store as it was when somebody looked; `ping_s` is None where it did not answer."""

    ping_s: float | None = None
    shards: Mapping[str, int] = field(default_factory=dict)  # how many, by state


class StoreMetrics(Collector):
    """Shows what the last look found; who owns what is not known while the store is away."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.told = StoreHealth()
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        told = self.told
        yield GaugeMetricFamily(
            "plimsoll_store_up",
            "1: Redis answered within a second.",
            value=float(told.ping_s is not None),
        )
        ping = GaugeMetricFamily("plimsoll_store_ping_seconds", "A round trip to Redis.")
        if told.ping_s is not None:
            ping.add_metric((), told.ping_s)
        yield ping
        shards = GaugeMetricFamily("plimsoll_shards", _SHARDS, labels=("state",))
        for state, count in told.shards.items():
            shards.add_metric((state,), count)
        yield shards


class MarketMetrics(Collector):
    """Shows the marks as this worker has them; a venue without a mark has no age."""

    def __init__(self, registry: CollectorRegistry, markets: Markets) -> None:
        self._markets = markets
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        markets = self._markets
        marks = list(markets.newest.values())
        yield GaugeMetricFamily(
            "plimsoll_market_id",
            "The newest entry of the market stream that this worker has.",
            value=markets.market_id,
        )
        yield from _ages(marks, markets.clock_ms())


def _ages(marks: list[NewestMark], now_ms: int) -> Iterator[Metric]:
    """Yield the age of the newest and of the oldest symbol's mark, by venue."""
    ages_s: dict[str, list[float]] = {}
    for mark in marks:
        ages_s.setdefault(mark.venue, []).append(max(0, now_ms - mark.event_time_ms) / 1e3)
    for name, text, of in (
        ("newest", "Since the newest mark of any symbol of the venue.", min),
        ("oldest", "Since the newest mark of the symbol that waits longest for one.", max),
    ):
        family = GaugeMetricFamily(f"plimsoll_venue_{name}_mark_age_seconds", text, labels=_VENUE)
        for venue, found in sorted(ages_s.items()):
            family.add_metric((venue,), of(found))
        yield family


_VENUE = ("venue",)
_SHARDS = "Shards that are served, owned and still taken in, or without an owner."
