"""What the mark gate has refused, of which quality the symbols are, and which markets are outside
their bands, for metrics."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.contract.markets import CONDITION_NAMES
from service.contract.quality import QUALITY_NAMES
from service.risk.conditions import Condition
from service.risk.quality import Quality
from service.store.refusals import Refusals


class MarkMetrics(Collector):
    """Shows the counts as they were when somebody looks: of all processes, since the data began."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused: Sequence[Refusals] = ()
        self.qualities: Mapping[Quality, int] = {}
        self.outside: Callable[[], Mapping[Condition, int]] = dict
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
        outside = GaugeMetricFamily(
            "plimsoll_markets_outside", "Markets outside a band.", labels=("condition",)
        )
        counts = self.outside()
        for condition in Condition:
            outside.add_metric((CONDITION_NAMES[condition],), counts.get(condition, 0))
        yield outside
