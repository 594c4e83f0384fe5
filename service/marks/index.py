"""The index: what a coin is worth at several spot sources together; a row a market, a column a
source.

A source counts while what it said last is fresh. Of three and more those that are further than the
band from the median of all are dropped, and the index is the weighted median of the rest. Where
that leaves nobody (two that are further apart than the band, or two against two), it stays where it
was as far as that lies between the two in the middle, else it goes to the nearer of them: so far
both agree. A lone source is followed within the band at once, beyond it when its jump has lasted.
So one source that wicks moves the index by at most the band while another says otherwise, and a
fall that others see too is followed at once.

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
        self._index = np.full(markets, np.nan)  # the last one there was
        self._held = np.full(markets, np.nan)  # what a lone source's jump is measured from
        self._held_ms = np.zeros(markets, np.int64)  # since when it is held

    def say(self, market: int, source: int, price: float, now_ms: int) -> None:
        """Take what a source says; it must be finite and > 0."""
        self._said[market, source], self._said_ms[market, source] = price, now_ms

    def fresh(self, now_ms: int) -> Bools:
        """Return which sources count, (markets, sources)."""
        there = ~np.isnan(self._said) & (self._weight > 0.0)
        fresh: Bools = there & (now_ms - self._said_ms <= self.rule.fresh_ms)
        return fresh

    def heard(self, now_ms: int) -> Floats:
        """Return what the sources that count said last, NaN of the others."""
        return np.where(self.fresh(now_ms), self._said, np.nan)

    def step(self, now_ms: int) -> Floats:
        """Return the indices as of a time; NaN where too few sources are fresh."""
        prices = self.heard(now_ms)
        count = (~np.isnan(prices)).sum(axis=1)
        low, high = _middle(prices, count)
        used = _near(prices, ((low + high) / 2.0)[:, None], self.rule.band)
        used &= ((count != 2) | _near(low, high, self.rule.band))[:, None]
        index = weighted_median(np.where(used, prices, np.nan), self._weight)
        lone = count == 1
        split = (count >= 2) & ~used.any(axis=1)
        index[split] = np.clip(self._index, low, high)[split]
        index[count < self.rule.sources_min] = np.nan
        self._hold(index, lone, now_ms)
        self._index = np.where(np.isnan(index), self._index, index)
        return index

    def _hold(self, index: Floats, lone: Bools, now_ms: int) -> None:
        """Bound the rows that one source alone says by where they were, until that has lasted."""
        before = np.where(np.isnan(self._held), self._index, self._held)
        jumps = lone & ~np.isnan(index) & ~np.isnan(before)
        jumps &= ~_near(index, before, self.rule.band)
        begins = jumps & np.isnan(self._held)
        self._held_ms[begins] = now_ms
        held = jumps & (now_ms - self._held_ms < self.rule.confirm_ms)
        self._held = np.where(held, before, np.nan)
        low, high = before / (1.0 + self.rule.band), before * (1.0 + self.rule.band)
        index[held] = np.clip(index, low, high)[held]


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


def _middle(prices: Floats, count: Ints) -> tuple[Floats, Floats]:
    """Return the two prices in the middle of each row, the same one of an odd number; NaN of none.

    Their mean is the median.
    """
    ordered = np.sort(prices, axis=1)  # NaN last
    rows, most = np.arange(len(prices)), prices.shape[1] - 1
    low = ordered[rows, np.clip((count - 1) // 2, 0, most)]
    high = ordered[rows, np.clip(count // 2, 0, most)]
    return low, high


def _near(price: Floats, other: Floats, band: float) -> Bools:
    """Whether prices are within the band of each other; NaN is near nothing."""
    near: Bools = np.maximum(price, other) <= np.minimum(price, other) * (1.0 + band)
    return near
