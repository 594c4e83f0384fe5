"""What the monitor measures of itself: how long things take, as histograms for `GET /metrics`."""

import gc
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
POOLS = (0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0)


class Histogram:
    """Counts of values by bound, the last above all bounds; a value costs a bisection."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def told(self) -> dict[str, Any]:
        """Return it as it is reported: bounds, how many values at each, and their sum."""
        return {"bounds": self._bounds, "counts": self._counts, "sum": self._sum}


def _seconds() -> Histogram:
    return Histogram(SECONDS)


@dataclass(slots=True)
class Measures:
    """One histogram a field, named in /metrics as here."""

    mark_age_seconds: Histogram = field(default_factory=_seconds)  # since its event time
    entry_seconds: Histogram = field(default_factory=_seconds)  # evaluating it, writing its alerts
    entry_pools: Histogram = field(default_factory=lambda: Histogram(POOLS))  # due at it
    commit_seconds: Histogram = field(default_factory=_seconds)
    tick_to_alert_seconds: Histogram = field(default_factory=_seconds)  # event time to commit

    def told(self) -> dict[str, Any]:
        return {name: getattr(self, name).told() for name in self.__slots__}


class CollectorClock:
    """Counts the seconds that the garbage collector takes inside the block."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._entered_at = time.monotonic()
        self._started = 0.0

    def __enter__(self) -> "CollectorClock":
        self._entered_at = time.monotonic()
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._note)

    def share(self) -> float:
        """Return the part of all time since the block was entered."""
        return self._seconds / max(1e-9, time.monotonic() - self._entered_at)

    def _note(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self._seconds += time.perf_counter() - self._started
