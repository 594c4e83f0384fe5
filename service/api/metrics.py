"""What an API worker counts about itself, for `GET /metrics`; every request is timed."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.feeds import FeedMetrics
from service.api.mark_metrics import MarkMetrics
from service.api.syncs import SyncMetrics
from service.contract.funds import FundView

_LATENCY_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_CAPITAL = re.compile(r"([A-Z])")
_SIZES = (1, 10, 100, 1_000, 10_000, 100_000)
_MARK_AGE = "Since the newest mark of any symbol came; NaN before the first."
_SOCKETS = "Open streams: WebSocket connections and event streams."
_COLLECTING = "Part of all time that the garbage collector took."
_FUND_FIGURES = {
    "balance": "Of an insurance fund, as the operator put it.",
    "claimed": "What pools beyond bankruptcy would take of it now.",
    "missing": "What is claimed of it beyond its balance.",
    "claims": "Pools beyond bankruptcy.",
}
EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one worker; what it is given is asked when somebody looks."""

    def __init__(
        self,
        mark_age_s: Callable[[], float],
        sockets: Callable[[], int],
        collector_share: Callable[[], float],
    ) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            "plimsoll_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "plimsoll_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=_LATENCY_S,
            registry=self.registry,
        )
        self.positions = Histogram(
            "plimsoll_evaluate_positions",
            "Positions of an evaluate call.",
            buckets=_SIZES,
            registry=self.registry,
        )
        self.shed = Counter(
            "plimsoll_shed",
            "Calls refused with 503 for the load of this worker.",
            ("reason",),
            registry=self.registry,
        )
        self.alert_age_s = Histogram(
            "plimsoll_tick_to_frame_seconds",
            "From an alert's event time until it was handed to all who listen here.",
            buckets=_LATENCY_S,
            registry=self.registry,
        )
        self.show("plimsoll_newest_mark_age_seconds", _MARK_AGE, mark_age_s)
        self.show("plimsoll_sockets", _SOCKETS, sockets)
        self.show("plimsoll_collector_share", _COLLECTING, collector_share)
        self.monitors: Mapping[str, bytes] = {}  # the newest figures of each, JSON
        self.funds: Sequence[FundView] = ()  # as they are now
        self.registry.register(_MonitorFigures(self))
        self.feeds, self.syncs = FeedMetrics(self.registry), SyncMetrics(self.registry)
        self.marks = MarkMetrics(self.registry)
        self.registry.register(_FundFigures(self))

    def show(self, name: str, text: str, figure: Callable[[], float]) -> None:
        """Show a figure that is asked when somebody looks."""
        Gauge(name, text, registry=self.registry).set_function(lambda: float(figure()))

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Told(msgspec.Struct):
    """A histogram as a monitor reports it: values at or below each bound, and above them all."""

    bounds: list[float]
    counts: list[int]
    sum: float

    def buckets(self) -> list[tuple[str, float]]:
        """Return the buckets as Prometheus has them: each with all below it."""
        bounds = [*map(str, self.bounds), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


class _MonitorFigures(Collector):
    """Shows what the monitors say of themselves: a gauge a figure, histograms, by monitor."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily | HistogramMetricFamily]:
        gauges: dict[str, GaugeMetricFamily] = {}
        served = GaugeMetricFamily(
            "plimsoll_shard_served", "1: this monitor serves it.", labels=["shard", "monitor"]
        )
        histograms: dict[str, HistogramMetricFamily] = {}
        for monitor, figures in sorted(self._metrics.monitors.items()):
            for name, value in msgspec.json.decode(figures, type=dict[str, Any]).items():
                if name == "histograms":
                    _add(histograms, monitor, value)
                    continue
                if name not in gauges:
                    words = _CAPITAL.sub(r"_\1", name).lower()
                    text = f"Of a monitor: {words.replace('_', ' ')}."
                    gauges[name] = GaugeMetricFamily(
                        f"plimsoll_monitor_{words}", text, labels=["monitor"]
                    )
                count = len(value) if isinstance(value, list) else value
                if name == "shards" and isinstance(value, list):
                    for shard in value:
                        served.add_metric([str(shard), monitor], 1.0)
                gauges[name].add_metric([monitor], count)
        yield from gauges.values()
        if served.samples:
            yield served
        yield from histograms.values()


def _add(
    histograms: dict[str, HistogramMetricFamily], monitor: str, told: dict[str, object]
) -> None:
    for name, raw in told.items():
        if name not in histograms:
            text = f"Of a monitor: {name.replace('_', ' ')}."
            histograms[name] = HistogramMetricFamily(
                f"plimsoll_monitor_{name}", text, labels=["monitor"]
            )
        histogram = msgspec.convert(raw, _Told)
        histograms[name].add_metric([monitor], histogram.buckets(), histogram.sum)


class _FundFigures(Collector):
    """Shows the insurance funds by venue and asset; what is not known now is left out."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if not self._metrics.funds:
            return
        for field, text in _FUND_FIGURES.items():
            gauge = GaugeMetricFamily(f"plimsoll_fund_{field}", text, labels=["venue", "asset"])
            for fund in self._metrics.funds:
                if (figure := getattr(fund, field)) is not None:
                    gauge.add_metric([fund.venue, fund.asset], figure)
            yield gauge


class Timing:
    """Counts and times each HTTP request by its route's pattern, so that ids make no new series.

    The time is that until the answer begins: a stream goes on for hours.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()
        answered: float | None = None

        async def watch(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], time.perf_counter()
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if route != "none" else "none"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.latency.labels(route).observe((answered or time.perf_counter()) - started)
