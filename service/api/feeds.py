"""What the feed processes say of themselves, for metrics, and in words where something is amiss."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.contract.feeds import FeedFigures

QUIET_MAX_S = 10.0

Family: TypeAlias = type[CounterMetricFamily] | type[GaugeMetricFamily]

# A figure of a feed -> its kind, its name among the metrics, what it is.
_FIGURES: dict[str, tuple[Family, str, str]] = {
    "frames": (CounterMetricFamily, "frames", "Frames heard."),
    "marks": (CounterMetricFamily, "marks", "Marks stored."),
    "conflated": (CounterMetricFamily, "conflated", "Marks that newer ones replaced."),
    "reconnects": (CounterMetricFamily, "reconnects", "Connections lost, or opened anew."),
    "lines": (GaugeMetricFamily, "lines", "Connections there should be."),
    "lines_open": (GaugeMetricFamily, "lines_open", "Connections that stand."),
    "symbols": (GaugeMetricFamily, "symbols", "Symbols that had a mark."),
    "quiet_s": (GaugeMetricFamily, "quiet_seconds", "Since the last mark."),
    "clock_offset_ms": (
        GaugeMetricFamily,
        "clock_offset_seconds",
        "Our clock minus the venue's, with the way here.",
    ),
}
_BY_REASON: dict[str, tuple[Family, str, str]] = {
    "refused": (CounterMetricFamily, "refused", "Marks and frames refused."),
    "left_out": (GaugeMetricFamily, "left_out", "Markets whose marks are not taken."),
}
_IN_SECONDS = {"clock_offset_ms": 1e-3}  # by what a figure in milliseconds is multiplied
_decoder = msgspec.json.Decoder(dict[str, FeedFigures])


def feeds_of(told: Mapping[str, bytes]) -> list[tuple[str, str, FeedFigures]]:
    """Return (process, feed, figures) of the reports, by process."""
    return [
        (process, name, figures)
        for process, report in sorted(told.items())
        for name, figures in sorted(_decoder.decode(report).items())
    ]


def amiss(told: Mapping[str, bytes], expected: Sequence[str]) -> Iterator[str]:
    """Say which feeds are less than they should be; `expected` are those there should be."""
    feeds = feeds_of(told)
    for name in expected:
        if name not in (feed for _, feed, _ in feeds):
            yield f"feed {name}: no process runs it"
    for _, name, figures in feeds:
        if figures.lines_open < figures.lines:
            yield f"feed {name}: {figures.lines_open} of {figures.lines} connections"
        elif figures.quiet_s is None:
            yield f"feed {name}: no mark yet"
        elif figures.quiet_s > QUIET_MAX_S:
            yield f"feed {name}: no mark for {figures.quiet_s:.0f} s"


class FeedMetrics(Collector):
    """Shows the reports as they were when somebody looks, by feed and process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.told: Mapping[str, bytes] = {}
        self.expected: Sequence[str] = ()  # by name
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        feeds = feeds_of(self.told)
        for name, (of_kind, shown, text) in _FIGURES.items():
            family = of_kind(f"plimsoll_feed_{shown}", text, labels=("feed", "process"))
            for process, feed, figures in feeds:
                value = getattr(figures, name)
                if value is not None:
                    family.add_metric((feed, process), value * _IN_SECONDS.get(name, 1))
            yield family
        expected = GaugeMetricFamily("plimsoll_feed_expected", "1: it is set.", labels=("feed",))
        for name in self.expected:
            expected.add_metric((name,), 1.0)
        yield expected
        for name, (of_kind, shown, text) in _BY_REASON.items():
            family = of_kind(f"plimsoll_feed_{shown}", text, labels=("feed", "process", "reason"))
            for process, feed, figures in feeds:
                for reason, count in getattr(figures, name).items():
                    family.add_metric((feed, process, reason), count)
            yield family
