"""What a feed takes off its frames: checked, in order, conflated to the newest mark a symbol.

All that waits goes out with the next batch, so that no symbol waits for another. What is refused is
counted by its reason and goes nowhere: a price that is none, a mark older than the one before or
told twice, a time that cannot be. The jump that may be a crash is no matter of this place.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nan
from statistics import median
from typing import NamedTuple, TypeAlias

from service.contract.feeds import FeedFigures
from service.feeds.tape import MarkDoc

Figure: TypeAlias = str | float | int | None  # as frames have them: a number, or its text


class Activity(NamedTuple):
    """How much is open and was traded in 24 hours, in the base coin."""

    open_interest: Figure = None
    day_volume: Figure = None


# Mark, index, last, funding as the frame has them, how much is traded, and its time (epoch ms, None
# without one).
Taken: TypeAlias = tuple[float, Figure, Figure, Figure, Activity | None, int | None]

OFFSETS_KEPT = 61


def wall_clock_ms() -> int:
    """Return the time, epoch ms."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class ClockRules:
    """How far a venue's time may be from ours; beyond it a mark is not believed.

    Ahead is bounded tightly: one time from the future would make every right mark after it "older".
    `stamp`: a mark whose frame has no time gets the time of its receipt, for a service whose event
    time is that of the sources; else it has none, and its time is that of the store's taking it.
    """

    ahead_max_ms: int = 5_000
    age_max_ms: int = 10_000
    stamp: bool = False


class Intake:
    """The marks of one venue on their way; connections of a feed share it."""

    def __init__(
        self,
        venue: str,
        rules: ClockRules | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._venue = venue
        self._rules = rules or ClockRules()
        self._now_ms = now_ms
        self._received_ms = 0
        self._offset_due = False
        self._pending: dict[str, Taken] = {}
        self._newest: dict[str, Taken] = {}
        self._offsets_ms: deque[int] = deque(maxlen=OFFSETS_KEPT)
        self._left_out: dict[str, str] = {}
        self._taken_before = 0
        self._last_mark_at: float | None = None
        self.frames = 0
        self.taken = 0
        self.accepted = 0
        self.conflated = 0
        self.refused: Counter[str] = Counter()

    def begin_frame(self) -> None:
        """Note that a frame has come, and when."""
        self.frames += 1
        self._received_ms = self._now_ms()
        self._offset_due = True

    def end_frame(self) -> bool:
        """Return whether the frame brought a mark."""
        brought = self.taken > self._taken_before
        if brought:
            self._taken_before = self.taken
            self._last_mark_at = time.monotonic()
        return brought

    def take(
        self,
        symbol: str,
        mark: Figure,
        *,
        index: Figure = None,
        last: Figure = None,
        funding: Figure = None,
        activity: Activity | None = None,
        time_ms: int | None = None,
    ) -> None:
        """Take one mark of the frame that has begun; it waits for the next batch, or is refused.

        Hundreds come in a frame: the rest of a mark is read when it goes out.
        """
        try:
            price = float(mark)  # type: ignore[arg-type]  # None is a TypeError
        except (TypeError, ValueError):
            price = nan
        if not 0.0 < price < inf:
            self.refused["not_a_price"] += 1
            return
        stamped_ms = self._received_ms if time_ms is None and self._rules.stamp else time_ms
        taken = (price, index, last, funding, activity, stamped_ms)
        if time_ms is not None:
            reason = self._untimely(self._newest.get(symbol), taken, time_ms)
            if reason:
                self.refused[reason] += 1
                return
        if symbol in self._pending:
            self.conflated += 1
        self._pending[symbol] = self._newest[symbol] = taken
        self.taken += 1

    def _untimely(self, before: Taken | None, taken: Taken, time_ms: int) -> str:
        """Return why a time is not believed, or nothing; measures the venue's clock beside it."""
        offset_ms = self._received_ms - time_ms
        if self._offset_due:
            self._offsets_ms.append(offset_ms)
            self._offset_due = False
        if -offset_ms > self._rules.ahead_max_ms:
            return "clock_ahead"
        if offset_ms > self._rules.age_max_ms:
            return "too_old"
        before_ms = None if before is None else before[-1]
        if before_ms is None or before_ms < time_ms:
            return ""
        if before_ms > time_ms:
            return "older"
        return "doubled" if taken == before else ""

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count what could not be taken."""
        self.refused[reason] += count

    def leave_out(self, market: str, reason: str) -> None:
        """Note a market of the venue that has no marks here, and why."""
        self._left_out[market] = reason

    def drain(self) -> list[MarkDoc]:
        """Return all that waits, oldest first, and wait for more."""
        batch, self._pending = self._pending, {}
        return [self._document(symbol, taken) for symbol, taken in batch.items()]

    def _document(self, symbol: str, taken: Taken) -> MarkDoc:
        """Write a mark; all but its price stays away where it is no number."""
        price, index, last, funding, activity, time_ms = taken
        document: MarkDoc = {"venue": self._venue, "symbol": symbol, "markPrice": price}
        if (index_price := finite(index)) is not None and index_price > 0.0:
            document["indexPrice"] = index_price
        if (last_price := finite(last)) is not None and last_price > 0.0:
            document["lastPrice"] = last_price
        if (rate := finite(funding)) is not None:
            document["fundingRate"] = rate
        if activity is not None:
            document |= _activity_of(activity)
        if time_ms is not None:
            document["timestamp"] = time_ms
        return document

    def answered(self, codes: Sequence[str | None]) -> None:
        """Count what the store said to a batch: None is an accepted mark."""
        refusals = [code for code in codes if code is not None]
        self.accepted += len(codes) - len(refusals)
        self.refused.update(refusals)

    def clock_offset_ms(self) -> float | None:
        """Return our clock minus the venue's, the median of the newest frames that have a time."""
        return median(self._offsets_ms) if self._offsets_ms else None

    def figures(self, lines: int, lines_open: int, reconnects: int) -> FeedFigures:
        """Return how the feed is doing."""
        last = self._last_mark_at
        return FeedFigures(
            lines,
            lines_open,
            frames=self.frames,
            marks=self.accepted,
            conflated=self.conflated,
            reconnects=reconnects,
            symbols=len(self._newest),
            quiet_s=None if last is None else time.monotonic() - last,
            clock_offset_ms=self.clock_offset_ms(),
            refused=dict(self.refused),
            left_out=dict(Counter(self._left_out.values())),
        )


def _activity_of(activity: Activity) -> MarkDoc:
    """Write how much is open and traded, as far as those are numbers."""
    named = {"openInterest": activity.open_interest, "dayVolume": activity.day_volume}
    numbers = {name: finite(value) for name, value in named.items()}
    return {name: value for name, value in numbers.items() if value is not None and value >= 0.0}


def in_coins(contracts: Figure, mark: Figure) -> float | None:
    """Return what contracts of one unit of quote are in the base coin; None: no number."""
    counted, price = finite(contracts), finite(mark)
    return counted / price if counted is not None and price else None


def finite(value: Figure) -> float | None:
    """Return the number that `value` is or says, None when it is none or not finite."""
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if -inf < number < inf else None
