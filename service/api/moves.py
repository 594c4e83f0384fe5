"""How much each market moves, live: one estimator for all workers, though each worker has it.

The estimate is a function of the market stream: whoever goes on from the same state over the same
entries has the same figures. So every worker follows the marks it follows anyway, and what is
shared is the state to go on from: kept in the store beside the marks, written by whichever worker
finds it old. A worker that starts takes it and reads the entries since. Where they are too many, or
gone, it first keeps a state that passes them over as a silence, and goes on from what is kept then:
what was passed over is passed over by all. Two workers differ by the entry they are at, nothing
else.

A mark that comes sooner than the rule samples costs a look into a dictionary, and what its market's
track notes of it: highs and lows, and how far it is from its index (`risk/conditions.py`).
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import numpy as np

from service.api.kept_moves import encode_state, read_state
from service.api.tracks import Tracks, Watcher
from service.contract.likelihood import VolatilityDocument
from service.contract.marks import decode_mark
from service.errors import InvalidInput, MalformedBody, StoreUnavailable
from service.risk.columns import Floats
from service.risk.conditions import Bands, Condition, MarketTrack, kept_tracks, restored_tracks
from service.risk.model import GENERIC_VENUE, Mark
from service.risk.volatility import (
    KNOWN,
    SECONDS_A_YEAR,
    TOO_FEW_MARKS,
    Volatility,
    VolatilityBook,
    rounds,
)
from service.store.market_stream import MarketEntry
from service.store.volatility import KeptVolatility

KEEP_S = 10.0  # a state that is older is written anew
WARM_UP_ENTRIES = 100_000  # of the stream that a start goes through: about a second of work
_ENTRIES_A_READ = 1_000
_RETURNS_AT_ONCE = 256  # columns are worth their while
_WAIT_S = 1.0
_NEVER_MS = -(2**62)
_log = logging.getLogger("plimsoll.api")

Key = tuple[str, str]  # venue, symbol


class Stream(Protocol):
    """What going on needs of the market stream."""

    async def read(
        self, after: int, count: int = 1_000, block_ms: int = 0
    ) -> list[MarketEntry]: ...

    async def tail(self) -> tuple[int, int]: ...


class Picture(Protocol):
    """What it needs of the worker's picture: how far that is."""

    market_id: int

    async def reached(self, market_id: int, timeout_s: float) -> bool: ...


class Store(Protocol):
    """Where the state is kept."""

    async def load(self) -> KeptVolatility | None: ...

    async def kept_id(self) -> int | None: ...

    async def keep(self, state: KeptVolatility, after: int | None) -> bool: ...


@dataclass(slots=True)
class Moves:
    """How some markets move, a row each; by its streamed marks or, `given`, the caller's word."""

    volatility: Volatility
    samples: list[int]  # returns that it is made of
    venue: list[str | None]  # whose marks they are; None: there are none
    given: list[bool]


