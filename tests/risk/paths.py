"""Paths of a jump diffusion, drawn without a step size: what first passage is held against.

Between two jumps a path is a Brownian motion whose ends are drawn; whether it touched a border in
between is drawn from the bridge's own probability (one border: Beskos and Roberts; two: the method
of images). So nothing is missed between steps, and only the number of paths is a source of error.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np

from service.risk.columns import Bools, Floats
from service.risk.first_passage import Passage, leaving_probability

SEED = 20_251_010
# Distance below and above, gap below and above, diffusion and jumps over the horizon, mean jump.
CASES = (
    (0.05, inf, 0.01, inf, 0.03, 2.0, 0.02),
    (0.05, 0.04, 0.01, 0.02, 0.03, 2.0, 0.02),
    (0.10, 0.02, 0.01, 0.00, 0.01, 10.0, 0.02),
    (0.10, inf, 0.05, inf, 0.0001, 1.0, 0.10),
    (0.05, 0.05, 0.05, 0.01, 0.08, 0.5, 0.10),
    (inf, 0.02, inf, 0.005, 0.02, 0.05, 0.03),
    (0.30, inf, 0.02, inf, 0.10, 4.0, 0.05),
    (0.02, inf, 0.004, inf, 0.01, 0.0, 0.0),
    (0.02, 0.03, 0.004, 0.004, 0.03, 0.0, 0.0),
)
IMAGES = 8  # enough while the diffusion over the horizon is below four times the interval


@dataclass(frozen=True)
class Shares:
    """Shares of so many paths, and the standard error of each."""

    leaving: float
    beyond: float
    paths: int

    def error(self, share: float) -> float:
        return float(np.sqrt(max(share * (1.0 - share), 1.0 / self.paths) / self.paths))


def simulate(passage: Passage, row: int, paths: int, seed: int) -> Shares:
    """Draw paths of one row until they leave or the horizon ends."""
    lower, upper, lower_gap, upper_gap, diffusion, jumps, mean = (
        float(getattr(passage, name)[row]) for name in Passage.__slots__
    )
    generator = np.random.default_rng(seed)
    position, left = np.zeros(paths), np.ones(paths)  # where, and the share of the horizon to come
    leaving = beyond = 0
    while len(position):
        wait = generator.exponential(1.0 / jumps, len(left)) if jumps else np.full(len(left), 2.0)
        elapsed = np.minimum(wait, left)
        variance = diffusion**2 * elapsed
        end = position + np.sqrt(variance) * generator.standard_normal(len(left))
        touched = generator.random(len(left)) < touching(position, end, variance, lower, upper)
        leaving += int(touched.sum())
        goes_on = ~touched & (wait < left)
        position, left = end[goes_on], (left - elapsed)[goes_on]
        sign = generator.choice([-1.0, 1.0], len(position))
        position = position + sign * generator.exponential(mean, len(position))
        out = (position <= -lower) | (position >= upper)
        leaving += int(out.sum())
        past = (position < -lower - lower_gap) | (position > upper + upper_gap)
        beyond += int(past.sum())
        position, left = position[~out], left[~out]
    return Shares(leaving / paths, beyond / paths, paths)


def touching(start: Floats, end: Floats, variance: Floats, lower: float, upper: float) -> Floats:
    """Return the probability that Brownian bridges touch -lower or upper; 1 where they end out."""
    inside: Bools = (end > -lower) & (end < upper)
    with np.errstate(all="ignore"):  # a bridge of no length, an end outside
        if np.isinf(lower):
            touch = np.exp(-2.0 * (upper - start) * (upper - end) / variance)
        elif np.isinf(upper):
            touch = np.exp(-2.0 * (start + lower) * (end + lower) / variance)
        else:
            touch = 1.0 - _staying(start + lower, end + lower, variance, lower + upper)
    return np.where(inside, touch, 1.0)


def _staying(start: Floats, end: Floats, variance: Floats, width: float) -> Floats:
    """Return the probability that bridges stay in (0, width), by the method of images."""
    total = np.zeros(len(start))
    for image in range(-IMAGES, IMAGES + 1):
        shift = image * width
        total += np.exp(-2.0 * shift * (shift + end - start) / variance)
        total -= np.exp(-2.0 * (shift + start) * (shift + end) / variance)
    return total


def passage(*rows: tuple[float, ...]) -> Passage:
    """Return cases as questions."""
    return Passage(*np.array(rows).T.copy())


def compared(case: tuple[float, ...], found: tuple[float, float], drawn: Shares) -> str:
    """Tell what the formula says of a case, and what paths do."""
    return (
        f"{case}: leaves {found[0]:.5f}, drawn {drawn.leaving:.5f}; "
        f"beyond {found[1]:.5f}, drawn {drawn.beyond:.5f} ({drawn.paths:,} paths, seed {SEED})"
    )


def comparison(paths: int) -> Iterator[str]:
    """Tell of every case, one at a time, then how far apart what is above 1 % is at most."""
    leaving, beyond = leaving_probability(passage(*CASES))
    worst = 0.0
    for row, case in enumerate(CASES):
        drawn = simulate(passage(case), 0, paths, SEED)
        found = float(leaving[row]), float(beyond[row])
        yield compared(case, found, drawn)
        for said, share in zip(found, (drawn.leaving, drawn.beyond), strict=True):
            if share > 0.01:
                worst = max(worst, abs(said / share - 1.0))
    yield f"above 1 % the formula is within {worst:.2%} of the paths"
