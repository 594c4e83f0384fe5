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

_All: TypeAlias = list[tuple[tuple[str, str], list[SyncFigures]]]

LATE_AFTER = 3.0  # times the account's own interval
LATE_S = 30.0  # at least

# A figure of an account, added up by venue -> its kind, its name among the metrics, what it is.
_SUMS: dict[str, tuple[Family, str, str]] = {
    "snapshots": (CounterMetricFamily, "snapshots", "Snapshots read of the venue."),
    "written": (CounterMetricFamily, "written", "Snapshots that were new, and written."),
    "hints": (CounterMetricFamily, "hints", "Changes heard of by WebSocket."),
    "vanished": (CounterMetricFamily, "vanished", "Positions that were gone."),
    "vanished_beyond": (
        CounterMetricFamily,
        "vanished_beyond_liquidation",
        "Of these, beyond liquidation before.",
    ),
    "positions": (GaugeMetricFamily, "positions", "Positions of the newest snapshots."),
    "may_trade": (GaugeMetricFamily, "keys_that_trade", "Keys that may do more than read."),
}
# A figure of which the account that is worst off counts -> its name, what it is, in seconds.
_WORST = {
    "age_s": ("age", "Since the venue's word of the oldest account was taken over.", 1.0),
    "clock_offset_ms": ("clock_offset", "Our clock minus the venue's, where it is most.", 1e-3),
}
_BY_REASON: dict[str, tuple[Family, str, str]] = {
    "troubles": (CounterMetricFamily, "troubles", "Tries that came to nothing."),
    "remarks": (GaugeMetricFamily, "remarks", "What was worked out or left out."),
}
STATES = ("kept", "late", "unread")
_ACCOUNTS = "Accounts that are kept as their venue says, late, or not read yet."
_EXPECTED = "1: accounts are to be kept."
_LABELS = ("exchange", "process")
_decoder = msgspec.json.Decoder(dict[str, SyncFigures])


def _told(reports: Mapping[str, bytes]) -> Iterator[tuple[tuple[str, str], list[SyncFigures]]]:
    """Yield (exchange, process) and the figures of the accounts that it keeps there."""
    for process, report in sorted(reports.items()):
        by_exchange: dict[str, list[SyncFigures]] = {}
        for figures in _decoder.decode(report).values():
            by_exchange.setdefault(figures.exchange, []).append(figures)
        for exchange, accounts in sorted(by_exchange.items()):
            yield (exchange, process), accounts


def _state(figures: SyncFigures) -> str:
    """Return which of STATES an account is in."""
    if figures.age_s is None:
        return "unread"
    return "late" if figures.age_s > max(LATE_S, LATE_AFTER * figures.every_s) else "kept"


def amiss(reports: Mapping[str, bytes], *, expected: bool) -> Iterator[str]:
    """Say at which venues accounts are not kept as they should be; `expected`: whether any are.

    Whoever asks may read it, so it names no account.
    """
    told = list(_told(reports))
    if expected and not told:
        yield "sync: no process runs it"
    total = sum(len(accounts) for _, accounts in told)
    late = Counter(
        (exchange, figures.trouble or "no word yet")
        for (exchange, _), accounts in told
        for figures in accounts
        if _state(figures) != "kept"
    )
    for (exchange, why), count in sorted(late.items()):
        yield f"sync: {count} of {total} accounts late at {exchange}: {why}"


class SyncMetrics(Collector):
    """Shows the reports as they were when somebody looks, by exchange and process.

    No account has a series of its own: there may be thousands, and their names are their owners'.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.told: Mapping[str, bytes] = {}
        self.expected = False
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        told = list(_told(self.told))
        yield GaugeMetricFamily("plimsoll_sync_expected", _EXPECTED, value=float(self.expected))
        yield _accounts(told)
        yield from _sums(told)
        yield from _worst(told)
        yield from _by_reason(told)


def _accounts(told: _All) -> Metric:
    family = GaugeMetricFamily("plimsoll_sync_accounts", _ACCOUNTS, labels=(*_LABELS, "state"))
    for labels, accounts in told:
        counts = Counter(map(_state, accounts))
        for state in STATES:
            family.add_metric((*labels, state), counts[state])
    return family


def _sums(told: _All) -> Iterator[Metric]:
    for name, (of_kind, shown, text) in _SUMS.items():
        family = of_kind(f"plimsoll_sync_{shown}", text, labels=_LABELS)
        for labels, accounts in told:
            family.add_metric(labels, float(sum(getattr(one, name) or 0 for one in accounts)))
        yield family


def _worst(told: _All) -> Iterator[Metric]:
    """Yield the figure that is furthest from nothing; none where no account has it yet."""
    for name, (shown, text, in_seconds) in _WORST.items():
        family = GaugeMetricFamily(f"plimsoll_sync_{shown}_seconds", text, labels=_LABELS)
        for labels, accounts in told:
            known = [value for one in accounts if (value := getattr(one, name)) is not None]
            if known:
                family.add_metric(labels, in_seconds * max(known, key=abs))
        yield family


def _by_reason(told: _All) -> Iterator[Metric]:
    for name, (of_kind, shown, text) in _BY_REASON.items():
        family = of_kind(f"plimsoll_sync_{shown}", text, labels=(*_LABELS, "reason"))
        for labels, accounts in told:
            counts: Counter[str] = Counter()
            for one in accounts:
                counts.update(getattr(one, name))
            for reason, count in sorted(counts.items()):
                family.add_metric((*labels, reason), count)
        yield family
