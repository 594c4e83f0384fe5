"""How long a book takes, from an entry's event time until its alerts are in the log.

It fills the histograms, and makes the spans of marks that somebody follows. A commit's span is told
of in the log entries of the mark's alerts, so that whoever sends those goes on with the trace.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from service.monitor.measures import Measures
from service.monitor.outgoing import Commits
from service.store.alert_log import Commit
from service.store.market_stream import MarketEntry
from service.tracing import Span, Tracer, trace_of


@dataclass(slots=True)
class Taking:
    """An entry that is being taken, and when that began."""

    entry: MarketEntry
    now_ms: int
    began: float
    pools: int  # judged before it
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A lot of commits on its way: when it was sent, the event time of its oldest alert."""

    began: float
    oldest_ms: int | None
    spans: Mapping[int, Span]  # by market id, of marks that somebody follows


class Timing:
    """The clock of one book; it fills `measures`."""

    def __init__(self, measures: Measures, tracer: Tracer | None = None) -> None:
        self._measures = measures
        self._tracer = tracer
        self._ahead, self._ahead_s = 0, 0.0  # entries that were judged before they are taken; each
        self._oldest_ms: int | None = None  # of the alerts that were not sent yet
        self._followed: dict[int, str] = {}  # by market id, of alerts that were not sent yet

    def looked_ahead(self, entries: int, began: float) -> None:
        """So many entries were judged in one go since `began`: the next to be taken.

        Each has had its share of that when it is taken.
        """
        if entries:
            self._ahead, self._ahead_s = entries, (time.perf_counter() - began) / entries

    def begin(self, entry: MarketEntry, pools: int) -> Taking:
        """An entry is taken now, after so many pools were judged."""
        taking = Taking(entry, time.time_ns() // 1_000_000, time.perf_counter(), pools)
        if self._tracer is not None and entry.kind == "m" and (trace := trace_of(entry.payload)):
            market_id = entry.market_id
            taking.span = self._tracer.start("monitor.evaluate", trace, market_id=market_id)
        return taking

    def wrote(self, taking: Taking) -> None:
        """Alerts of it were written, which are sent with the next lot."""
        if self._oldest_ms is None:
            self._oldest_ms = taking.entry.event_time_ms
        if taking.span is not None:
            self._followed[taking.entry.market_id] = taking.span.traceparent

    def end(self, taking: Taking, pools: int) -> None:
        """The entry is taken, and so many pools were judged in all."""
        took_s = time.perf_counter() - taking.began
        if self._ahead:
            self._ahead -= 1
            took_s += self._ahead_s
        self._measures.entry_seconds.observe(took_s)
        self._measures.entry_pools.observe(pools - taking.pools)
        if taking.entry.kind == "m":
            age_ms = taking.now_ms - taking.entry.event_time_ms
            self._measures.mark_age_seconds.observe(age_ms / 1e3)
        if taking.span is not None:
            taking.span.about(pools=pools - taking.pools)
            taking.span.end()

    def send(self, commits: Commits) -> tuple[Commits, Sent]:
        """A lot is sent now; return it, with the traces of its alerts in it."""
        oldest_ms = None
        if any(commit.blocks for _, commit in commits):
            oldest_ms, self._oldest_ms = self._oldest_ms, None
        spans: dict[int, Span] = {}
        if self._tracer is not None and self._followed:
            told = {market_id for _, commit in commits for market_id in _told_of(commit)}
            for market_id in told & set(self._followed):
                trace = self._followed[market_id]
                spans[market_id] = self._tracer.start("monitor.commit", trace, market_id=market_id)
            commits = [(shard, _traced(commit, spans)) for shard, commit in commits]
            # The newest may still be being taken: more of its alerts follow.
            newest = max(self._followed)
            self._followed = {newest: self._followed[newest]}
        return commits, Sent(time.perf_counter(), oldest_ms, spans)

    def answered(self, sent: Sent) -> None:
        """The store has answered a lot."""
        self._measures.commit_seconds.observe(time.perf_counter() - sent.began)
        if sent.oldest_ms is not None:
            self._measures.tick_to_alert_seconds.observe(time.time() - sent.oldest_ms / 1e3)
        for span in sent.spans.values():
            span.end()


def _told_of(commit: Commit) -> set[int]:
    """Return the market ids of a commit's alerts."""
    return {run.rank.market_id for block in commit.blocks for run in block.runs}


def _traced(commit: Commit, spans: Mapping[int, Span]) -> Commit:
    """Return a commit whose blocks say which of their alerts somebody follows."""
    blocks = []
    for block in commit.blocks:
        told = {run.rank.market_id for run in block.runs} & set(spans)
        traces = {market_id: spans[market_id].traceparent for market_id in sorted(told)}
        blocks.append(replace(block, traces=traces))
    return replace(commit, blocks=blocks)
