"""What promtool's test shows each alert rule: figures that are well, amiss, and well again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

EVERY_S = 5
MARGIN_S = 30
Value = float | None  # None: there is no such series


@dataclass(frozen=True)
class Case:
    """A rule's `for`, the range it looks back over, and series: what each is (well, amiss).

    A counter's are its growth in five seconds. `stays` is what is amiss and lasts: the rule is to
    forget it all the same.
    """

    name: str
    for_s: int
    window_s: int
    series: dict[str, tuple[Value, Value]]
    counters: bool = False
    stays: bool = False

    @property
    def amiss_at_s(self) -> int:
        return self.window_s + MARGIN_S

    @property
    def fires_by_s(self) -> int:
        return self.amiss_at_s + self.for_s + (0 if self.stays else self.window_s)

    @property
    def well_at_s(self) -> int:
        return self.fires_by_s + MARGIN_S


def _latencies(name: str, labels: str, limit: float) -> dict[str, tuple[Value, Value]]:
    """Return a histogram whose values are just below the limit, then just above it."""
    buckets = {limit / 2: (10.0, 0.0), limit: (10.0, 0.0), 2 * limit: (10.0, 10.0)}
    found = {f'{name}_bucket{{{labels}le="{bound}"}}': each for bound, each in buckets.items()}
    return {**found, f'{name}_bucket{{{labels}le="+Inf"}}': (10.0, 10.0)}


def _never(name: str, figure: str) -> Iterator[Case]:
    """Yield what must not happen at all: to a monitor that runs, and to one that begins with it."""
    series = f'plimsoll_monitor_{figure}_total{{monitor="host-1"}}'
    yield Case(name, 0, 600, {series: (0.0, 1.0)}, counters=True)
    yield Case(name, 0, 600, {series: (None, 1.0)}, stays=True)


_MONITOR = 'monitor="host-1",'
_SYNCED = 'plimsoll_sync_accounts{exchange="okx",process="a",'
_ROUTE = 'route="/v1/evaluate",'
_OK, _BAD = 'status="200",route="/v1/evaluate"', 'route="/v1/evaluate"'
CASES: Sequence[Case] = (
    Case("PlimsollDown", 30, 0, {'up{job="plimsoll",instance="a"}': (1.0, 0.0)}),
    Case("PlimsollDown", 30, 0, {'up{job="plimsoll",instance="a"}': (1.0, None)}),
    Case(
        "PlimsollWorkerSilent",
        30,
        120,
        {
            'plimsoll_workers{state="silent",instance="a"}': (0.0, 1.0),
            'plimsoll_workers{state="told",instance="a"}': (2.0, 1.0),
            'plimsoll_workers{state="silent",instance="b"}': (0.0, 0.0),
        },
    ),
    Case("PlimsollStoreAway", 15, 0, {"plimsoll_store_up": (1.0, 0.0)}),
    *(
        Case("PlimsollShardsNotServed", 30, 0, {f'plimsoll_shards{{state="{state}"}}': (0.0, 1.0)})
        for state in ("without_owner", "taken_in")
    ),
    Case("PlimsollMarksSilent", 10, 0, {"plimsoll_newest_mark_age_seconds": (10.0, 10.1)}),
    Case("PlimsollMarksStale", 60, 0, {'plimsoll_marks_quality{quality="stale"}': (0.0, 1.0)}),
    Case(
        "PlimsollMarksRefused",
        120,
        300,
        {  # 11 of 111 in two reasons, then 12 of 112; each worker tells of the same refusals
            'plimsoll_marks_refused_total{reason="outlier",instance="a"}': (5.0, 6.0),
            'plimsoll_marks_refused_total{reason="outlier",instance="b"}': (5.0, 6.0),
            'plimsoll_marks_refused_total{reason="beyond_band",instance="a"}': (6.0, 6.0),
            'plimsoll_monitor_entries_total{monitor="host-1"}': (100.0, 100.0),
            'plimsoll_monitor_entries_total{monitor="host-2"}': (100.0, 100.0),
        },
        counters=True,
    ),
    *(
        Case(
            "PlimsollFeedDown",
            30,
            0,
            {
                'plimsoll_feed_expected{feed="okx"}': (1.0, 1.0),
                'plimsoll_feed_quiet_seconds{feed="okx",process="a"}': (14.9, quiet),
            },
        )
        for quiet in (15.0, None)
    ),
    *(
        Case("PlimsollSyncLate", 60, 0, {f'{_SYNCED}state="{state}"}}': (0.0, 1.0)})
        for state in ("late", "unread")
    ),
    Case(
        "PlimsollSyncLate",
        60,
        0,
        {"plimsoll_sync_expected": (1.0, 1.0), f'{_SYNCED}state="kept"}}': (1.0, None)},
    ),
    Case(
        "PlimsollTickToAlertSlow",
        60,
        300,
        _latencies("plimsoll_monitor_tick_to_alert_seconds", _MONITOR, 0.5),
        counters=True,
    ),
    Case(
        "PlimsollMonitorBehind",
        30,
        60,
        _latencies("plimsoll_monitor_mark_age_seconds", _MONITOR, 1.0),
        counters=True,
    ),
    Case(
        "PlimsollCommitSlow",
        60,
        300,
        _latencies("plimsoll_monitor_commit_seconds", _MONITOR, 0.25),
        counters=True,
    ),
    *_never("PlimsollLevelsWrong", "mismatches"),
    *_never("PlimsollStreamUnreadable", "unreadable"),
    *_never("PlimsollStreamGap", "gaps"),
    Case(
        "PlimsollEvaluateSlow",
        120,
        300,
        _latencies("plimsoll_request_seconds", _ROUTE, 0.25),
        counters=True,
    ),
    Case(
        "PlimsollErrors",
        60,
        300,
        {
            f"plimsoll_requests_total{{{_OK}}}": (100.0, 100.0),
            f'plimsoll_requests_total{{status="503",{_BAD}}}': (1.0, 1.2),
            'plimsoll_requests_total{status="503",route="/readyz"}': (1.0, 1.0),
        },
        counters=True,
    ),
    Case(
        "PlimsollRefusals",
        300,
        300,
        {
            f"plimsoll_requests_total{{{_OK}}}": (100.0, 100.0),
            f'plimsoll_requests_total{{status="422",{_BAD}}}': (24.0, 26.0),
        },
        counters=True,
    ),
    Case(
        "PlimsollShedding",
        60,
        300,
        {'plimsoll_shed_total{reason="bodies"}': (0.0, 1.0)},
        counters=True,
    ),
    Case(
        "PlimsollStreamsCut",
        0,
        300,
        {
            'plimsoll_stream_closes_total{code="4500"}': (0.0, 1.0),
            'plimsoll_stream_closes_total{code="4000"}': (9.0, 9.0),
        },
        counters=True,
    ),
    Case("PlimsollFundShort", 60, 0, {'plimsoll_fund_missing{venue="okx",asset="A"}': (0.0, 0.1)}),
    Case(
        "PlimsollManyLiquidations",
        30,
        0,
        {
            'plimsoll_accounts{level="HEALTHY"}': (95.0, 94.0),
            'plimsoll_accounts{level="LIQUIDATION"}': (3.0, 3.0),
            'plimsoll_accounts{level="BANKRUPT"}': (2.0, 3.0),
        },
    ),
)


def _values(case: Case, well: Value, amiss: Value) -> str:
    """Return a series in promtool's notation."""
    until_s = case.well_at_s + case.window_s + MARGIN_S
    total = 0.0
    told: list[str] = []
    for at_s in range(0, until_s + EVERY_S, EVERY_S):
        is_amiss = at_s >= case.amiss_at_s and (case.stays or at_s < case.well_at_s)
        value = amiss if is_amiss else well
        if case.counters and value is not None:
            total += value
            value = total
        if value is None:
            told.append("_" if not told or told[-1] in ("_", "stale") else "stale")
        else:
            told.append(f"{value:.6g}")
    return " ".join(told)


def _asked(case: Case) -> Iterator[dict[str, Any]]:
    """Yield when the rule may not fire yet, must, and may not any more."""
    fires = f'count(ALERTS{{alertname="{case.name}",alertstate="firing"}})'
    quiet_until_s = case.amiss_at_s + case.for_s - EVERY_S
    well_s = case.well_at_s + case.window_s + (MARGIN_S if case.window_s else 0)
    for at_s, count in ((quiet_until_s, 0), (case.fires_by_s, 1), (well_s, 0)):
        samples = [{"value": count, "labels": "{}"}] if count else []
        yield {"expr": fires, "eval_time": f"{at_s}s", "exp_samples": samples}


def written(rules: str) -> str:
    """Return the test that promtool runs over a file of rules (JSON is YAML)."""
    tests = [
        {
            "name": case.name,
            "interval": f"{EVERY_S}s",
            "input_series": [
                {"series": name, "values": _values(case, *each)}
                for name, each in case.series.items()
            ],
            "promql_expr_test": list(_asked(case)),
        }
        for case in CASES
    ]
    every = f"{EVERY_S}s"
    return json.dumps({"rule_files": [rules], "evaluation_interval": every, "tests": tests})
