"""What a watcher knows: accounts worst first, alerts, marks, who owns which shard, and since when.

Nothing here waits for anybody: `asking` writes it, `drawing` and `lines` read it.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from service.contract.alerts import Alert, LevelName, Side
from service.contract.frames import AlertsFrame, MarksFrame, MarkUpdate, Notice, ServerFrame

KEPT_ALERTS = 200
LIVE_S = 3.0  # without an answer for so long, what is shown is not live


@dataclass(frozen=True, slots=True)
class Nearest:
    """The position of an account that is nearest to its liquidation price."""

    symbol: str
    side: Side
    price: float
    distance_pct: float


@dataclass(frozen=True, slots=True)
class Row:
    """One account; what is not known (yet) is None."""

    account_id: str
    level: LevelName
    margin_ratio: float | None
    nearest: Nearest | None = None
    mark_age_ms: int | None = None  # of the oldest mark it goes by


@dataclass(slots=True)
class Picture:
    """Everything that is shown; `least` and `patterns` say of whom."""

    url: str
    least: LevelName = "WARNING"
    patterns: tuple[str, ...] = ("*",)
    now_s: Callable[[], float] = time.monotonic
    rows: list[Row] = field(default_factory=list)
    alerts: deque[Alert] = field(default_factory=lambda: deque(maxlen=KEPT_ALERTS))
    marks: dict[tuple[str, str], MarkUpdate] = field(default_factory=dict)
    first_marks: dict[tuple[str, str], float] = field(default_factory=dict)
    stale: set[tuple[str, str]] = field(default_factory=set)
    owners: Mapping[str, Sequence[int]] = field(default_factory=dict)
    amiss: Sequence[str] = ()  # what the service says of itself
    hidden: str = ""  # why we are not told of accounts
    connected: bool = False
    why_not: str = "not connected yet"
    answered_s: float = float("-inf")

    @property
    def live(self) -> bool:
        """Whether what is shown is as it is now."""
        return self.connected and self.now_s() - self.answered_s < LIVE_S

    @property
    def silent_s(self) -> float:
        """For how long nobody has answered."""
        return self.now_s() - self.answered_s

    def answered(self) -> None:
        """Note that the service has answered just now."""
        self.answered_s, self.why_not = self.now_s(), ""

    def take(self, frame: ServerFrame) -> list[Alert]:
        """Note what a frame says; return its alerts, oldest first."""
        if isinstance(frame, AlertsFrame):
            self.alerts.extendleft(frame.alerts)
            return frame.alerts
        if isinstance(frame, MarksFrame):
            for mark in frame.marks:
                self.marks[mark.venue, mark.symbol] = mark
                self.first_marks.setdefault((mark.venue, mark.symbol), mark.mark_price)
        elif isinstance(frame, Notice) and frame.notice in ("stale", "fresh"):
            key = (str(frame.venue), str(frame.symbol))
            (self.stale.add if frame.notice == "stale" else self.stale.discard)(key)
        return []

    def wants(self, account_id: str) -> bool:
        """Whether an account is among those that are watched."""
        return any(
            account_id.startswith(pattern[:-1]) if pattern.endswith("*") else account_id == pattern
            for pattern in self.patterns
        )


def ranges(shards: Sequence[int]) -> str:
    """Write shards short: 0-3, 7."""
    runs = []
    for _, run in groupby(enumerate(sorted(shards)), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        runs.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return ", ".join(runs)
