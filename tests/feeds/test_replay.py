"""Replay: everything in order, at the pace that was asked for, lap after lap."""

import asyncio
from collections.abc import Sequence
from itertools import islice

import pytest

from service.feeds.replay import BATCH_MARKS, laps, play
from service.feeds.sinks import Tally
from service.feeds.tape import Frame, MarkDoc


class Taker:
    """A sink that keeps what it gets, with the loop's times; refuses what it is told."""

    def __init__(self, refuse: str | None = None) -> None:
        self.batches: list[tuple[float, list[MarkDoc]]] = []
        self._refuse = refuse

    async def send(self, marks: Sequence[MarkDoc]) -> list[str | None]:
        self.batches.append((asyncio.get_running_loop().time(), list(marks)))
        return [self._refuse] * len(marks)

    @property
    def marks(self) -> list[MarkDoc]:
        return [mark for _, batch in self.batches for mark in batch]


def frame(time_ms: int, count: int = 1) -> Frame:
    return Frame(
        time_ms,
        [{"symbol": f"S{n}", "markPrice": 1.0, "timestamp": time_ms} for n in range(count)],
    )


def test_as_fast_as_it_goes_sends_full_batches_in_order() -> None:
    frames = [frame(1_000 * n, 7) for n in range(400)]
    taker = Taker()
    tally = Tally()
    asyncio.run(play(frames, taker, tally, pace=0.0))

    assert tally.accepted == 2_800
    assert taker.marks == [mark for one in frames for mark in one.marks]
    assert len(taker.batches) == 3
    assert len(taker.batches[0][1]) >= BATCH_MARKS


def test_pace_divides_the_tapes_time() -> None:
    frames = [frame(1_000_000 + 1_000 * n) for n in range(5)]
    taker = Taker()
    asyncio.run(play(frames, taker, Tally(), pace=20.0))

    times = [time for time, _ in taker.batches]
    assert len(times) == 5
    assert times[-1] - times[0] >= 0.19


def test_frames_without_a_time_do_not_wait() -> None:
    frames = [Frame(None, [{"symbol": "A", "markPrice": 1.0}])] * 50
    taker = Taker()
    asyncio.run(play(frames, taker, Tally(), pace=1.0))

    assert len(taker.marks) == 50
    assert len(taker.batches) == 1


def test_dropped_timestamps_do_not_travel() -> None:
    taker = Taker()
    asyncio.run(play([frame(5)], taker, Tally(), pace=0.0, timestamps="drop"))

    assert taker.marks == [{"symbol": "S0", "markPrice": 1.0}]


def test_refusals_are_counted_by_code() -> None:
    seen: list[int | None] = []
    tally = Tally()
    sink = Taker("stale_timestamp")
    asyncio.run(play([frame(5, 3)], sink, tally, pace=0.0, on_sent=seen.append))

    assert (tally.accepted, dict(tally.refused)) == (0, {"stale_timestamp": 3})
    assert seen == [5]


def test_laps_move_time_on() -> None:
    tape = [frame(1_000), frame(3_000)]
    endless = laps(lambda: tape, loop=True)
    got = list(islice(endless, 6))

    assert [one.time_ms for one in got] == [1_000, 3_000, 4_000, 6_000, 7_000, 9_000]
    assert [one.marks[0]["timestamp"] for one in got] == [one.time_ms for one in got]


@pytest.mark.parametrize("loop", [True, False])
def test_an_empty_tape_ends(loop: bool) -> None:
    assert list(laps(list, loop)) == []


def test_one_lap_without_loop() -> None:
    assert list(laps(lambda: [frame(1)], loop=False)) == [frame(1)]
