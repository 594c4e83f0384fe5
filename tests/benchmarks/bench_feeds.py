"""What the marks of four venues cost: 500 symbols each, every second, into a real store.

The venues are a process of their own, the feeds this one, so that its processor time is theirs
alone. The notes say how often each symbol was updated, and what an hour of frames does to memory.
"""

import asyncio
import hashlib
import json
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from math import inf
from multiprocessing.connection import Connection
from pathlib import Path

import orjson
import uvloop

from service.contract.marks import decode_mark
from service.feeds.catalogue import FEEDS
from service.feeds.connection import Origins
from service.feeds.intake import Intake
from service.feeds.live import LiveFeed
from service.feeds.store_sink import StoreSink
from service.feeds.tape import MarkDoc
from service.feeds.venue import FeedName, Talk
from service.store.client import connect
from service.store.market_stream import MarketStream
from tests.benchmarks.harness import Measurement, Size, resident_bytes, timed
from tests.feeds.faults import DIALECTS
from tests.feeds.venues.mock import MockVenue, Quote, Session
from tests.valkey_server import ValkeyServer

VENUES: tuple[FeedName, ...] = ("binance", "bybit", "okx", "hyperliquid")
SEED = 0  # nothing is drawn
CORE_SHARE_MAX = 0.15
PARSE_MAX_S = 0.001
PARSE_ROUNDS = 41
WARM_UP_S = 3.0
STARTED_AFTER = 5  # seconds of the replay
START_MS = 1_700_000_000_000


class Counting:
    """Passes marks on and counts them by symbol."""

    def __init__(self, sink: StoreSink, updates: Counter[tuple[str, str]]) -> None:
        self._sink = sink
        self._updates = updates

    async def send(self, marks: Sequence[MarkDoc]) -> list[str | None]:
        codes = await self._sink.send(marks)
        self._updates.update((str(mark["venue"]), str(mark["symbol"])) for mark in marks)
        return codes


def run(size: Size) -> Iterator[Measurement]:
    symbols, seconds, frames = (100, 3, 60) if size == "small" else (500, 60, 3_600)
    yield _share(symbols, seconds)
    yield _parse(symbols)
    yield _hour(symbols, frames)


def _share(symbols: int, seconds: int) -> Measurement:
    """Processor time a second, against the budget."""
    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        ours, theirs = multiprocessing.Pipe()
        venues = multiprocessing.get_context("spawn").Process(
            target=_serve_venues, args=(theirs, symbols), daemon=True
        )
        venues.start()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                feeding = _feed(server.url, ours.recv(), seconds)
                used_s, updates, refused = runner.run(feeding)
        finally:
            venues.kill()
            venues.join()
            server.stop()
    assert len(updates) == symbols * len(VENUES), len(updates)
    assert not refused, refused
    notes = {
        "updates of a symbol, least": float(min(updates.values())),
        "updates of a symbol, most": float(max(updates.values())),
        "marks a second": sum(updates.values()) / seconds,
    }
    return Measurement(
        "feeds, a second of four venues",
        {"venues": len(VENUES), "symbols": symbols, "seconds": seconds},
        SEED,
        used_s / seconds,
        "the budget of 15 % of a core",
        CORE_SHARE_MAX,
        _hash(sorted(map(str, updates))),
        notes,
    )


def _serve_venues(told: Connection, symbols: int) -> None:
    async def serve() -> None:
        async with AsyncExitStack() as stack:
            origins = {}
            for name in VENUES:
                venue = MockVenue(DIALECTS[name](symbols), period_s=1.0)
                origins[name] = (await stack.enter_async_context(venue.running())).origin
            told.send(origins)
            await asyncio.Event().wait()

    asyncio.run(serve())


async def _feed(
    url: str, origins: dict[FeedName, str], seconds: int
) -> tuple[float, Counter[tuple[str, str]], dict[str, int]]:
    """Take marks; return the processor's seconds, updates by symbol, refusals by reason."""
    updates: Counter[tuple[str, str]] = Counter()
    async with connect(url) as client:
        stream = MarketStream(client)
        feeds = [
            LiveFeed(
                FEEDS[name],
                Counting(StoreSink(stream, 5.0), updates),
                origins=Origins(origins[name]),
            )
            for name in VENUES
        ]
        tasks = [asyncio.create_task(feed.run()) for feed in feeds]
        await asyncio.sleep(WARM_UP_S)
        updates.clear()
        began_s = time.process_time()
        await asyncio.sleep(seconds)
        used_s = time.process_time() - began_s
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    refused: Counter[str] = Counter()
    for feed in feeds:
        refused.update(feed.figures().refused)
    return used_s, Counter(updates), dict(refused)


