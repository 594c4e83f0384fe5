"""The recorded crash as spot sources told it, a quarter of a second at a time: index, mark, book.

The service's own index and mark run over the tape (`service/marks`). Coins are those that spot
sources are there for: Coinbase and Gemini in USD, Binance in USDT, counted as dollars. The book is
the coin-margined perpetual's, where the tape has it. A tape of trades says nothing in a quiet
second, as order books do, so a source counts for a minute.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from service.feeds.tape import Frame, read_tape
from service.marks.index import IndexRule, SpotIndex
from service.marks.own_mark import MovingBasis, own_marks
from service.risk.columns import Floats

SOURCES = ("coinbase", "gemini", "binance")
RULE = IndexRule(fresh_ms=60_000, band=0.03, sources_min=1, confirm_ms=2_000)
BASIS_POINTS, BASIS_EVERY_MS = 30, 1_000  # as Binance takes them
DIVERGENCE_MAX = 0.05
LATEST_S = 2**40


@dataclass(frozen=True, slots=True)
class Marked:
    """What was known at every moment: (moments, coins), sources (moments, coins, sources)."""

    time_ms: np.typing.NDArray[np.int64]
    coins: tuple[str, ...]
    said: Floats  # NaN: nothing, or nothing within a minute
    index: Floats
    mark: Floats
    last: Floats  # of the perpetual

    def seconds(self, start_s: int, count: int) -> "Marked":
        """Return what was known at the end of each second; what is not known as it was last."""
        ends_ms = (start_s + np.arange(count)) * 1_000 + 999
        rows = np.searchsorted(self.time_ms, ends_ms, side="right") - 1
        known = (carried(each)[rows] for each in (self.index, self.mark, self.last))
        index, mark, last = known
        return replace(
            self, time_ms=ends_ms, said=self.said[rows], index=index, mark=mark, last=last
        )


def read_marked(path: Path, start_s: int = 0, end_s: int = LATEST_S) -> Marked:
    """Run index and mark over a tape of one-second bars, or what it has of these epoch seconds."""
    frames = [
        frame
        for frame in read_tape(path)
        if frame.time_ms is not None and start_s <= frame.time_ms // 1_000 < end_s
    ]
    told = {_named(mark) for frame in frames for mark in frame.marks}
    coins = tuple(sorted({coin for coin, source in told if source in SOURCES}))
    weight = np.array([[float((coin, source) in told) for source in SOURCES] for coin in coins])
    return _run(frames, coins, SpotIndex(weight, RULE))


def _run(frames: Iterable[Frame], coins: tuple[str, ...], index: SpotIndex) -> Marked:
    rows = {coin: row for row, coin in enumerate(coins)}
    last, nothing = np.full(len(coins), np.nan), np.zeros(len(coins))
    basis = MovingBasis(len(coins), BASIS_POINTS, BASIS_EVERY_MS)
    moments = []
    for time_ms, marks in frames:
        assert time_ms is not None  # bars have times
        for mark in marks:
            coin, source = _named(mark)
            if source in SOURCES:
                index.say(rows[coin], SOURCES.index(source), float(mark["markPrice"]), time_ms)
            elif coin in rows:
                last[rows[coin]] = float(mark["markPrice"])
        spot = index.step(time_ms)
        basis.sample(last - spot, time_ms)
        own = own_marks(spot, basis.average(), last, nothing, DIVERGENCE_MAX)
        moments.append((time_ms, index.heard(time_ms), spot, own, last.copy()))
    times, *columns = zip(*moments, strict=True)
    said, spots, owns, lasts = (np.stack(each) for each in columns)
    return Marked(np.array(times), coins, said, spots, owns, lasts)


def _named(mark: dict[str, str | float | int]) -> tuple[str, str]:
    """Return a mark's coin and its source; "" is the perpetual's book."""
    symbol = str(mark["symbol"])
    coin, _, quote = symbol.partition("/")
    if quote.endswith(f":{coin}"):
        return coin, ""
    return coin, str(mark.get("source", "")) or str(mark["venue"])


def carried(values: Floats) -> Floats:
    """Return each column with what was known last where nothing is."""
    rows = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    newest: Floats = np.take_along_axis(values, rows, axis=0)
    return newest
