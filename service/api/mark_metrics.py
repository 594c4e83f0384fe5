"""What the mark gate has refused, and of which quality the symbols are, for metrics."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.contract.quality import QUALITY_NAMES
from service.risk.quality import Quality
from service.store.refusals import Refusals


class MarkMetrics(Collector):
    """Shows the counts as they were when somebody looks: of all processes, since the data began."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused: Sequence[Refusals] = ()
        self.qualities: Mapping[Quality, int] = {}
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        by_reason: Counter[str] = Counter()
        for each in self.refused:
            by_reason[each.reason] += each.count
        refused = CounterMetricFamily(
            "plimsoll_marks_refused", "Marks refused, of all ways in.", labels=("reason",)
        )
        for reason, count in sorted(by_reason.items()):
            refused.add_metric((reason,), count)
        yield refused
        quality = GaugeMetricFamily(
            "plimsoll_marks_quality", "Symbols whose marks are of a quality.", labels=("quality",)
        )
        for code, name in enumerate(QUALITY_NAMES):
            quality.add_metric((name,), self.qualities.get(Quality(code), 0))
        yield quality
