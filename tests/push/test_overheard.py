"""Entries that come with a wake-up: taken where they follow, else the log is read."""

import random
from collections.abc import Sequence

import pytest

from service.push.overheard import Overheard
from service.store.log_entries import LogEntry, Rank, Run

pytestmark = pytest.mark.anyio


def entry(first: int, last: int) -> LogEntry:
    many = last - first + 1
    alerts = b"[" + b",\n".join(b"%d" % each for each in range(first, last + 1)) + b"]"
    return LogEntry(first, last, ["a"] * many, alerts, [Run(Rank(1, 0, 2), many)])


class Log:
    """Shards' logs, and what was asked of them."""

    def __init__(self, entries: dict[int, list[LogEntry]]) -> None:
        self.entries = entries
        self.asked: list[tuple[int, int]] = []

    async def read_many(
        self, positions: Sequence[tuple[int, int]], count: int
    ) -> list[list[LogEntry]]:
        self.asked += positions
        return [
            [each for each in self.entries[shard] if each.offset_last > after][:count]
            for shard, after in positions
        ]


async def test_what_follows_is_not_read() -> None:
    log = Log({})
    overheard = Overheard(log)
    overheard.take(1, [entry(4, 5), entry(6, 6)])
    overheard.take(2, [entry(1, 1)])
    found = await overheard.read_many([(1, 3), (2, 0)], 9)
    assert found == [[entry(4, 5), entry(6, 6)], [entry(1, 1)]]
    assert log.asked == []


async def test_one_that_the_reader_is_inside_of_follows_too() -> None:
    overheard = Overheard(Log({}))
    overheard.take(1, [entry(4, 5)])
    assert await overheard.read_many([(1, 4)], 9) == [[entry(4, 5)]]


async def test_behind_a_gap_the_log_is_read_and_nothing_is_given_twice() -> None:
    log = Log({1: [entry(4, 5), entry(6, 6)], 2: [entry(1, 1)]})
    overheard = Overheard(log)
    overheard.take(1, [entry(6, 6)])
    overheard.take(2, [entry(1, 1)])
    assert await overheard.read_many([(1, 3), (2, 0)], 9) == [log.entries[1], log.entries[2]]
    assert log.asked == [(1, 3)]
    log.entries[1].append(entry(7, 7))
    assert await overheard.read_many([(1, 6)], 9) == [[entry(7, 7)]]
    assert log.asked == [(1, 3), (1, 6)]


async def test_what_was_forgotten_is_read() -> None:
    log = Log({1: [entry(1, 1)]})
    overheard = Overheard(log)
    overheard.take(1, [entry(1, 2)])
    overheard.forget()
    assert await overheard.read_many([(1, 0)], 9) == [[entry(1, 1)]]


async def test_whatever_is_lost_or_comes_twice_the_reader_has_the_log() -> None:
    for seed in range(50):
        chance = random.Random(seed)
        ends = sorted(chance.sample(range(1, 300), 60))
        whole = [entry(first + 1, last) for first, last in zip([0, *ends], ends, strict=False)]
        log = Log({0: []})
        overheard, read_to, heard = Overheard(log), 0, 0
        for each in whole:
            log.entries[0].append(each)
            for _ in range(chance.choice((0, 1, 1, 1, 2))):
                overheard.take(0, [each])
            while chance.random() < 0.6 and read_to < each.offset_last:
                (found,) = await overheard.read_many([(0, read_to)], 3)
                assert [one.offset_first for one in found] == sorted(
                    one.offset_first for one in found
                )
                for one in found:
                    assert one.offset_first <= read_to + 1 <= one.offset_last
                    heard += one.offset_last - read_to
                    read_to = one.offset_last
        assert heard == read_to
        assert len(log.asked) < len(whole)
