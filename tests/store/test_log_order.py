"""Many shards' logs read as one: in order, nothing twice, nothing left out, however it is read."""

import random
from collections.abc import Sequence
from itertools import groupby
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.store.log_entries import LogEntry, Rank, Run, join_alerts
from service.store.log_order import LogGap, LogOrder

SHARDS = 3
Alert: TypeAlias = tuple[Rank, str, int]  # rank, account key, which of several


def place(alert: Alert) -> tuple[int, int, int, str, int]:
    rank, key, number = alert
    return rank.market_id, rank.round, -rank.level, key, number


def encoded(alert: Alert) -> bytes:
    return repr(place(alert)).encode()


def shard_of(alert: Alert) -> int:
    return int(alert[1]) % SHARDS


def entries_of(alerts: Sequence[Alert], chance: random.Random) -> list[LogEntry]:
    """A shard's log: its alerts in entries of one to four."""
    entries: list[LogEntry] = []
    first = 0
    while first < len(alerts):
        part = alerts[first : first + chance.randrange(1, 5)]
        runs = [Run(rank, len(list(run))) for rank, run in groupby(each[0] for each in part)]
        keys, last = [each[1] for each in part], first + len(part)
        array = join_alerts([encoded(each) for each in part])
        entries.append(LogEntry(first + 1, last, keys, array, runs))
        first = last
    return entries


def read(entries: Sequence[LogEntry], after: int, count: int) -> list[LogEntry]:
    return [entry for entry in entries if entry.offset_last > after][:count]


alerts_of_all = st.lists(
    st.tuples(
        st.builds(Rank, st.integers(1, 3), st.integers(0, 1), st.integers(0, 5)),
        st.integers(0, 20).map(str),
        st.integers(0, 2),
    ),
    unique=True,
    max_size=60,
).map(lambda found: sorted(found, key=place))


@given(alerts_of_all, st.randoms(use_true_random=False))
def test_all_shards_are_one_log_whatever_is_read_at_a_time(
    alerts: list[Alert], chance: random.Random
) -> None:
    by_shard = [[each for each in alerts if shard_of(each) == shard] for shard in range(SHARDS)]
    logs = [entries_of(mine, chance) for mine in by_shard]
    order, got = LogOrder([0] * SHARDS), list[bytes]()
    ends = [0] * SHARDS
    while len(got) < len(alerts):
        before = len(got)
        ends = [
            chance.randrange(end, len(mine) + 1) for end, mine in zip(ends, by_shard, strict=True)
        ]
        there = [each for mine, end in zip(by_shard, ends, strict=True) for each in mine[:end]]
        while len(got) < len(there):
            for shard, after in order.wanted(ends):
                assert order.add(
                    shard, read(logs[shard], after, chance.randrange(1, 4)), ends[shard]
                )
            part = order.take(ends)
            assert part.offsets(len(part.keys)) == order.offsets
            got += part.alerts
        new = sorted(
            set(there) - {each for each in alerts if encoded(each) in got[:before]}, key=place
        )
        assert got[before:] == [encoded(each) for each in new]
        assert order.offsets == tuple(ends)


@given(alerts_of_all, st.randoms(use_true_random=False))
def test_who_goes_on_from_any_place_hears_the_rest(
    alerts: list[Alert], chance: random.Random
) -> None:
    by_shard = [[each for each in alerts if shard_of(each) == shard] for shard in range(SHARDS)]
    logs = [entries_of(mine, chance) for mine in by_shard]
    ends = [len(mine) for mine in by_shard]
    whole = LogOrder([0] * SHARDS)
    for shard, after in whole.wanted(ends):
        whole.add(shard, read(logs[shard], after, 100), ends[shard])
    everything = whole.take(ends)
    heard = chance.randrange(len(alerts) + 1)
    rest = LogOrder(everything.offsets(heard))
    for shard, after in rest.wanted(ends):
        rest.add(shard, read(logs[shard], after, 100), ends[shard])
    assert everything.alerts[:heard] + rest.take(ends).alerts == [encoded(each) for each in alerts]


def test_what_is_gone_from_the_log_is_noticed() -> None:
    order, rank = LogOrder([4]), Rank(1, 0, 2)
    with pytest.raises(LogGap):
        order.add(0, [LogEntry(6, 6, ["1"], b"[x]", [Run(rank, 1)])], 6)
    assert not order.add(0, [], 6)
    assert order.add(0, [LogEntry(4, 5, ["1", "2"], b"[x,\ny]", [Run(rank, 2)])], 6)
    assert order.take([5]).alerts == [b"y"]
