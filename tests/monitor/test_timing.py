"""What an entry is said to have taken: all of it, whenever it was done."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from service.monitor.measures import SECONDS, Measures
from service.monitor.timing import Timing
from service.risk.model import Mark
from service.store.market_stream import MarketEntry
from tests.monitor.streams import put_mark
from tests.monitor.test_incremental import exhaust, monitor_of
from tests.monitor.test_shards import started, store_with
from tests.risk.building import BTC

LOOK_S = 7.0


def test_marks_judged_in_one_go_have_equal_shares_of_that_and_the_next_entry_has_none() -> None:
    measures = Measures()
    timing = Timing(measures)
    timing.looked_ahead(0, time.perf_counter() - 1_000.0)  # nothing could be judged ahead
    timing.looked_ahead(4, time.perf_counter() - 6.0)
    for market_id in range(1, 6):
        timing.end(timing.begin(MarketEntry(market_id, "c", 0, b""), 0), 0)
    told = measures.entry_seconds.told()
    assert told["sum"] == pytest.approx(6.0, abs=0.5)
    counts = dict(zip(SECONDS, told["counts"], strict=False))
    assert (counts[2.5], sum(told["counts"])) == (4, 5)


def test_looking_ahead_counts_among_what_entries_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on only where marks are judged ahead."""
    store = store_with(3)

    async def run() -> None:
        monitor = await started(store)
        now, look_ahead = [0.0], monitor.engine.look_ahead

        def looked_ahead(entries: Sequence[MarketEntry], first: int) -> int:
            judged = look_ahead(entries, first)
            now[0] += LOOK_S if judged else 0.0
            return judged

        monkeypatch.setattr(monitor.engine, "look_ahead", looked_ahead)
        monkeypatch.setattr(time, "perf_counter", lambda: now[0])
        before = monitor.measures.entry_seconds.told()["sum"]
        book = monitor_of(store).engine.book
        for price in (99.0, 98.0, 97.0):
            put_mark(Mark(BTC, price), 1_000)(store, book)
        await exhaust(monitor)
        assert now[0] >= LOOK_S, "nothing was judged ahead"
        assert monitor.measures.entry_seconds.told()["sum"] - before == pytest.approx(now[0])

    asyncio.run(run())
