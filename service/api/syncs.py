"""What the account sync processes say of themselves, for metrics, and in words where amiss."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.contract.sync import SyncFigures

Family: TypeAlias = type[CounterMetricFamily] | type[GaugeMetricFamily]

LATE_AFTER = 3.0  # times the account's own interval
LATE_S = 30.0  # at least

# A figure of an account -> its name among the metrics, what it is.
_COUNTERS = {
    "snapshots": ("snapshots", "Snapshots read of the venue."),
    "written": ("written", "Snapshots that were new, and written."),
    "hints": ("hints", "Changes heard of by WebSocket."),
    "vanished": ("vanished", "Positions that were gone."),
    "vanished_beyond": ("vanished_beyond_liquidation", "Of these, beyond liquidation before."),
}
_GAUGES = {
    "positions": ("positions", "Positions of the newest snapshot."),
    "age_s": ("age_seconds", "Since the venue's word was last taken over."),
    "clock_offset_ms": ("clock_offset_ms", "Our clock minus the venue's."),
    "may_trade": ("key_may_trade", "1: the key may do more than read."),
}
_BY_REASON: dict[str, tuple[Family, str, str]] = {
    "troubles": (CounterMetricFamily, "troubles", "Tries that came to nothing."),
    "remarks": (GaugeMetricFamily, "remarks", "What was worked out or left out."),
}
_LABELS = ("account", "exchange", "process")
_decoder = msgspec.json.Decoder(dict[str, SyncFigures])


def _told(reports: Mapping[str, bytes]) -> Iterator[tuple[tuple[str, str, str], SyncFigures]]:
    for process, report in sorted(reports.items()):
        for account, figures in sorted(_decoder.decode(report).items()):
            yield (account, figures.exchange, process), figures


def amiss(reports: Mapping[str, bytes], *, expected: bool) -> Iterator[str]:
    """Say at which venues accounts are not kept as they should be; `expected`: whether any are.

    Whoever asks may read it, so it names no account: metrics do.
    """
    told = list(_told(reports))
    if expected and not told:
        yield "sync: no process runs it"
    late = Counter(
        (exchange, figures.trouble or "no word yet")
        for (_, exchange, _), figures in told
        if figures.age_s is None or figures.age_s > max(LATE_S, LATE_AFTER * figures.every_s)
    )
    for (exchange, why), count in sorted(late.items()):
        yield f"sync: {count} of {len(told)} accounts late at {exchange}: {why}"


class SyncMetrics(Collector):
    """Shows the reports as they were when somebody looks, by account, exchange and process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.told: Mapping[str, bytes] = {}
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        told = list(_told(self.told))
        kinds: tuple[tuple[Family, dict[str, tuple[str, str]]], ...] = (
            (CounterMetricFamily, _COUNTERS),
            (GaugeMetricFamily, _GAUGES),
        )
        for of_kind, names in kinds:
            for name, (shown, text) in names.items():
                family = of_kind(f"plimsoll_sync_{shown}", text, labels=_LABELS)
                for labels, figures in told:
                    value = getattr(figures, name)
                    if value is not None:
                        family.add_metric(labels, float(value))
                yield family
        for name, (of_kind, shown, text) in _BY_REASON.items():
            family = of_kind(f"plimsoll_sync_{shown}", text, labels=(*_LABELS, "reason"))
            for labels, figures in told:
                for reason, count in getattr(figures, name).items():
                    family.add_metric((*labels, reason), count)
            yield family
