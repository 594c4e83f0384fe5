"""The markets' tracks by number, and who hears of it when one leaves a band or comes back."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from typing import Protocol

import numpy as np

from service.risk.columns import Floats, Ints
from service.risk.conditions import Bands, Condition, Crossing, MarketTrack
from service.risk.model import Mark
from service.risk.reports import Key


class Watcher(Protocol):
    """Who hears which markets leave their bands and come back; both return at once."""

    def crossed(self, crossing: Crossing) -> None: ...

    def settled(self, standing: Iterable[Crossing]) -> None: ...


class Tracks:
    """A track for each market, by its number; with a `watcher` every crossing is told."""

    def __init__(self, keys: Iterable[Key], tracks: Iterable[MarketTrack], bands: Bands) -> None:
        self.watcher: Watcher | None = None
        self._keys, self._tracks, self._bands = list(keys), list(tracks), bands

    def __getitem__(self, number: int) -> MarketTrack:
        return self._tracks[number]

    def __iter__(self) -> Iterator[MarketTrack]:
        return iter(self._tracks)

    def list(self, key: Key) -> None:
        """Begin the next market's track."""
        self._keys.append(key)
        self._tracks.append(MarketTrack())

    def take(self, number: int, mark: Mark, time_ms: int) -> None:
        """Take a mark of a market."""
        track = self._tracks[number]
        was = track.diverged_ms
        track.take(mark, time_ms, self._bands)
        if (was == 0) != (track.diverged_ms == 0):
            self._tell(number, Condition.DIVERGED, abs(track.divergence), time_ms)

    def judge(self, number: Ints, annual: Floats, time_ms: Ints) -> None:
        """Hold the volatility of markets, each there once, against its band as of their marks."""
        columns = map(np.ndarray.tolist, (number, annual, time_ms))
        for row, value, at_ms in zip(*columns, strict=True):
            track = self._tracks[row]
            was = track.volatile_ms
            track.judge_volatility(value, at_ms, self._bands)
            if (was == 0) != (track.volatile_ms == 0):
                self._tell(row, Condition.VOLATILE, value, at_ms)

    def outside(self) -> Counter[Condition]:
        """Return how many markets are outside each band."""
        return Counter(each for track in self._tracks for each in Condition if track.since_ms(each))

    def standing(self, ewma: Sequence[float]) -> Iterator[Crossing]:
        """Yield on which side of each band every market is now, by its volatility a year too."""
        for number, track in enumerate(self._tracks):
            worst = float(np.fmax(ewma[number], track.range_annual()))
            yield self._crossing(number, Condition.VOLATILE, worst, track.time_ms)
            apart = abs(track.divergence)
            yield self._crossing(number, Condition.DIVERGED, apart, track.divergence_ms)

    def _tell(self, number: int, condition: Condition, value: float, time_ms: int) -> None:
        if self.watcher is not None:
            self.watcher.crossed(self._crossing(number, condition, value, time_ms))

    def _crossing(self, number: int, condition: Condition, value: float, time_ms: int) -> Crossing:
        known = None if isnan(value) else value
        is_outside = self._tracks[number].since_ms(condition) > 0
        limit = self._bands.limit(condition)
        return Crossing(*self._keys[number], condition, is_outside, known, limit, time_ms)
