"""A mark of one's own: the median of three prices, as venues publish it; a row is a market.

Price 1 is the index with the funding that is still to come, price 2 the index with the moving
average of the basis (the book's price less the index), price 3 the book's price itself: its mid,
else its last trade. The average is a plain one of the newest samples, one each period; Binance
takes 30 of them, a second apart ("Mark Price = Median (Price 1, Price 2, Contract Price)", since
2025-09-18; of 150 seconds before), others the average of five minutes to an hour.
"""

import numpy as np

from service.risk.columns import Bools, Floats


class MovingBasis:
    """The average of the newest `points` of each market's basis, sampled every `every_ms`."""

    def __init__(self, markets: int, points: int, every_ms: int) -> None:
        self._samples = np.full((points, markets), np.nan)
        self._every_ms = every_ms
        self._next_ms = 0
        self._row = 0

    def sample(self, basis: Floats, now_ms: int) -> None:
        """Take a sample where one is due; NaN is none: that market's average is of fewer."""
        if now_ms < self._next_ms:
            return
        self._samples[self._row] = basis
        self._row = (self._row + 1) % len(self._samples)
        self._next_ms = (now_ms // self._every_ms + 1) * self._every_ms

    def average(self) -> Floats:
        """Return the averages, 0 before the first sample."""
        known = ~np.isnan(self._samples)
        sums = np.where(known, self._samples, 0.0).sum(axis=0)
        average: Floats = sums / np.maximum(1, known.sum(axis=0))
        return average


def own_marks(
    index: Floats,
    average_basis: Floats,
    book: Floats,
    funding: Floats,
    divergence_max: float = np.inf,
) -> Floats:
    """Return the marks; NaN where there is no index, and without a book the mean of 1 and 2.

    `funding` is the rate of the next payment times the share of its interval that is still to come,
    0 where that is not known. A mark is never further than `divergence_max` from its index, as a
    share of that: an emptied book takes it no further.
    """
    first = index * (1.0 + funding)
    second = np.maximum(index + average_basis, np.finfo(np.float64).tiny)
    third = np.where(np.isnan(book), (first + second) / 2.0, book)
    marks = np.median(np.stack([first, second, third]), axis=0)
    low, high = index / (1.0 + divergence_max), index * (1.0 + divergence_max)
    marks = np.clip(marks, low, high)
    without: Bools = np.isnan(index)
    return np.where(without, np.nan, marks)
