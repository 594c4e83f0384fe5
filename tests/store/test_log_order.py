"""Many shards' logs read as one: in order, nothing twice, nothing left out, however it is read."""

import asyncio
import random
from collections.abc import Callable, Sequence
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


class Logs:
    """Shards' logs, of which so many entries are read at a time as `counts` says."""

    def __init__(self, logs: Sequence[Sequence[LogEntry]], counts: Callable[[], int]) -> None:
        self._logs, self._counts = logs, counts

    async def read_many(
        self, positions: Sequence[tuple[int, int]], count: int
    ) -> list[list[LogEntry]]:
        return [
            read(self._logs[shard], after, min(count, self._counts())) for shard, after in positions
        ]


def read_on(order: LogOrder, logs: Logs, ends: Sequence[int]) -> list[tuple[int, int]]:
    return asyncio.run(order.read(logs, ends))


def everything_of(order: LogOrder, logs: Logs, ends: Sequence[int]) -> list[bytes]:
    got: list[bytes] = []
    while order.offsets != tuple(ends):
        assert not read_on(order, logs, ends)
        got += order.take(ends).alerts
    return got


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
    logs = Logs([entries_of(mine, chance) for mine in by_shard], lambda: chance.randrange(1, 4))
    order, got = LogOrder([0] * SHARDS), list[bytes]()
    ends = [0] * SHARDS
    while len(got) < len(alerts):
        before = len(got)
        ends = [
            chance.randrange(end, len(mine) + 1) for end, mine in zip(ends, by_shard, strict=True)
        ]
        there = [each for mine, end in zip(by_shard, ends, strict=True) for each in mine[:end]]
        while len(got) < len(there):
            assert not read_on(order, logs, ends)
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
    logs = Logs([entries_of(mine, chance) for mine in by_shard], lambda: 100)
    ends = [len(mine) for mine in by_shard]
    whole, heard, before = LogOrder([0] * SHARDS), list[bytes](), tuple(ends)
    stop = chance.randrange(len(alerts) + 1)
    while len(heard) < stop:
        assert not read_on(whole, logs, ends)
        part = whole.take(ends)
        taken = min(stop - len(heard), len(part.alerts))
        heard += part.alerts[:taken]
        before = part.offsets(taken)
    rest = LogOrder(before if stop else [0] * SHARDS)
    assert heard + everything_of(rest, logs, ends) == [encoded(each) for each in alerts]


def test_what_is_gone_from_the_log_is_noticed() -> None:
    order, rank = LogOrder([4]), Rank(1, 0, 2)
    later = LogEntry(6, 6, ["1"], b"[x]", [Run(rank, 1)])
    here = LogEntry(4, 5, ["1", "2"], b"[x,\ny]", [Run(rank, 2)])
    with pytest.raises(LogGap):
        read_on(order, Logs([[later]], lambda: 1), [6])
    assert read_on(order, Logs([[]], lambda: 1), [6]) == [(0, 4)]
    assert not read_on(order, Logs([[here]], lambda: 1), [6])
    assert order.take([5]).alerts == [b"y"]
