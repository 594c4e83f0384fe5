"""What an API worker counts about itself, for `GET /metrics`; every request is timed."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.feeds import FeedMetrics
from service.api.fellows import Fellows, Together, figures_of
from service.api.mark_metrics import MarkMetrics
from service.api.market_metrics import MarketMetrics, Markets, StoreMetrics
from service.api.monitor_metrics import MonitorMetrics
from service.api.syncs import SyncMetrics
from service.contract.funds import FundView
from service.logs import fields

_LATENCY_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SIZES = (1, 10, 100, 1_000, 10_000, 100_000)
_MARK_AGE = "Since the newest mark of any symbol came; NaN before the first."
_SOCKETS = "Open streams: WebSocket connections and event streams."
_REQUEST = ("method", "route", "status")
_REQUEST_S = "From the first byte of a request to the first of its answer."
_POSITIONS = "Positions of an evaluate call."
_PROBLEMS = "Requests answered with a problem, by its code."
_CLOSES = "Streams that we closed, by close code."
_SHED = "Calls refused with 503 for the load of this worker."
_ALERT_AGE = "From an alert's event time until it was handed to all who listen here."
_COLLECTING = "Part of all time that the garbage collector took."
_FUND_FIGURES = {
    "balance": "Of an insurance fund, as the operator put it.",
    "claimed": "What pools beyond bankruptcy would take of it now.",
    "missing": "What is claimed of it beyond its balance.",
    "claims": "Pools beyond bankruptcy.",
}


class _Problem(msgspec.Struct):
    code: str


_problem_decoder = msgspec.json.Decoder(_Problem)
_log = logging.getLogger("plimsoll.api")
EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one worker; what it is given is asked when somebody looks."""

    def __init__(
        self,
        mark_age_s: Callable[[], float],
        sockets: Callable[[], int],
        collector_share: Callable[[], float],
    ) -> None:
        # A series more for each counter, that nobody asks for; the function has no annotations.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()  # what this worker alone knows
        shared = self._shared = CollectorRegistry()  # what every worker says alike
        self.fellows: Fellows | None = None  # behind the same port
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = self._counter("requests", "Requests answered.", *_REQUEST)
        self.latency = self._histogram("request_seconds", _REQUEST_S, _LATENCY_S, "route")
        self.positions = self._histogram("evaluate_positions", _POSITIONS, _SIZES)
        self.problems = self._counter("problems", _PROBLEMS, "code")
        self.closes = self._counter("stream_closes", _CLOSES, "code")
        self.shed = self._counter("shed", _SHED, "reason")
        self.alert_age_s = self._histogram("tick_to_frame_seconds", _ALERT_AGE, _LATENCY_S)
        self.show("plimsoll_newest_mark_age_seconds", _MARK_AGE, mark_age_s)
        self.show("plimsoll_sockets", _SOCKETS, sockets)
        self.show("plimsoll_collector_share", _COLLECTING, collector_share)
        self.funds: Sequence[FundView] = ()  # as they are now
        self.store, self.monitors = StoreMetrics(shared), MonitorMetrics(shared)
        self.feeds, self.syncs = FeedMetrics(shared), SyncMetrics(shared)
        self.marks = MarkMetrics(shared)
        shared.register(_FundFigures(self))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"plimsoll_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"plimsoll_{name}", text, labels, buckets=buckets, registry=self.registry)

    def show(self, name: str, text: str, figure: Callable[[], float]) -> None:
        """Show a figure that is asked when somebody looks."""
        Gauge(name, text, registry=self.registry).set_function(lambda: float(figure()))

    def show_market(self, markets: Markets) -> None:
        """Show the marks that a follower of the market stream has."""
        MarketMetrics(self.registry, markets)

    def closes_by(self, codes: Iterable[int]) -> Callable[[int], None]:
        """Return what counts a close; every code there is is shown from the beginning."""
        counts = {code: self.closes.labels(str(int(code))) for code in codes}
        return lambda code: counts[code].inc()

    def count_problem(self, body: bytes) -> None:
        """Count an answer that says in its body what is wrong; others are passed over."""
        with contextlib.suppress(msgspec.DecodeError):
            self.problems.labels(_problem_decoder.decode(body).code).inc()

    async def tell_fellows(self) -> None:
        """Tell the other workers behind the port our figures when they ask, until cancelled."""
        if self.fellows is None:
            await asyncio.Event().wait()
        else:
            await self.fellows.tell(lambda: figures_of(self.registry))

    async def exposition(self) -> bytes:
        """Return everything in Prometheus' text format, of the other workers too."""
        told = await self.fellows.ask() if self.fellows else {}
        name = self.fellows.name if self.fellows else None
        return generate_latest(Together(name, self.registry, self._shared, told))


class _FundFigures(Collector):
    """Shows the insurance funds by venue and asset; what is not known now is left out."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
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
            elif status >= 400 and message["type"] == "http.response.body":
                self._metrics.count_problem(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if route != "none" else "none"
            self._metrics.requests.labels(method, route, str(status)).inc()
            seconds = (answered or time.perf_counter()) - started
            self._metrics.latency.labels(route).observe(seconds)
            if _log.isEnabledFor(logging.DEBUG):
                said = fields(status=status, ms=round(1e3 * seconds, 3))
                _log.debug("%s %s", method, route, extra=said)
