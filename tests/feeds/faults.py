"""Every venue under every fault: what got through, what was refused and why, how soon it was well.

A case runs the real feed against a venue on loopback: healthy at first, then the fault until it
shows, then healthy again until every symbol has a new mark.
"""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, get_args

import orjson

from service.contract.marks import decode_mark
from service.feeds.catalogue import FEEDS
from service.feeds.connection import Origins, Pace
from service.feeds.live import LiveFeed
from service.feeds.sinks import MarkSink
from service.feeds.store_sink import StoreSink
from service.feeds.tape import MarkDoc
from service.feeds.venue import FeedName
from service.settings import Settings
from service.store.client import Client
from service.store.market_stream import MarketStream
from service.wiring import gate_of
from tests.feeds.venues.binance import BinanceDialect
from tests.feeds.venues.bybit import BybitDialect
from tests.feeds.venues.deribit import DeribitDialect
from tests.feeds.venues.hyperliquid import HyperliquidDialect
from tests.feeds.venues.krakenfutures import KrakenFuturesDialect
from tests.feeds.venues.mock import Dialect, Fault, MockVenue
from tests.feeds.venues.okx import OkxDialect

DIALECTS: dict[FeedName, Callable[[int], Dialect]] = {
    "binance": BinanceDialect,
    "bybit": BybitDialect,
    "okx": OkxDialect,
    "hyperliquid": HyperliquidDialect,
    "deribit": DeribitDialect,
    "krakenfutures": KrakenFuturesDialect,
}
FAULTS: tuple[Fault, ...] = get_args(Fault)
WITHIN_S = 10.0
POLL_S = 0.005
# Quick enough for a test; a venue is silent only when it says nothing for 50 ticks.
PACE = Pace(flush_s=0.01, delay_first_s=0.02, delay_max_s=0.1, silent_after_s=1.0)
FAR_OFF = 1.5  # a price that is so many times the true one is wrong


class Recorder:
    """Takes marks, and remembers those that were accepted: by a gate, else as they can be read."""

    def __init__(self, gate: MarkSink | None = None) -> None:
        self._gate = gate
        self.newest: dict[str, MarkDoc] = {}
        self.updates: Counter[str] = Counter()
        self.backwards = 0

    async def send(self, marks: Sequence[MarkDoc]) -> list[str | None]:
        answers: list[str | None] = [None] * len(marks)
        if self._gate is not None:
            answers = await self._gate.send(marks)
        for mark in (mark for mark, no in zip(marks, answers, strict=True) if no is None):
            decode_mark(orjson.dumps(mark))
            symbol = str(mark["symbol"])
            before = self.newest.get(symbol, mark)
            self.backwards += float(mark.get("timestamp", 0)) < float(before.get("timestamp", 0))
            self.newest[symbol] = mark
            self.updates[symbol] += 1
        return answers


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault did; `through` counts marks that went to the store while it lasted."""

    venue: FeedName
    fault: Fault
    through: int
    wrong: int  # symbols that had a price far from the true one
    backwards: int  # marks sent that were older than the ones before
    refused: dict[str, int]
    reconnects: int
    offset_ms: float | None
    recovered_s: float  # until all symbols have new marks; what heals by itself, from its beginning


@asynccontextmanager
async def at_work(run: Callable[[], Coroutine[Any, Any, object]]) -> AsyncIterator[None]:
    """Run a feed until the block ends."""
    work = asyncio.create_task(run())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.wait([work])


async def renewed(recorder: Recorder, times: int = 1) -> None:
    """Return once every symbol has so many new marks."""
    before = dict(recorder.updates)
    await until(lambda: all(recorder.updates[one] >= before[one] + times for one in before))


@asynccontextmanager
async def running(
    name: FeedName,
    count: int,
    pace: Pace = PACE,
    period_s: float = 0.02,
    ping_s: float = 20.0,
    *,
    gate: MarkSink | None = None,
) -> AsyncIterator[tuple[MockVenue, LiveFeed, Recorder]]:
    """Yield a venue of `count` markets, its feed at work, and what the feed sends."""
    async with MockVenue(DIALECTS[name](count), period_s).running() as venue:
        lines = tuple(dataclasses.replace(line, ping_every_s=ping_s) for line in FEEDS[name].lines)
        recorder = Recorder(gate)
        feed = LiveFeed(
            dataclasses.replace(FEEDS[name], lines=lines),
            recorder,
            pace=pace,
            origins=Origins(venue.origin),
        )
        async with at_work(feed.run):
            yield venue, feed, recorder


async def until(true: Callable[[], bool], within_s: float = WITHIN_S) -> float:
    """Poll until it is so; return the seconds it took."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - what is polled has no event
            await asyncio.sleep(POLL_S)
    return loop.time() - started_s


def gate_of_feeds(client: Client) -> MarkSink:
    """The way of a feed's marks into the market stream, by the settings' defaults."""
    settings = Settings()
    return StoreSink(MarketStream(client, gate_of(settings, settings.feed_mark_band)), 2.0)


async def case(name: FeedName, fault: Fault, gate: MarkSink, count: int = 8) -> Outcome:
    """Run one case: what goes through, goes through the gate too."""
    async with running(name, count, gate=gate) as (venue, feed, recorder):
        await until(lambda: set(recorder.newest) == set(venue.prices(0)))
        intake = feed.intake
        refused, sent = Counter(intake.refused), sum(recorder.updates.values())
        reconnects, tick = feed.figures().reconnects, venue.tick
        venue.fault = fault
        if fault == "cut":
            venue.cut()
        if fault == "silent":
            venue.mute()
        in_fault_tick = tick + 10 * len(venue.sessions)
        loses = fault in ("cut", "silent")

        def shown() -> bool:
            lost = feed.figures().reconnects > reconnects
            return venue.tick > in_fault_tick and (lost or not loses)

        down_s = await until(shown) if loses else 0.0
        await until(shown)
        truth = venue.prices(venue.tick)
        wrong = sum(
            not 1 / FAR_OFF < float(mark["markPrice"]) / truth[symbol] < FAR_OFF
            for symbol, mark in recorder.newest.items()
        )
        offset_ms = intake.clock_offset_ms()
        venue.fault = "none"
        healed = venue.prices(venue.tick + 2)
        recovered_s = down_s + await until(lambda: _all_as_new(recorder, healed))
        return Outcome(
            name,
            fault,
            sum(recorder.updates.values()) - sent,
            wrong,
            recorder.backwards,
            dict(intake.refused - refused),
            feed.figures().reconnects - reconnects,
            offset_ms,
            recovered_s,
        )


def _all_as_new(recorder: Recorder, prices: dict[str, float]) -> bool:
    return all(
        FAR_OFF * price > float(recorder.newest[symbol]["markPrice"]) >= price
        for symbol, price in prices.items()
    )
