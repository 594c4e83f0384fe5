"""How much each market moves, mark by mark: diffusion and jumps told apart, O(1) a mark.

The model is a log price without drift: a Brownian motion of `diffusion_per_sqrt_s`, and jumps that
come at `jumps_per_s`, up as often as down, exponentially distributed in size with mean `jump_mean`.

A return r over dt seconds is split without rest into `clip(r, -u, u)`, which is diffusion, and what
is left, which is a jump's. The border u is the largest of

- `jump_threshold` standard deviations of what the market did before, over dt;
- the smaller of the two moves before it, scaled to dt: three large moves in a row are not three
  jumps, they are another volatility, and a spike with its way back are two moves;
- `jump_least`: without it a market that stood still could never be seen to move.

What of a jump stays below the border is taken for diffusion: jumps in one of a hundred returns make
it a twelfth larger.

This is threshold estimation (Mancini, 2009) with the neighbour's word of bipower variation
(Barndorff-Nielsen and Shephard, 2004), and unlike bipower variation it holds with marks that stand
still for a while. What an exponential jump has above a border is again exponential with the same
mean, so the mean of what is left estimates the mean of jumps. Sums fade by time: variance is
(sum of squares) / (sum of dt), so spacing may be irregular.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Floats, Ints
from service.risk.growing import grow

KNOWN, NO_MARK, TOO_FEW_MARKS, STALE_MARKS = range(4)
# By state code: why there is no volatility; "" where there is.
REASONS = ("", "no_mark", "warming_up", "stale_marks")
SECONDS_A_YEAR = 365.0 * 86_400.0


@dataclass(frozen=True, slots=True)
class VolatilityRule:
    """How marks are read; the defaults suit marks of every second to every minute.

    The prior is what is believed before any jump was seen: `prior_jumps` of mean `prior_jump_mean`
    in `prior_s` seconds, as if they had been observed. Without it a calm hour would say that the
    market never jumps.
    """

    sampling_ms: int = 5_000  # a mark sooner after the last one taken is noise of the ticks
    half_life_s: float = 900.0  # of diffusion
    jump_half_life_s: float = 86_400.0
    jump_threshold: float = 4.0  # in standard deviations
    jump_least: float = 0.001  # of log price: a smaller move is no jump
    returns_min: int = 30  # before that there is no figure
    gap_max_ms: int = 300_000  # a longer silence starts the diffusion anew
    stale_after_ms: int = 60_000  # since the newest mark
    prior_jumps: float = 1.0
    prior_s: float = 86_400.0
    prior_jump_mean: float = 0.01  # of log price


@dataclass(slots=True)
class Volatility:
    """One row a market; figures are NaN unless `state` is KNOWN."""

    diffusion_per_sqrt_s: Floats  # standard deviation of log price over one second
    jumps_per_s: Floats
    jump_mean: Floats  # mean absolute size in log price
    state: NDArray[np.int8]

    def rows(self, rows: Ints) -> "Volatility":
        """Return some rows, in this order."""
        return Volatility(
            self.diffusion_per_sqrt_s[rows],
            self.jumps_per_s[rows],
            self.jump_mean[rows],
            self.state[rows],
        )

    @property
    def total_per_sqrt_s(self) -> Floats:
        """Return diffusion and jumps as one: an exponential jump's square has mean 2 mean^2."""
        of_jumps = np.sqrt(2.0 * self.jumps_per_s) * self.jump_mean
        total: Floats = np.hypot(self.diffusion_per_sqrt_s, of_jumps)
        return total

    @property
    def annual(self) -> Floats:
        """Return the total as a fraction a year of 365 days."""
        return self.total_per_sqrt_s * sqrt(SECONDS_A_YEAR)


def _floats() -> Floats:
    return np.zeros(0, np.float64)


def _ints() -> Ints:
    return np.zeros(0, np.int64)


@dataclass(slots=True)
class _Columns:
    """One row a market."""

    marks: Ints = field(default_factory=_ints)
    newest_ms: Ints = field(default_factory=_ints)
    taken_ms: Ints = field(default_factory=_ints)  # the last mark that made a return
    log_price: Floats = field(default_factory=_floats)  # of that mark
    returns: Ints = field(default_factory=_ints)  # since the last silence
    squares: Floats = field(default_factory=_floats)  # of the diffusion's returns, faded
    seconds: Floats = field(default_factory=_floats)  # faded alike
    before: Floats = field(default_factory=_floats)  # |return| / sqrt(dt), the last one
    before_that: Floats = field(default_factory=_floats)
    jumps: Floats = field(default_factory=_floats)  # how many, faded
    jump_total: Floats = field(default_factory=_floats)  # what they had above the border, faded
    jump_seconds: Floats = field(default_factory=_floats)


