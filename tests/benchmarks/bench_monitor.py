"""A round of marks through the monitor's engine beside three ways to do without it.

(a) the vectorised engine evaluates every pool, once a round; (b) a compiled scan of each ticked
symbol's positions keeps running sums (`rival`); (c) a plain Python loop over positions. None of
them writes alerts, and neither does ours here. The levels must be those of (a) after every round.
Ours is given a round's marks as a monitor reads them, together; "one by one" is the calm round of a
monitor that reads each for itself, because they come in so slowly.
"""

import logging
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tests.benchmarks.books import CALM, SEED, SYMBOLS, Kind, Rounds
from tests.benchmarks.harness import Measurement, Size, hash_of, timed
from tests.benchmarks.rival import Rival

SETTLING_ROUNDS = 20
CALM_ROUNDS, CRASH_ROUNDS = 5, 60
CRASH = -0.004  # a round, on top of the calm move
GAPS = (0.001, 0.01, 0.1, 0.4)  # all symbols at once, up and back: the curve of cost by share due
KINDS: tuple[Kind, ...] = ("uniform", "zipf", "mixed")
LOOPED = 20_000  # positions that (c) is measured with; all would take minutes


@dataclass(slots=True)
class _Sample:
    """Seconds of each round, ours and the rival's, and what ours did."""

    ours_s: list[float] = field(default_factory=list)
    rival_s: list[float] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)


class Race:
    """The engine and its rivals over one book and one path of prices."""

    def __init__(self, kind: Kind, accounts: int) -> None:
        self.kind, self.accounts = kind, accounts
        self.rounds = Rounds(kind, accounts)
        self.rival = Rival(self.rounds.engine.book)

    def run(
        self, rounds: int, move: float, drift: float = 0.0, *, together: bool = True
    ) -> _Sample:
        """Play rounds, each through both."""
        sample, stats = _Sample(), self.rounds.engine.stats
        for _ in range(rounds):
            entries, blocks = self.rounds.marks(move, drift), stats.blocks_touched
            start = time.perf_counter()
            evaluated, moved = self.rounds.apply(entries, together=together)
            between = time.perf_counter()
            self._scan()
            sample.ours_s.append(between - start)
            sample.rival_s.append(time.perf_counter() - between)
            sample.evaluated.append(evaluated)
            sample.moved.append(moved)
            sample.blocks.append(stats.blocks_touched - blocks)
        return sample

    def told(self, phase: str, sample: _Sample) -> Iterator[Measurement]:
        """Compare a sample's median with (a), (b) and (c); (a) must find nothing to change."""
        everybody_s, wrong = timed(self.rounds.judge_all)
        assert wrong == 0, f"{wrong} pools are not where evaluating everything puts them"
        ours_s, evaluated = statistics.median(sample.ours_s), statistics.median(sample.evaluated)
        notes = {
            "pools_due": float(evaluated),
            "pools_moved": float(statistics.median(sample.moved)),
            "blocks_touched": float(statistics.median(sample.blocks)),
            "us_a_due_pool": 1e6 * ours_s / max(1.0, float(evaluated)),
        }
        baselines = (
            ("(a) evaluating every pool once", everybody_s),
            ("(b) a compiled scan with running sums", statistics.median(sample.rival_s)),
            ("(c) a Python loop over positions", self._loop_s()),
        )
        book = self.rounds.engine.book
        size = {"pools": len(book), "positions": book.positions, "marks": SYMBOLS}
        levels = hash_of(book.pools.level[: self.accounts].astype(np.float64))
        name = f"monitor, {self.kind}, {phase}"
        for baseline, seconds in baselines:
            yield Measurement(name, size, SEED, ours_s, baseline, seconds, levels, notes)

    def _scan(self) -> int:
        marks = self.rounds.engine.facts.table.columns().mark
        now = self.rounds.engine.event_time_ms
        return sum(self.rival.tick(row, mark, now) for row, mark in enumerate(marks.tolist()))

    def _loop_s(self) -> float:
        """What (c) takes for all positions, measured with some of them."""
        book = self.rounds.engine.book
        many = min(LOOPED, book.positions)
        sizes, entries = book.legs.size[:many].tolist(), book.legs.entry_price[:many].tolist()
        marks = book.table.columns().mark[book.legs.market[:many]].tolist()

        def loop() -> float:
            total = 0.0
            for size, entry, mark in zip(sizes, entries, marks, strict=True):
                total += size * (mark - entry) - 0.004 * abs(size) * mark
            return total

        return timed(loop)[0] * book.positions / many


def run(size: Size) -> Iterator[Measurement]:
    logging.getLogger("service.monitor").setLevel(logging.CRITICAL)  # no pool begins at its level
    small = size == "small"
    for kind in KINDS:
        race = Race(kind, 1_000 if small else 1_000_000)
        race.run(2 if small else SETTLING_ROUNDS, CALM)
        yield from race.told("calm round", race.run(CALM_ROUNDS, CALM))
        one_by_one = race.run(CALM_ROUNDS, CALM, together=False)
        yield from race.told("calm round, one by one", one_by_one)
        crash = race.run(3 if small else CRASH_ROUNDS, CALM, CRASH)
        yield from race.told("crash round", crash)
        for gap in GAPS if kind == "uniform" else ():
            there = race.run(1, 0.0, gap)
            race.run(1, 0.0, -gap)
            share = there.evaluated[0] / (3 * race.accounts)
            yield from race.told(f"gap of {gap:.1%}, {share:.1%} due a mark", there)