class MarketMoves:
    """The volatility of all streamed markets as of where the worker's picture is."""

    def __init__(
        self, stream: Stream, picture: Picture, store: Store, bands: Bands | None = None
    ) -> None:
        self._stream, self.picture, self._store = stream, picture, store
        self.bands = bands or Bands()
        self.watcher: Watcher | None = None  # of bands, while this is live
        self._lost = asyncio.Event()
        self.live = False  # it has all that the picture has
        self._kept: int | None = None  # as of which id a state was kept, when we last looked
        self._begin(None)

    async def run(self) -> None:
        """Keep the figures, and the state in the store, until cancelled."""
        while True:
            try:
                if not self.live:
                    await self._join()
                elif not await self._is_lost_within(KEEP_S):
                    await self._keep()
            except StoreUnavailable:
                await asyncio.sleep(_WAIT_S)  # the picture's follower says that it is away

    async def _is_lost_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._lost.wait()
        return not self.live

    def lose(self) -> None:
        """The picture does not go on from where it was: what was missed has to be read."""
        self.live = False
        self._lost.set()

    def take(self, mark: Mark, time_ms: int) -> None:
        """Take a mark that the picture takes just now."""
        if self.live:
            self._observe(mark, time_ms)

    def look(
        self, markets: Sequence[Key], now_ms: int, given: Mapping[str, VolatilityDocument]
    ) -> Moves:
        """Return how markets move, by their own marks or else generic's, as accounts see them.

        What is `given` for a symbol goes first.
        """
        self._observe_due()
        nobody = len(self._numbers)
        keys = [key if key in self._numbers else (GENERIC_VENUE, key[1]) for key in markets]
        numbers = [self._numbers.get(key, nobody) for key in keys]
        rows = np.array(numbers, np.int64)
        found = self._book.read(rows, now_ms)
        if not self.live:
            found.state[:] = TOO_FEW_MARKS
        for row, (_, symbol) in enumerate(markets):
            if symbol in given:
                _put(found, row, given[symbol])
        known = [number < nobody for number in numbers]
        return Moves(
            found,
            self._book.returns(rows).tolist(),
            [key[0] if is_known else None for key, is_known in zip(keys, known, strict=True)],
            [symbol in given for _, symbol in markets],
        )

    def track(self, market: Key) -> MarketTrack | None:
        """Return what is known of a market, its own marks alone; None: nothing (yet)."""
        self._observe_due()
        number = self._numbers.get(market)
        return self._tracks[number] if self.live and number is not None else None

    def judge(self) -> None:
        """Hold the volatility of markets against its band as of every mark that came."""
        self._observe_due()

    def outside(self) -> Counter[Condition]:
        """Return how many markets are outside each band."""
        self._observe_due()
        return self._tracks.outside()

    def ewma_annual(self, markets: Sequence[Key]) -> Floats:
        """Return the volatility a year, without jumps, of markets' own marks; NaN: not known."""
        self._observe_due()
        nobody = len(self._numbers)
        numbers = [self._numbers.get(key, nobody) for key in markets]
        return self._book.ewma_annual(np.array(numbers, np.int64))

    def _observe(self, mark: Mark, time_ms: int) -> None:
        key = (mark.venue, mark.symbol)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._taken_ms)
            self._taken_ms.append(_NEVER_MS)
            self._tracks.list(key)
        self._tracks.take(number, mark, time_ms)
        if time_ms - self._taken_ms[number] < self._book.rule.sampling_ms:
            return  # the book would not take it either
        self._taken_ms[number] = time_ms
        ranges = self._tracks[number].range_annual()
        self._due.append((number, mark.mark_price, time_ms, ranges))
        if len(self._due) >= _RETURNS_AT_ONCE:
            self._observe_due()

    def _observe_due(self) -> None:
        if self._due:
            number, price, time_ms, ranges = map(np.array, zip(*self._due, strict=True))
            self._due.clear()
            for rows in rounds(number):
                self._book.observe(number[rows], price[rows], time_ms[rows])
                worst = np.fmax(self._book.ewma_annual(number[rows]), ranges[rows])
                self._tracks.judge(number[rows], worst, time_ms[rows])

    def _begin(self, kept: KeptVolatility | None) -> None:
        """Be as it was kept."""
        state = read_state(kept)
        self._book = VolatilityBook()
        self._book.restore(state.columns)
        self._numbers = {key: number for number, key in enumerate(state.markets)}
        self._taken_ms = [int(time_ms) for time_ms in state.columns["taken_ms"]]
        tracks = restored_tracks(state.tracks, len(state.markets))
        self._tracks = Tracks(state.markets, tracks, self.bands)
        self._due: list[tuple[int, float, int, float]] = []

    async def _join(self) -> None:
        """Go on from what is kept to where the picture is; what cannot be read is passed over."""
        kept = await self._store.load()
        newest, _ = await self._stream.tail()
        if kept is None or kept.market_id < newest - 2 * WARM_UP_ENTRIES:
            # Half of what may be missing: marks go on coming, and it must not be too old again.
            await self._pass_over(kept, max(0, newest - WARM_UP_ENTRIES))
        elif kept.market_id > newest:  # the stream has lost what was kept of
            await self._pass_over(kept, newest)
        elif await self.picture.reached(kept.market_id, _WAIT_S):
            await self._go_on_from(kept)

    async def _go_on_from(self, kept: KeptVolatility) -> None:
        self._begin(kept)
        market_id = kept.market_id
        while market_id < self.picture.market_id:
            missing = self.picture.market_id - market_id
            entries = await self._stream.read(market_id, min(missing, _ENTRIES_A_READ))
            if not entries:
                await asyncio.sleep(_WAIT_S)  # another stream: the picture will start over
                return
            if entries[0].market_id != market_id + 1:
                await self._pass_over(kept, entries[0].market_id - 1)
                return
            self._take_entries(entries)
            market_id = entries[-1].market_id
        self._kept = kept.market_id
        self._lost.clear()
        if self.watcher is not None:
            ewma = self.ewma_annual(list(self._numbers)).tolist()
            self.watcher.settled(self._tracks.standing(ewma))
        self._tracks.watcher = self.watcher
        self.live = True

    def _take_entries(self, entries: Sequence[MarketEntry]) -> None:
        for entry in entries:
            if entry.kind == "m":
                try:
                    mark = decode_mark(entry.payload)
                except (InvalidInput, MalformedBody):
                    continue  # the picture leaves it out too
                self._observe(mark, entry.event_time_ms)

    async def _pass_over(self, kept: KeptVolatility | None, upto: int) -> None:
        """Have it kept that what was known is all there is to know up to a market id."""
        self._begin(kept)
        state = KeptVolatility(upto, self._encoded())
        await self._store.keep(state, None if kept is None else kept.market_id)

    async def _keep(self) -> None:
        """Write the state, unless another worker has since we last looked."""
        before, self._kept = self._kept, await self._store.kept_id()
        market_id = self.picture.market_id
        if self.live and self._kept == before != market_id:
            await self._store.keep(KeptVolatility(market_id, self._encoded()), before)
            self._kept = market_id

    def _encoded(self) -> bytes:
        self._observe_due()
        columns = self._book.kept(len(self._numbers))
        return encode_state(list(self._numbers), columns, kept_tracks(self._tracks))


def _put(found: Volatility, row: int, document: VolatilityDocument) -> None:
    if document.annual is not None:
        diffusion = document.annual / sqrt(SECONDS_A_YEAR)
    else:
        diffusion = document.diffusion_per_sqrt_s or 0.0
    found.diffusion_per_sqrt_s[row] = diffusion
    found.jumps_per_s[row] = document.jumps_per_s
    found.jump_mean[row] = document.jump_mean
    found.state[row] = KNOWN
