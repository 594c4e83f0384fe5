"""The index: what a coin is worth at several spot sources together; a row a market, a column a
source.

A source counts while what it said last is fresh. Of three and more those that are further than the
band from the median of all are dropped, and the index is the weighted median of the rest. Two that
are further apart than the band disagree: the index is the one nearer to where they last agreed, and
leaves that place by at most the band until they agree again. A lone source is followed within the
band at once, beyond it when its jump has lasted. So one source that wicks moves the index by at
most the band while another says otherwise, and a crash that others see too is followed at once.

Venues publish the like: weighted prices of several spot markets, those further from the median than
a few per cent or silent for some seconds left out (Binance "Price Index", OKX "index price").
"""

from dataclasses import dataclass

import numpy as np

from service.risk.columns import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class IndexRule:
    """Which sources count, and how far one is believed alone."""

    fresh_ms: int = 10_000  # what a source said last counts for so long
    band: float = 0.03  # a share of the price
    sources_min: int = 2  # with fewer fresh sources there is no index
    confirm_ms: int = 2_000  # a lone source's jump must last so long


class SpotIndex:
    """The indices of some markets; times are given, and never go backwards."""

    def __init__(self, weight: Floats, rule: IndexRule) -> None:
        """`weight` (markets, sources); 0: the market has no such source."""
        markets, sources = weight.shape
        self.rule = rule
        self._weight = weight
        self._said = np.full((markets, sources), np.nan)
        self._said_ms = np.zeros((markets, sources), np.int64)
        self._anchor = np.full(markets, np.nan)  # where the sources last agreed
        self._apart_ms = np.full(markets, -1)  # since when a lone source is beyond the band of it

    def say(self, market: int, source: int, price: float, now_ms: int) -> None:
        """Take what a source says; it must be finite and > 0."""
        self._said[market, source], self._said_ms[market, source] = price, now_ms

    def fresh(self, now_ms: int) -> Bools:
        """Return which sources count, (markets, sources)."""
        aged: Ints = now_ms - self._said_ms
        return ~np.isnan(self._said) & (self._weight > 0.0) & (aged <= self.rule.fresh_ms)

    def heard(self, now_ms: int) -> Floats:
        """Return what the sources that count said last, NaN of the others."""
        return np.where(self.fresh(now_ms), self._said, np.nan)

    def step(self, now_ms: int) -> Floats:
        """Return the indices as of a time; NaN where too few sources are fresh."""
        fresh = self.fresh(now_ms)
        count = fresh.sum(axis=1)
        prices = np.where(fresh, self._said, np.nan)
        used = fresh & _near(prices, _medians(prices, count)[:, None], self.rule.band)
        used[count == 2] &= self._together(prices[count == 2])[:, None]
        index = weighted_median(np.where(used, prices, np.nan), self._weight)
        lone = count == 1
        split = (count >= 2) & ~used.any(axis=1)
        index[split] = self._nearest(prices[split], self._anchor[split])
        index[count < self.rule.sources_min] = np.nan
        self._hold(index, lone, split, now_ms)
        return index

    def _together(self, prices: Floats) -> Bools:
        """Whether the two fresh prices of each row are within the band of each other."""
        low, high = np.nanmin(prices, axis=1), np.nanmax(prices, axis=1)
        together: Bools = high <= low * (1.0 + self.rule.band)
        return together

    def _nearest(self, prices: Floats, anchor: Floats) -> Floats:
        """Return of each row the price nearest to the anchor; NaN where there is none."""
        distance = np.abs(np.log(prices / anchor[:, None]))
        at = np.argmin(np.where(np.isnan(distance), np.inf, distance), axis=1)
        nearest: Floats = np.where(np.isnan(anchor), np.nan, prices[np.arange(len(prices)), at])
        return nearest

    def _hold(self, index: Floats, lone: Bools, split: Bools, now_ms: int) -> None:
        """Bound the rows that one source alone says, and note where the others agree."""
        known = ~np.isnan(self._anchor) & ~np.isnan(index)
        beyond = known & ~_near(index, self._anchor, self.rule.band)
        begins = lone & beyond & (self._apart_ms < 0)
        self._apart_ms[begins] = now_ms
        self._apart_ms[~(lone & beyond)] = -1
        lasted = lone & beyond & (now_ms - self._apart_ms >= self.rule.confirm_ms)
        held = beyond & ((lone & ~lasted) | split)
        low, high = self._anchor / (1.0 + self.rule.band), self._anchor * (1.0 + self.rule.band)
        index[held] = np.clip(index, low, high)[held]
        agreed = ~np.isnan(index) & ~held & ~split
        self._anchor[agreed] = index[agreed]


def weighted_median(prices: Floats, weight: Floats) -> Floats:
    """Return of each row the price that half of the weight is not above; NaN where all are NaN.

    Where exactly half of it is below, the mean of the two prices in the middle.
    """
    order = np.argsort(prices, axis=1)  # NaN last
    sorted_prices = np.take_along_axis(prices, order, axis=1)
    weights = np.take_along_axis(np.where(np.isnan(prices), 0.0, weight), order, axis=1)
    sums = np.cumsum(weights, axis=1)
    half = sums[:, -1:] / 2.0
    rows = np.arange(len(prices))
    lower = np.argmax(sums >= half, axis=1)
    upper = np.argmax(sums > half, axis=1)
    upper = np.where((sums > half).any(axis=1), upper, lower)
    middle: Floats = (sorted_prices[rows, lower] + sorted_prices[rows, upper]) / 2.0
    return middle


def _medians(prices: Floats, count: Ints) -> Floats:
    """Return the median of each row's prices; NaN where there are none."""
    ordered = np.sort(prices, axis=1)  # NaN last
    rows, most = np.arange(len(prices)), prices.shape[1] - 1
    low = ordered[rows, np.clip((count - 1) // 2, 0, most)]
    high = ordered[rows, np.clip(count // 2, 0, most)]
    median: Floats = (low + high) / 2.0
    return median


def _near(price: Floats, other: Floats, band: float) -> Bools:
    """Whether prices are within the band of each other; NaN is near nothing."""
    near: Bools = np.maximum(price, other) <= np.minimum(price, other) * (1.0 + band)
    return near
