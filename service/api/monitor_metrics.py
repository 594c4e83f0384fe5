"""What the monitors say of themselves, as metrics: by monitor, levels and money of the whole book.

Each worker shows the same figures: they are of the reports in the store. Who scrapes several
workers takes the maximum of them, not the sum.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.contract.alerts import LEVEL_NAMES
from service.contract.money import MoneyAtLevel

Family: TypeAlias = type[CounterMetricFamily] | type[GaugeMetricFamily]

_COUNT, _NOW = CounterMetricFamily, GaugeMetricFamily
# A figure of a report -> its kind, its name among the metrics, what it is.
FIGURES: dict[str, tuple[Family, str, str]] = {
    "shards": (_NOW, "shards", "Shards that it serves."),
    "ready": (_NOW, "ready", "1: it serves a shard at least."),
    "taking": (_NOW, "taking", "Shards that it is taking in."),
    "marketId": (_NOW, "market_id", "The newest entry of the market stream that it has taken."),
    "eventTime": (_NOW, "event_time_seconds", "The event time of that entry, since the epoch."),
    "accounts": (_NOW, "accounts", "Accounts that it watches."),
    "pools": (_NOW, "pools", "Margin pools in its book."),
    "positions": (_NOW, "positions", "Positions in its book."),
    "entries": (_COUNT, "entries", "Entries of the market stream taken."),
    "pools_evaluated": (_COUNT, "pools_evaluated", "Pools judged because they were due."),
    "blocks_touched": (_COUNT, "blocks_touched", "Blocks of safe bands looked at."),
    "alerts": (_COUNT, "alerts", "Alerts made."),
    "audited": (_COUNT, "audited", "Pools that the audit judged from scratch."),
    "mismatches": (_COUNT, "mismatches", "Pools that were not at the level they should be at."),
    "unreadable": (_COUNT, "unreadable", "Entries of the market stream that cannot be read."),
    "commits": (_COUNT, "commits", "Commits of shards."),
    "gaps": (_COUNT, "gaps", "Times the market stream was trimmed before it was read."),
    "notices": (_COUNT, "notices", "Notices of account changes appended for dead writers."),
    "collectorShare": (_NOW, "collector_share", "Part of all time the garbage collector took."),
}
HISTOGRAMS = {
    "mark_age_seconds": "From a mark's event time until it is judged.",
    "entry_seconds": "Judging an entry of the market stream and writing its alerts.",
    "entry_pools": "Pools judged at an entry of the market stream.",
    "commit_seconds": "From sending a commit until the store has answered.",
    "tick_to_alert_seconds": "From a mark's event time until its alerts are in the log.",
}
_MONEY = {
    "equity": "Equity of the pools at a level, in their settle asset.",
    "maintenance_margin": "Maintenance margin of the pools at a level, in their settle asset.",
    "shortfall": "What the pools at a level have below zero, in their settle asset.",
}
_IN_SECONDS = {"eventTime": 1e-3}  # by what a figure in milliseconds is multiplied


class _Told(msgspec.Struct):
    """A histogram as a monitor reports it: values at or below each bound, and above them all."""

    bounds: list[float]
    counts: list[int]
    sum: float

    def buckets(self) -> list[tuple[str, float]]:
        """Return the buckets as Prometheus has them: each with all below it."""
        bounds = [*map(str, self.bounds), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


class _Report(msgspec.Struct):
    """The parts of a report that are no plain figures."""

    shards: list[int] = []
    histograms: dict[str, _Told] = {}
    levels: dict[str, dict[str, int]] = {}  # "accounts" and "pools" -> how many by level
    money: list[MoneyAtLevel] = []


_figures_decoder = msgspec.json.Decoder(dict[str, Any])
_report_decoder = msgspec.json.Decoder(_Report)


class MonitorMetrics(Collector):
    """Shows the reports as they were when somebody looks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.told: Mapping[str, bytes] = {}  # by monitor, JSON
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        plain = {name: _figures_decoder.decode(raw) for name, raw in sorted(self.told.items())}
        reports = {name: _report_decoder.decode(raw) for name, raw in sorted(self.told.items())}
        for figure, (of_kind, shown, text) in FIGURES.items():
            family = of_kind(f"plimsoll_monitor_{shown}", text, labels=("monitor",))
            for monitor, figures in plain.items():
                if (value := figures.get(figure)) is not None:
                    count = len(value) if isinstance(value, list) else value
                    family.add_metric((monitor,), count * _IN_SECONDS.get(figure, 1))
            yield family
        for name, text in HISTOGRAMS.items():
            yield _histogram(name, text, reports)
        served = _NOW("plimsoll_shard_served", "1: this monitor serves it.", labels=_SERVED)
        for monitor, report in reports.items():
            for shard in report.shards:
                served.add_metric((str(shard), monitor), 1.0)
        yield served
        yield from _by_level(reports)
        yield from _money(reports)


_SERVED = ("shard", "monitor")


def _histogram(name: str, text: str, reports: Mapping[str, _Report]) -> Metric:
    family = HistogramMetricFamily(f"plimsoll_monitor_{name}", text, labels=("monitor",))
    for monitor, report in reports.items():
        if told := report.histograms.get(name):
            family.add_metric((monitor,), told.buckets(), told.sum)
    return family


def _by_level(reports: Mapping[str, _Report]) -> Iterator[Metric]:
    """Yield how many accounts and pools are at each level, of all monitors."""
    for what, text in (
        ("accounts", "Monitored accounts by the level of their worst pool."),
        ("pools", "Margin pools of monitored accounts by their level."),
    ):
        family = _NOW(f"plimsoll_{what}", text, labels=("level",))
        for level in LEVEL_NAMES if reports else ():
            told = (report.levels.get(what, {}) for report in reports.values())
            family.add_metric((level,), sum(counts.get(level, 0) for counts in told))
        yield family


def _money(reports: Mapping[str, _Report]) -> Iterator[Metric]:
    """Yield sums of money by level and asset, of all monitors."""
    for name, text in _MONEY.items():
        family = _NOW(f"plimsoll_pools_{name}", text, labels=("level", "asset"))
        sums: dict[tuple[str, str], float] = defaultdict(float)
        for report in reports.values():
            for row in report.money:
                sums[row.level, row.asset] += getattr(row, name)
        for labels, money in sorted(sums.items()):
            family.add_metric(labels, money)
        yield family