def _parse(symbols: int) -> Measurement:
    """One frame of all symbols, taken; against the standard library's reader of JSON alone."""
    tape = Tape("binance", symbols)
    seconds = iter(range(1, PARSE_ROUNDS + 1))
    frames: list[str] = []

    def next_frame() -> None:
        frames[:] = tape.frames(next(seconds))

    least_s = inf

    def hear() -> None:
        nonlocal least_s
        began_s = time.perf_counter()
        tape.hear(frames)
        least_s = min(least_s, time.perf_counter() - began_s)

    ours_s, _ = timed(hear, PARSE_ROUNDS, next_frame)
    marks = tape.drain()
    assert len(marks) == symbols
    base_s, _ = timed(lambda: json.loads(frames[0]), PARSE_ROUNDS)
    return Measurement(
        "feeds, a frame",
        {"symbols": len(marks)},
        SEED,
        ours_s,
        "json.loads of it",
        base_s,
        _hash([str(mark["symbol"]) for mark in marks]),
        {"budget s": PARSE_MAX_S, "least s": least_s},
    )


def _hour(symbols: int, frames: int) -> Measurement:
    """Frames of so many seconds of all venues, one after the other; the notes have the memory.

    "Start" is after the first frames: what a symbol needs to be known is there by then.
    """
    tapes = [Tape(name, symbols) for name in VENUES]
    updates: Counter[tuple[str, str]] = Counter()
    resident: dict[int, int] = {}
    began_s = time.perf_counter()
    for second in range(frames):
        for tape in tapes:
            tape.hear(tape.frames(second))
            marks = tape.drain()
            updates.update((str(mark["venue"]), str(mark["symbol"])) for mark in marks)
        decode_mark(orjson.dumps(marks[0]))
        if second in (STARTED_AFTER, frames // 4, frames - 1):
            resident[second] = resident_bytes(os.getpid())
    assert len(updates) == sum(tape.wanted for tape in tapes), len(updates)
    start, quarter, end = (bytes_ / 2**20 for _, bytes_ in sorted(resident.items()))
    return Measurement(
        "feeds, frames replayed",
        {"venues": len(VENUES), "symbols": symbols, "seconds": frames},
        SEED,
        time.perf_counter() - began_s,
        "as they come",
        float(frames),
        _hash([str(updates.total())]),
        {
            "MiB at the start": start,
            "MiB after a quarter": quarter,
            "MiB at the end": end,
            "updates of a symbol, least": float(min(updates.values())),
            "updates of a symbol, most": float(max(updates.values())),
        },
    )


class Tape:
    """A venue's frames without its socket: `frames` of a second, and what the talk hears of them.

    Of binance it is the line that has all markets in one frame.
    """

    def __init__(self, name: FeedName, symbols: int) -> None:
        path = "/market/ws/!markPrice@arr@1s" if name == "binance" else "/"
        others = min(symbols, 200) if name == "binance" else 0  # COIN-M is another line
        self._dialect = DIALECTS[name](symbols + others)
        self._session = Session(path)
        self._now_ms = START_MS
        self._intake = Intake(FEEDS[name].venue, now_ms=lambda: self._now_ms)
        markets = {one: self._dialect.symbol(one) for one in self._dialect.markets}
        listed = {} if name == "binance" else markets
        self._talk: Talk = FEEDS[name].lines[0].talk(self._intake, listed)
        list(self._dialect.opened(self._session))
        said = [] if name == "binance" else list(self._talk.opening())
        while said:  # the conversation that leads to the subscriptions
            said = [
                reply
                for text in said
                for answer in self._dialect.answer(self._session, text)
                for reply in self._talk.hear(answer)
            ]
        self.wanted = len(self._session.wanted)

    def frames(self, second: int) -> list[str]:
        """Return the frames of a second, which begins now."""
        self._now_ms = START_MS + 1_000 * second
        price = repr(100.0 + second / 1_000.0)
        quotes = [Quote(market, price, self._now_ms) for market in self._dialect.markets]
        return list(self._dialect.frames(self._session, quotes))

    def hear(self, frames: Sequence[str]) -> None:
        """Take the frames."""
        self._now_ms += 1
        for frame in frames:
            self._intake.begin_frame()
            self._talk.hear(frame)

    def drain(self) -> list[MarkDoc]:
        """Return the marks that would go out."""
        return self._intake.drain()


def _hash(words: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
