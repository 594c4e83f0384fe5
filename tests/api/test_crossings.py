"""Who watches the bands hears of each crossing of a market's volatility: once, and as others do."""

from collections.abc import Iterable

import pytest

from service.contract.marks import encode_mark
from service.risk.conditions import Condition, Crossing
from service.risk.model import Mark
from service.store.market_stream import MarketStream, NewMark
from tests.api.test_moves import BTC, Feed, streams, up_to, working

pytestmark = pytest.mark.anyio


class Heard:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.crossings: list[Crossing] = []
        self.standing: list[list[Crossing]] = []

    def crossed(self, crossing: Crossing) -> None:
        self.crossings.append(crossing)

    def settled(self, standing: Iterable[Crossing]) -> None:
        self.standing.append([each for each in standing if each.symbol == BTC])


async def stand_still(stream: MarketStream, feed: Feed, minutes: int) -> int:
    """Append a mark every ten seconds at one price."""
    price, marks = feed.prices[-1][0], []
    for _ in range(6 * minutes):
        feed.time_ms += 10_000
        payload = encode_mark(Mark(BTC, price, timestamp_ms=feed.time_ms))
        marks.append(NewMark("generic", BTC, payload, feed.time_ms))
    newest = (await stream.append_marks(marks))[-1]
    assert isinstance(newest, int)
    return newest


async def test_a_market_that_rages_and_calms_down_crosses_twice(redis_url: str) -> None:
    """A walk of 560 % a year for minutes, then none: half of the variance goes in 15 minutes."""
    async with streams(redis_url) as (stream, store), streams(redis_url) as (other, others):
        feed, heard, later = Feed(stream), Heard(), Heard()
        await feed.run(1)
        async with working(stream, store, heard) as first:
            began_ms = feed.time_ms
            newest = await feed.run(600)
            await up_to(first.picture, first, newest)  # type: ignore[arg-type]
            first.judge()
            [left] = heard.crossings
            assert (left.symbol, left.condition) == (BTC, Condition.VOLATILE)
            assert left.is_outside
            assert left.value is not None
            assert left.value > left.limit == 4.0
            assert began_ms < left.time_ms <= feed.time_ms
            async with working(other, others, later) as second:
                newest = await stand_still(stream, feed, 40)
                for moves in (first, second):
                    await up_to(moves.picture, moves, newest)  # type: ignore[arg-type]
                    moves.judge()
        assert heard.crossings[1:] == later.crossings
        [back] = later.crossings
        assert not back.is_outside
        assert back.value is not None
        assert 2.5 < back.value <= 3.2
        volatile, diverged = later.standing[-1]
        assert (volatile.is_outside, diverged.is_outside) == (True, False)
