"""In what condition a market is, mark by mark, O(1) each: how wide it ranges, how far it fell from
its high, how far its mark is from its index, and whether that leaves a band.

**Range.** A Brownian motion of variance v a second has over T seconds a range (log high over log
low) whose square is 4 ln 2 v T in the mean (Parkinson, 1980). Of a path that is seen at n steps
only, both ends are missed by 0.5826 sqrt(v T / n) in the mean (Broadie, Glasserman and Kou, 1997),
which makes it (4 ln 2 - 3.719 / sqrt(n) + 2.4 / n) v T; the last term is fitted, and all of it
within 2 % from 4 steps on. A range is taken each minute and fades as the returns of `volatility`
do. Other than those it knows no jumps: a jump is a wide range.

**High and low** of a day are kept in blocks of six hours: they reach back 18 to 24 hours.

**Bands.** A figure leaves its band by going beyond its limit, and is back at or below the limit
less the hysteresis; between the two it is where it was, as it is while nothing is known of it. It
is told at marks only, so whoever takes the same marks tells the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from math import exp2, log, nan, sqrt

from service.risk.model import Mark
from service.risk.volatility import SECONDS_A_YEAR, VolatilityRule

RANGES_MIN = 5  # minutes; before that there is no figure
STEPS_MIN = 4  # of a minute, to be counted
DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_BLOCKS = 4
_BLOCK_MS = DAY_MS // _BLOCKS
_APART_MAX = 1e9  # mark and index, so that every figure is finite
_RULE = VolatilityRule()


class Condition(IntEnum):
    """What can be outside its band."""

    VOLATILE = 0  # the larger one of both volatilities a year
    DIVERGED = 1  # mark from index, as a share of the index


@dataclass(frozen=True, slots=True)
class Bands:
    """The limit of each condition, 0: none; and the share of it that is the way back."""

    volatility: float = 4.0
    divergence: float = 0.02
    hysteresis: float = 0.2

    def limit(self, condition: Condition) -> float:
        return self.volatility if condition is Condition.VOLATILE else self.divergence

    def outside_since(self, condition: Condition, value: float, since_ms: int, time_ms: int) -> int:
        """Return since when it is outside, 0: it is not; `since_ms` is what this was before."""
        limit = self.limit(condition)
        if limit == 0.0:
            return 0
        if value > limit:
            return since_ms or time_ms
        return 0 if value <= limit * (1.0 - self.hysteresis) else since_ms


@dataclass(frozen=True, slots=True)
class Crossing:
    """A market's condition is outside its band, or inside again, by a value at an event time."""

    venue: str
    symbol: str
    condition: Condition
    is_outside: bool
    value: float | None  # None: it is not known now
    limit: float
    time_ms: int


