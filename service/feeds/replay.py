"""Plays a tape in order, skipping nothing: in real time, faster, or as fast as it is taken."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Literal

from service.feeds.sinks import MarkSink, Tally
from service.feeds.tape import Frame, MarkDoc

Timestamps = Literal["keep", "drop"]

BATCH_MARKS = 1_000
LATE_S = 0.005  # frames this close to being due travel with the ones before them


def laps(open_tape: Callable[[], Iterable[Frame]], loop: bool) -> Iterator[Frame]:
    """The tape once, or over and over; each lap's times are moved on, so time never runs back."""
    shift_ms = 0
    while True:
        first_ms: int | None = None
        last_ms: int | None = None
        empty = True
        for frame in open_tape():
            empty = False
            moved = _shifted(frame, shift_ms)
            first_ms = moved.time_ms if first_ms is None else first_ms
            last_ms = moved.time_ms if moved.time_ms is not None else last_ms
            yield moved
        if not loop or empty:
            return
        if first_ms is not None and last_ms is not None:
            shift_ms += last_ms - first_ms + 1_000


async def play(
    frames: Iterable[Frame],
    sink: MarkSink,
    tally: Tally,
    *,
    pace: float = 1.0,
    timestamps: Timestamps = "keep",
    on_sent: Callable[[int | None], None] = lambda _time_ms: None,
) -> None:
    """Send every mark of `frames` in order and count in `tally` what became of them.

    `pace` is tape seconds a second; 0 is as fast as the sink answers. "drop" leaves the tape's own
    timestamps out: the service stamps the marks as they arrive. `on_sent` is told the tape's
    time after each batch.
    """
    async for time_ms, marks in _batches(frames, pace):
        sent = marks if timestamps == "keep" else [_without_time(mark) for mark in marks]
        tally.add(await sink.send(sent))
        on_sent(time_ms)


async def _batches(
    frames: Iterable[Frame], pace: float
) -> AsyncIterator[tuple[int | None, list[MarkDoc]]]:
    """Join frames that are due together; yield when full, or before a wait for the next one."""
    loop = asyncio.get_running_loop()
    started_s, first_ms = loop.time(), None
    pending: list[MarkDoc] = []
    newest_ms: int | None = None
    for frame in frames:
        first_ms = frame.time_ms if first_ms is None else first_ms
        if pace > 0.0 and frame.time_ms is not None and first_ms is not None:
            due_s = started_s + (frame.time_ms - first_ms) / 1_000.0 / pace
            if due_s > loop.time() + LATE_S:
                if pending:
                    yield newest_ms, pending
                    pending = []
                await asyncio.sleep(max(0.0, due_s - loop.time()))
        newest_ms = frame.time_ms
        pending = [*pending, *frame.marks] if pending else list(frame.marks)
        if len(pending) >= BATCH_MARKS:
            yield newest_ms, pending
            pending = []
    if pending:
        yield newest_ms, pending


def _shifted(frame: Frame, shift_ms: int) -> Frame:
    if not shift_ms or frame.time_ms is None:
        return frame
    marks: list[MarkDoc] = [
        {**mark, "timestamp": int(mark["timestamp"]) + shift_ms} if "timestamp" in mark else mark
        for mark in frame.marks
    ]
    return Frame(frame.time_ms + shift_ms, marks)


def _without_time(mark: MarkDoc) -> MarkDoc:
    return {name: value for name, value in mark.items() if name != "timestamp"}
