"""The recorded crash second by second: each perpetual's last price, its next fill, a spot median.

A market is here when the tape has both its coin-margined perpetual (`X/USD:X`) and spot of the
same coin: Coinbase's and Gemini's X in USD, Binance's in USDT, counted as dollars. A source of
spot counts while its last trade is at most a minute old; where none is, the newest does.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from service.errors import InvalidInput
from service.feeds.tape import Frame, read_tape
from service.risk.columns import Floats

FRESH_S = 60
_PERPETUAL = "perpetual"

Trades: TypeAlias = dict[int, list[float]]  # epoch second -> open and close of its bar
Series: TypeAlias = dict[str, dict[str, Trades]]  # coin -> source -> trades


@dataclass(frozen=True, slots=True)
class Tape:
    """Prices at the end of every second from `start_s` on: (seconds, markets)."""

    start_s: int  # epoch
    coins: tuple[str, ...]
    last: Floats  # of the perpetual
    fill: Floats  # where its next bar opens; its last price where none follows
    spot: Floats  # the median over fresh sources


def read_crash(path: Path, start_s: int, seconds: int) -> Tape:
    """Read `seconds` of one-second bars from epoch second `start_s` on, older ones as a lead.

    Raises InvalidInput where a market has no price yet at the start.
    """
    series = {
        coin: sources
        for coin, sources in sorted(_series(read_tape(path)).items())
        if _PERPETUAL in sources and len(sources) > 1
    }
    columns = [_market(coin, sources, start_s, seconds) for coin, sources in series.items()]
    last, fill, spot = (np.stack(each, axis=1) for each in zip(*columns, strict=True))
    return Tape(start_s, tuple(series), last, fill, spot)


def _series(frames: Iterable[Frame]) -> Series:
    found: Series = defaultdict(lambda: defaultdict(dict))
    for frame in frames:
        assert frame.time_ms is not None  # bars have times
        second, offset_ms = divmod(frame.time_ms, 1_000)
        if offset_ms not in (0, 750):  # the bar's low and high have no order in time
            continue
        for mark in frame.marks:
            coin, source = _named(mark)
            found[coin][source].setdefault(second, []).append(float(mark["markPrice"]))
    return found


def _named(mark: dict[str, str | float | int]) -> tuple[str, str]:
    symbol, venue = str(mark["symbol"]), str(mark["venue"])
    coin, _, quote = symbol.partition("/")
    is_perpetual = quote.partition(":")[2] == coin
    return coin, _PERPETUAL if is_perpetual else str(mark.get("source", "")) or venue


def _market(
    coin: str, sources: dict[str, Trades], start_s: int, seconds: int
) -> tuple[Floats, Floats, Floats]:
    """Return a market's last prices, next fills and spot medians."""
    trades = sources[_PERPETUAL]
    last, age_s = _carried(trades, start_s, seconds)
    spots = [each for name, each in sources.items() if name != _PERPETUAL]
    prices, ages_s = (
        np.stack(each) for each in zip(*(_carried(s, start_s, seconds) for s in spots), strict=True)
    )
    if np.isinf(age_s[0]) or np.isinf(ages_s[:, 0].min()):
        raise InvalidInput(f"the tape has no price of {coin} before second {start_s}")
    usable = (ages_s <= FRESH_S) | (ages_s == ages_s.min(axis=0))
    spot: Floats = np.nanmedian(np.where(usable, prices, np.nan), axis=0)
    return last, _next_opens(trades, last, start_s), spot


def _carried(trades: Trades, start_s: int, seconds: int) -> tuple[Floats, Floats]:
    """Return the last close at every second, and its age; NaN and inf before the first."""
    times = np.array(sorted(trades))
    closes = np.array([trades[time][-1] for time in times.tolist()])
    now = np.arange(start_s, start_s + seconds)
    place = np.searchsorted(times, now, side="right") - 1
    known = place >= 0
    return np.where(known, closes[place], np.nan), np.where(known, now - times[place], np.inf)


def _next_opens(trades: Trades, last: Floats, start_s: int) -> Floats:
    """Return where the first bar after every second opens."""
    times = np.array(sorted(trades))
    opens = np.array([trades[time][0] for time in times.tolist()])
    place = np.searchsorted(times, np.arange(start_s, start_s + len(last)), side="right")
    follows = place < len(times)
    return np.where(follows, opens[np.minimum(place, len(times) - 1)], last)