@dataclass(slots=True)
class MarketTrack:
    """One market; 0 in a price, a time or a since: there is none."""

    price: float = 0.0
    time_ms: int = 0
    divergence: float = 0.0  # signed, of the newest mark that had an index
    divergence_ms: int = 0
    minute: int = 0
    began_ms: int = 0  # the first mark of this range
    steps: int = 0
    low: float = 0.0
    high: float = 0.0
    ranges: int = 0  # since the last silence
    squares: float = 0.0  # of ranges, as variances, faded
    seconds: float = 0.0  # faded alike
    block: int = 0
    high_0: float = 0.0  # of a block, by its number modulo 4
    high_1: float = 0.0
    high_2: float = 0.0
    high_3: float = 0.0
    low_0: float = 0.0
    low_1: float = 0.0
    low_2: float = 0.0
    low_3: float = 0.0
    volatile_ms: int = 0  # outside its band since
    diverged_ms: int = 0

    def take(self, mark: Mark, time_ms: int, bands: Bands) -> None:
        """Take a mark; event time never goes backwards."""
        price = mark.mark_price
        minute = time_ms // _MINUTE_MS
        if minute != self.minute or self.price == 0.0:
            self._begin_minute(minute, price, time_ms)
        self.steps += 1
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.price, self.time_ms = price, time_ms
        if mark.index_price is not None:
            apart = (price - mark.index_price) / mark.index_price
            self.divergence, self.divergence_ms = min(apart, _APART_MAX), time_ms
            self.diverged_ms = bands.outside_since(
                Condition.DIVERGED, abs(self.divergence), self.diverged_ms, time_ms
            )

    def judge_volatility(self, annual: float, time_ms: int, bands: Bands) -> None:
        """Take the larger volatility a year (NaN: none is known) as of a mark."""
        self.volatile_ms = bands.outside_since(
            Condition.VOLATILE, annual, self.volatile_ms, time_ms
        )

    def range_annual(self) -> float:
        """Return the volatility a year that the ranges of whole minutes say; NaN: too few."""
        if self.ranges < RANGES_MIN:
            return nan
        return sqrt(self.squares / self.seconds * SECONDS_A_YEAR)

    def since_ms(self, condition: Condition) -> int:
        """Return since when that is outside its band; 0: it is not."""
        return self.volatile_ms if condition is Condition.VOLATILE else self.diverged_ms

    def extremes(self, now_ms: int) -> tuple[float, float]:
        """Return the highest and the lowest mark of the last 18 to 24 hours; NaN: no mark."""
        oldest = now_ms // _BLOCK_MS - _BLOCKS + 1
        known = range(max(oldest, self.block - _BLOCKS + 1), self.block + 1)
        highs = [getattr(self, f"high_{block % _BLOCKS}") for block in known]
        lows = [getattr(self, f"low_{block % _BLOCKS}") for block in known]
        if _block(self.minute) >= oldest:
            highs.append(self.high)
            lows.append(self.low)
        return max(filter(None, highs), default=nan), min(filter(None, lows), default=nan)

    def _begin_minute(self, minute: int, price: float, time_ms: int) -> None:
        """End the minute before; a minute that follows it at once goes on from its last mark."""
        if self.price > 0.0:
            self._add_range(minute)
            self._fold_extremes()
        follows = self.price > 0.0 and minute == self.minute + 1
        self.began_ms = self.time_ms if follows else time_ms
        self.low = self.high = self.price if follows else price
        self.steps = 0 if follows else -1  # this mark is a step, or where steps begin
        self.minute = minute

    def _add_range(self, minute: int) -> None:
        if minute * _MINUTE_MS - self.time_ms > _RULE.gap_max_ms:
            self.ranges, self.squares, self.seconds = 0, 0.0, 0.0
        elif self.steps >= STEPS_MIN and self.time_ms > self.began_ms:
            seconds = (self.time_ms - self.began_ms) / 1_000.0
            fade = exp2((self.minute - minute) * 60.0 / _RULE.half_life_s)
            variance = (log(self.high) - log(self.low)) ** 2 / range_factor(self.steps)
            self.squares = fade * (self.squares + variance)
            self.seconds = fade * (self.seconds + seconds)
            self.ranges += 1

    def _fold_extremes(self) -> None:
        """Take the range of the minute into its block; blocks that were passed over are empty."""
        block = _block(self.minute)
        for passed in range(max(self.block + 1, block - _BLOCKS + 1), block + 1):
            setattr(self, f"high_{passed % _BLOCKS}", 0.0)
            setattr(self, f"low_{passed % _BLOCKS}", 0.0)
        self.block, place = block, block % _BLOCKS
        lowest = getattr(self, f"low_{place}") or self.low
        setattr(self, f"high_{place}", max(self.high, getattr(self, f"high_{place}")))
        setattr(self, f"low_{place}", min(self.low, lowest))


def _block(minute: int) -> int:
    return minute * _MINUTE_MS // _BLOCK_MS


def range_factor(steps: int) -> float:
    """Return what the square of a range is in the mean, of a path of unit variance so sampled."""
    return 4.0 * log(2.0) - 3.719 / sqrt(steps) + 2.4 / steps


_KINDS: dict[str, type[int] | type[float]] = {
    one.name: int if isinstance(one.default, int) else float for one in fields(MarketTrack)
}


def kept_tracks(tracks: Iterable[MarketTrack]) -> dict[str, list[float]]:
    """Return every field of some markets as a column, by name: what `restored_tracks` takes."""
    rows = list(tracks)
    return {name: [getattr(track, name) for track in rows] for name in _KINDS}


def restored_tracks(kept: Mapping[str, Sequence[float]], markets: int) -> list[MarketTrack]:
    """Return the tracks of so many markets as they were kept; new ones where they were not."""
    columns = [[kind(value) for value in kept.get(name, ())] for name, kind in _KINDS.items()]
    if any(len(column) != markets for column in columns):
        return [MarketTrack() for _ in range(markets)]
    return [MarketTrack(*row) for row in zip(*columns, strict=True)]
