"""The worker's picture: quality, and starting over after a trim or without a store."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from service.api.follower import MarketFollower
from service.errors import StoreUnavailable
from service.risk.quality import GOOD
from service.store.market_stream import MarketEntry, MarketPicture, NewestMark

pytestmark = pytest.mark.anyio

MARK = b'{"symbol":"A","venue":"okx","markPrice":%d}'
WAIT_S = 10.0


class Script:
    """A market stream that says what it is told to say, then nothing more."""

    def __init__(
        self, *readings: list[MarketEntry] | StoreUnavailable, more: Sequence[NewestMark] = ()
    ) -> None:
        self._more = more
        self.pictures: list[int] = []
        self.asked: list[int] = []
        self.newest = 0
        self._readings = list(readings)

    async def picture(self) -> MarketPicture:
        market_id = 9 if self.pictures else 4
        self.pictures.append(market_id)
        mark = NewestMark("okx", "A", market_id, 400, GOOD, MARK % market_id)
        return MarketPicture(market_id, 400, [*self._more, mark], [])

    async def tail(self) -> tuple[int, int]:
        return self.newest, 400

    async def read(self, after: int, *_: int) -> list[MarketEntry]:
        self.asked.append(after)
        if not self._readings:
            await asyncio.Event().wait()
        reading = self._readings.pop(0)
        if isinstance(reading, StoreUnavailable):
            raise reading
        return reading


@contextlib.asynccontextmanager
async def following(script: Script) -> AsyncIterator[MarketFollower]:
    follower = MarketFollower(script)
    task = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        task.cancel()


STALE, FINE = b'"quality":"stale","allows":"call"', b'"quality":"good","allows":"liquidate"'


def quality(market_id: int, words: bytes) -> MarketEntry:
    return MarketEntry(market_id, "q", 500, b'{"venue":"okx","symbol":"A",%s}' % words)


async def test_quality_is_kept_until_it_is_said_to_be_better() -> None:
    bad = [quality(5, STALE), MarketEntry(6, "m", 600, MARK % 2)]
    async with following(Script(bad)) as follower:
        assert await follower.reached(6, WAIT_S)
        newest = follower.newest[("okx", "A")]
        assert (newest.stale, newest.payload, newest.market_id) == (True, MARK % 2, 6)
        assert follower.stale() == ["okx A"]
    async with following(Script(bad, [quality(7, FINE)])) as follower:
        assert await follower.reached(7, WAIT_S)
        assert follower.stale() == []
        assert follower.newest_age_s() < WAIT_S


async def test_entries_that_were_trimmed_make_it_start_over() -> None:
    script = Script([MarketEntry(8, "c", 800, b"{}")])
    async with following(script) as follower:
        assert await follower.reached(9, WAIT_S)
        assert script.pictures == [4, 9]
        assert follower.newest[("okx", "A")].payload == MARK % 9


async def test_a_leap_of_the_ids_is_noticed_though_nothing_follows() -> None:
    script = Script([], [])
    script.newest = 9
    async with following(script) as follower:
        assert await follower.reached(9, WAIT_S)
        assert script.pictures == [4, 9]


async def test_what_comes_between_two_looks_is_no_leap() -> None:
    script = Script([], [MarketEntry(5, "m", 500, MARK % 2)])
    script.newest = 5
    async with following(script) as follower:
        assert await follower.reached(5, WAIT_S)
        assert script.pictures == [4]


async def test_another_stream_is_noticed() -> None:
    script = Script([])
    async with following(script) as follower:
        assert await follower.reached(9, WAIT_S)
    assert script.pictures == [4, 9]


async def test_what_cannot_be_read_is_left_out() -> None:
    entries = [
        MarketEntry(5, "m", 500, b'{"symbol":"A","markPrice":-1}'),
        MarketEntry(6, "i", 600, b"{}"),
        MarketEntry(7, "q", 700, b"nonsense"),
        MarketEntry(8, "m", 800, MARK % 3),
    ]
    async with following(Script(entries)) as follower:
        assert await follower.reached(8, WAIT_S)
        assert follower.newest[("okx", "A")].payload == MARK % 3


class Heard:
    """Who is told of every entry, and cannot read one of them."""

    def __init__(self) -> None:
        self.marks: list[NewestMark] = []
        self.entries: list[int] = []

    def market_picture(self, marks: list[NewestMark]) -> None:
        self.marks = marks

    def market_entry(self, entry: MarketEntry) -> None:
        if entry.market_id == 5:
            raise msgspec.ValidationError("a field of another version")
        self.entries.append(entry.market_id)


async def test_who_is_told_is_told_of_what_can_be_read() -> None:
    nonsense = NewestMark("generic", "X", 3, 300, GOOD, b'{"nonsense":1}')
    entries = [MarketEntry(5, "m", 500, MARK % 2), MarketEntry(6, "m", 600, MARK % 3)]
    follower = MarketFollower(Script(entries, more=[nonsense]))
    follower.listener = heard = Heard()
    task = asyncio.create_task(follower.run())
    assert await follower.reached(6, WAIT_S)
    assert [mark.symbol for mark in heard.marks] == ["A"]
    assert heard.entries == [6]
    assert follower.ready
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not follower.ready


async def test_it_comes_back_when_the_store_does() -> None:
    script = Script(StoreUnavailable("gone"))
    async with following(script) as follower:
        assert await follower.reached(4, WAIT_S)
        assert await follower.reached(9, WAIT_S)
        assert follower.ready


async def test_what_never_comes_is_not_waited_for_long() -> None:
    async with following(Script()) as follower:
        assert not await follower.reached(5, 0.01)
    assert not await MarketFollower(Script()).reached(0, 0.01)
