"""The worker's picture of the markets: instruments and newest marks, from the market stream.

A worker holds no book; this is all it remembers, and it is rebuilt from Redis whenever the way to
it was lost. While Redis is away the last picture stays, growing old honestly. Who wrote something
waits by `reached` until the picture has it, so that a client reads its own writes.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable
from typing import Literal, Protocol

from service.contract.decoding import unreadable_left_out
from service.contract.instruments import decode_instrument
from service.contract.marks import decode_mark
from service.contract.quality import QualityEntry, read_quality
from service.errors import StoreUnavailable
from service.risk.markets import MarketTable
from service.risk.model import Instrument, Mark
from service.risk.quality import GOOD, Quality
from service.store.market_stream import MarketEntry, MarketPicture, NewestMark

BLOCK_MS = 1_000
ENTRIES_A_READ = 1_000
_PAUSE_FIRST_S = 0.05
_PAUSE_MAX_S = 1.0
_log = logging.getLogger("plimsoll.api")


class MarketReader(Protocol):
    """What following needs of the market stream."""

    async def picture(self) -> MarketPicture: ...

    async def read(
        self, after: int, count: int = 1_000, block_ms: int = 0
    ) -> list[MarketEntry]: ...

    async def tail(self) -> tuple[int, int]: ...


class MarketListener(Protocol):
    """Who is told of every entry too; both return at once."""

    def market_picture(self, marks: list[NewestMark]) -> None: ...

    def market_entry(self, entry: MarketEntry) -> None: ...


class MarkTaker(Protocol):
    """Who makes something of every mark; both return at once."""

    def take(self, mark: Mark, time_ms: int) -> None: ...

    def lose(self) -> None: ...


class MarkMaker(Protocol):
    """Who makes marks of what others say; both return at once."""

    def list(self, instrument: Instrument) -> None: ...

    def observe(self, mark: Mark, market_id: int, now_ms: int) -> None: ...


class MarketFollower:
    """`table` is the picture; `ready` says that it is complete and being kept."""

    def __init__(
        self,
        stream: MarketReader,
        pegged_assets: Iterable[str] = (),
        event_time: Literal["received", "source"] = "received",
    ) -> None:
        self._stream = stream
        self._pegged = tuple(pegged_assets)
        self.listener: MarketListener | None = None  # is told of every entry too
        self.taker: MarkTaker | None = None  # of every mark, and when some were missed
        self.maker: MarkMaker | None = None  # of instruments and of what marks are made of
        self._moved = asyncio.Condition()
        self._by_source = event_time == "source"
        self._event_time_ms = 0
        self.table = MarketTable(pegged=self._pegged)
        self.newest: dict[tuple[str, str], NewestMark] = {}
        self.market_id = 0
        self.known = False  # there was a picture once, so an unknown symbol is truly unknown
        self.ready = False
        self._heard_at = float("nan")  # our clock, when the newest mark came

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            await self._follow()
        finally:
            self.ready = False

    async def _follow(self) -> None:
        pause_s = _PAUSE_FIRST_S
        while True:
            try:
                await self._start()
                pause_s = _PAUSE_FIRST_S
                while await self._step():
                    pass
            except StoreUnavailable as error:
                if self.ready:
                    _log.warning("markets: lost the stream: %s", error)
            self.ready = False
            await asyncio.sleep(pause_s)
            pause_s = min(2.0 * pause_s, _PAUSE_MAX_S)

    async def reached(self, market_id: int, timeout_s: float) -> bool:
        """Wait until there is a picture that has an entry; False when that took too long."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self.known and self.market_id >= market_id)
        except TimeoutError:
            return False
        return True

    async def catch_up(self, timeout_s: float) -> None:
        """Wait until the picture has all that is in the stream: another worker may have added."""
        newest, _ = await self._stream.tail()
        await self.reached(newest, timeout_s)

    def clock_ms(self) -> int:
        """Return the time that marks' ages are counted to: ours, or the newest of the sources."""
        return self._event_time_ms if self._by_source else int(time.time() * 1_000)

    def newest_age_s(self) -> float:
        """Return the seconds since any mark came; NaN before the first."""
        return time.monotonic() - self._heard_at

    def stale(self) -> list[str]:
        """Return "venue symbol" of every symbol whose marks are stale."""
        return sorted(f"{mark.venue} {mark.symbol}" for mark in self.newest.values() if mark.stale)

    def qualities(self) -> Counter[Quality]:
        """Return how many symbols are of each quality."""
        return Counter(mark.verdict.quality for mark in self.newest.values())

    async def _start(self) -> None:
        picture = await self._stream.picture()
        table = MarketTable(pegged=self._pegged)
        marks = {}
        for _venue, _symbol, doc in picture.instruments:
            with unreadable_left_out(_log):
                self._list(table, doc)
        for mark in picture.marks:
            with unreadable_left_out(_log):
                table.put_mark(decode_mark(mark.payload), mark.event_time_ms)
                table.judge_marks(mark.venue, mark.symbol, mark.verdict)
                marks[(mark.venue, mark.symbol)] = mark
        self.table, self.newest = table, marks
        self._event_time_ms = picture.event_time_ms
        self.known = self.ready = True
        if self.listener is not None:
            self.listener.market_picture(list(marks.values()))
        if self.taker is not None:
            self.taker.lose()
        await self._move(picture.market_id)

    async def _step(self) -> bool:
        """Take the next entries; False when they do not go on from here: a trim, a new stream, or
        a leap of its ids (`settle_store.lua`), which may be followed by silence."""
        entries = await self._stream.read(self.market_id, ENTRIES_A_READ, BLOCK_MS)
        if not entries:
            newest, _ = await self._stream.tail()
            if newest <= self.market_id:
                return newest == self.market_id
            entries = await self._stream.read(self.market_id, ENTRIES_A_READ)
            if not entries:
                return False
        if entries[0].market_id != self.market_id + 1:
            return False
        for entry in entries:
            self._event_time_ms = entry.event_time_ms
            with unreadable_left_out(_log):
                self._apply(entry)
                if self.listener is not None:
                    self.listener.market_entry(entry)
        await self._move(entries[-1].market_id)
        return True

    async def _move(self, market_id: int) -> None:
        self.market_id = market_id
        async with self._moved:
            self._moved.notify_all()

    def _apply(self, entry: MarketEntry) -> None:
        if entry.kind == "m":
            mark = decode_mark(entry.payload)
            self.table.put_mark(mark, entry.event_time_ms)
            if self.taker is not None:
                self.taker.take(mark, entry.event_time_ms)
            self._heard_at = time.monotonic()
            before = self.newest.get((mark.venue, mark.symbol))
            self.newest[(mark.venue, mark.symbol)] = NewestMark(
                mark.venue,
                mark.symbol,
                entry.market_id,
                entry.event_time_ms,
                GOOD if before is None else before.verdict,
                entry.payload,
            )
        elif entry.kind == "i":
            self._list(self.table, entry.payload)
        elif entry.kind == "o" and self.maker is not None:
            mark = decode_mark(entry.payload)
            self.maker.observe(mark, entry.market_id, entry.event_time_ms)
        elif entry.kind == "q":
            self._apply_quality(read_quality(entry.payload))

    def _list(self, table: MarketTable, document: bytes) -> None:
        instrument = decode_instrument(document)
        table.put_instrument(instrument)
        if self.maker is not None:
            self.maker.list(instrument)

    def _apply_quality(self, word: QualityEntry) -> None:
        self.table.judge_marks(word.venue, word.symbol, word.verdict)
        mark = self.newest.get((word.venue, word.symbol))
        if mark is not None:
            key = (mark.venue, mark.symbol)
            place = (mark.market_id, mark.event_time_ms)
            self.newest[key] = NewestMark(*key, *place, word.verdict, mark.payload)