class VolatilityBook:
    """The volatility of all markets, by market number; one writer."""

    def __init__(self, rule: VolatilityRule | None = None) -> None:
        self.rule = rule or VolatilityRule()
        self._columns = _Columns()

    def observe(self, market: Ints, price: Floats, time_ms: Ints) -> None:
        """Take marks, each finite and > 0, in the order they came; time must not go backwards."""
        assert np.all(price > 0.0)
        assert np.all(np.isfinite(price))
        if len(market):
            grow(self._columns, int(market.max()) + 1)
        for rows in rounds(market):
            self._observe_once(market[rows], np.log(price[rows]), time_ms[rows])

    def read(self, market: Ints, now_ms: int) -> Volatility:
        """Return what is known of some markets at a time of the same clock as their marks."""
        if len(market):
            grow(self._columns, int(market.max()) + 1)
        columns, rule = self._columns, self.rule
        state = np.full(len(market), KNOWN, np.int8)
        state[now_ms - columns.newest_ms[market] > rule.stale_after_ms] = STALE_MARKS
        state[columns.returns[market] < rule.returns_min] = TOO_FEW_MARKS
        state[columns.marks[market] == 0] = NO_MARK
        known = state == KNOWN
        seconds = np.where(known, columns.seconds[market], np.nan)
        jumps = columns.jumps[market] + rule.prior_jumps
        total = columns.jump_total[market] + rule.prior_jumps * rule.prior_jump_mean
        mean = np.full(len(market), rule.prior_jump_mean)
        np.divide(total, jumps, out=mean, where=jumps > 0.0)
        observed_s = columns.jump_seconds[market] + rule.prior_s
        return Volatility(
            diffusion_per_sqrt_s=np.sqrt(columns.squares[market] / seconds),
            jumps_per_s=np.where(known, jumps, np.nan) / np.where(known, observed_s, np.nan),
            jump_mean=np.where(known, mean, np.nan),
            state=state,
        )

    def ewma_annual(self, market: Ints) -> Floats:
        """Return the diffusion of some markets a year as of their newest marks; NaN: too few."""
        if len(market):
            grow(self._columns, int(market.max()) + 1)
        columns = self._columns
        known = columns.returns[market] >= self.rule.returns_min
        seconds = np.where(known, columns.seconds[market], np.nan)
        annual: Floats = np.sqrt(columns.squares[market] / seconds * SECONDS_A_YEAR)
        return annual

    def returns(self, market: Ints) -> Ints:
        """Return how many returns there are of some markets since each one's last silence."""
        if len(market):
            grow(self._columns, int(market.max()) + 1)
        return self._columns.returns[market]

    def kept(self, markets: int) -> dict[str, list[float]]:
        """Return every column of the first so many markets, by name: what `restore` takes."""
        grow(self._columns, markets)
        return {
            one.name: getattr(self._columns, one.name)[:markets].tolist()
            for one in fields(self._columns)
        }

    def restore(self, kept: Mapping[str, Sequence[float]]) -> None:
        """Go on from what another book kept; raises KeyError where a column is missing."""
        columns = self._columns = _Columns()
        for one in fields(columns):
            dtype = getattr(columns, one.name).dtype
            setattr(columns, one.name, np.array(kept[one.name], dtype))

    def _observe_once(self, market: Ints, log_price: Floats, time_ms: Ints) -> None:
        """Take at most one mark a market; most come too soon to make a return."""
        columns, rule = self._columns, self.rule
        assert np.all(time_ms >= columns.newest_ms[market])
        silence = time_ms - columns.taken_ms[market]
        first = columns.marks[market] == 0
        columns.marks[market] += 1
        columns.newest_ms[market] = time_ms
        taken = np.flatnonzero(first | (silence >= rule.sampling_ms))
        if not len(taken):
            return
        lost = market[taken[(silence > rule.gap_max_ms)[taken]]]
        for sums in (columns.returns, columns.squares, columns.seconds):
            sums[lost] = 0
        for moves in (columns.before, columns.before_that):
            moves[lost] = 0.0
        told = taken[(~first & (silence <= rule.gap_max_ms))[taken]]
        self._add_returns(market[told], log_price[told], silence[told] / 1_000.0)
        columns.log_price[market[taken]] = log_price[taken]
        columns.taken_ms[market[taken]] = time_ms[taken]

    def _add_returns(self, market: Ints, log_price: Floats, elapsed_s: Floats) -> None:
        columns, rule = self._columns, self.rule
        move = np.abs(log_price - columns.log_price[market])
        root = np.sqrt(elapsed_s)
        variance = np.zeros(len(market))
        seconds = columns.seconds[market]
        np.divide(columns.squares[market], seconds, out=variance, where=seconds > 0.0)
        usual = rule.jump_threshold * np.sqrt(variance)
        neighbours = np.minimum(columns.before[market], columns.before_that[market])
        border = np.maximum(np.maximum(usual, neighbours) * root, rule.jump_least)
        diffusion = np.minimum(move, border)
        # While the usual is not known, what is beyond the border is the border's fault.
        jumped = (move > border) & (columns.returns[market] >= rule.returns_min)
        fade = np.exp2(-elapsed_s / rule.half_life_s)
        columns.squares[market] = fade * columns.squares[market] + diffusion**2
        columns.seconds[market] = fade * seconds + elapsed_s
        fade = np.exp2(-elapsed_s / rule.jump_half_life_s)
        columns.jumps[market] = fade * columns.jumps[market] + jumped
        beyond = np.where(jumped, move - border, 0.0)
        columns.jump_total[market] = fade * columns.jump_total[market] + beyond
        columns.jump_seconds[market] = fade * columns.jump_seconds[market] + elapsed_s
        columns.before_that[market] = columns.before[market]
        columns.before[market] = move / root
        columns.returns[market] += 1


def rounds(market: Ints) -> Iterator[Ints]:
    """Split rows so that no market is twice in a round and each keeps its order."""
    order = np.argsort(market, kind="stable")
    starts = np.ones(len(market), np.bool_)
    starts[1:] = np.diff(market[order]) != 0
    first = np.flatnonzero(starts)
    turn = np.arange(len(market)) - np.repeat(first, np.diff(np.append(first, len(market))))
    by_turn = order[np.argsort(turn, kind="stable")]
    yield from np.split(by_turn, np.cumsum(np.bincount(turn))[:-1]) if len(turn) else ()
