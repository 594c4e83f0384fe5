"""The shards' logs as one: in the pinned order, whatever was read of which shard when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.store.log_entries import LogEntry, Rank, Run, join_alerts
from service.store.log_order import LogGap, LogOrder
from tests.strategies import effort

SHARDS = 3


def entry(last: int, *alerts: tuple[int, str]) -> LogEntry:
    """An entry that ends at offset `last`, of (market id, account key)s in their order."""
    keys = [key for _, key in alerts]
    told = join_alerts([f'"{market}:{key}"'.encode() for market, key in alerts])
    runs = [Run(Rank(market, 0, 2), 1) for market, _ in alerts]
    return LogEntry(last - len(alerts) + 1, last, keys, told, runs)


def test_entries_beyond_the_end_are_left_for_the_next_reading() -> None:
    order = LogOrder([0])
    entries = [entry(1, (1, "a")), entry(2, (2, "a")), entry(3, (3, "a"))]
    assert order.add(0, entries, 1)
    assert order.take([1]).keys == ["a"]
    assert order.wanted([3]) == [(0, 1)]
    order.add(0, entries[1:], 3)
    assert order.take([3]).keys == ["a", "a"]
    assert order.offsets == (3,)


def test_a_gap_before_the_end_is_told() -> None:
    order = LogOrder([0])
    with pytest.raises(LogGap):
        order.add(0, [entry(2, (2, "a"))], 2)


histories = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, SHARDS - 1), st.sampled_from("abc")), max_size=30
)


@given(histories, st.data())
@effort(100, 2_000)
def test_any_reading_gives_the_pinned_order(
    history: list[tuple[int, int, str]], data: st.DataObject
) -> None:
    alerts = sorted({(market, f"{key}{shard}", shard) for market, shard, key in history})
    logs = [[(market, key) for market, key, of in alerts if of == shard] for shard in range(SHARDS)]
    order, heard, ends = LogOrder([0] * SHARDS), list[str](), [len(log) for log in logs]
    while list(order.offsets) != ends:
        for shard, after in order.wanted(ends):
            size, part = data.draw(st.integers(1, 3)), logs[shard][after:]
            entries = [
                entry(after + len(part[: start + size]), *part[start : start + size])
                for start in range(0, len(part), size)
            ]
            order.add(shard, entries[: data.draw(st.integers(1, 4))], ends[shard])
        heard += [alert.decode() for alert in order.take(ends).alerts]
    assert heard == [f'"{market}:{key}"' for market, key, _ in alerts]
