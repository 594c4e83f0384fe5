"""What every benchmark shares: sizes, medians, a hash of the answer, and one JSON line to print.

A `bench_*.py` has `run(size)`, which yields a Measurement for each thing it compares, after it
checked that both gave the same answer.
"""

import gc
import hashlib
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import numpy as np
import orjson

Size: TypeAlias = Literal["small", "full"]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Ours against a baseline over the same input; times are seconds, medians of `rounds`."""

    name: str
    size: dict[str, int]
    seed: int
    ours_s: float
    baseline: str  # what it is
    baseline_s: float
    answer_hash: str
    notes: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """Return the JSON line; `ratio` is ours over the baseline: below 1 is faster."""
        ratio = self.ours_s / self.baseline_s
        return orjson.dumps(asdict(self) | {"ratio": ratio}).decode()


def timed(
    work: Callable[[], Answer], rounds: int = 5, before: Callable[[], object] | None = None
) -> tuple[float, Answer]:
    """Return `rounds` runs' median seconds and the last answer; `before` runs untimed."""
    seconds = []
    for _ in range(rounds):
        if before:
            before()
        gc.collect()
        start = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), answer


def resident_bytes(process: int) -> int:
    """Return the memory that a process has now, not the most it ever had."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def processor_seconds(process: int) -> float:
    """Return what all threads of a process have had of the processor."""
    schedules = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in schedules) / 1e9


def hash_of(*columns: np.ndarray, digits: int = 9) -> str:
    """Return a hash blind to last bits: `digits` significant ones, NaN equal to NaN."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(
            " ".join(
                f"{value + 0.0:.{digits - 1}e}" for value in np.ravel(column).tolist()
            ).encode()
        )
    return digest.hexdigest()[:16]
