"""Probability that a log price without drift leaves an interval, and by how much it jumps past it.

The process: X_t = sigma W_t + the sum of jumps that come as a Poisson process, up as often as
down, exponentially distributed in size (Kou's double exponential jump diffusion, without drift).
Started at 0, it leaves (-lower, upper) at time tau. Because exponential jumps forget, what a jump
has beyond the border is exponential with the same mean, whenever it comes (Kou and Wang, 2003).

The Laplace transform f(x) = E_x[e^(-alpha tau) g] solves `L f = alpha f`, with L the generator of
X: it is a sum of four exponentials e^(+-beta x), beta the roots of

    sigma^2 beta^2 / 2 + rate beta^2 / (eta^2 - beta^2) = alpha,     eta = 1 / mean jump,

a quadratic in beta^2. Two conditions at each border fix the four: the payoff when the path touches
it, and the mean payoff when a jump crosses it. By symmetry about the middle they fall into an even
and an odd pair. Time is brought back by Euler summation (Abate and Whitt, 1995). The probabilities
are absolutely right to 1e-6; `tests/risk/test_first_passage.py` holds them against closed forms and
paths without a step size.
"""

from dataclasses import dataclass, fields
from math import comb, exp, pi
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Floats

_Complex: TypeAlias = NDArray[np.complex128]

_DAMPING = 18.4  # the inversion's error is e^-18.4 = 1e-8 by this
_TERMS, _AVERAGED = 24, 12  # partial sums: the first so many, then their binomial mean over more
_ROWS = 256  # at a time: what is computed on, (terms, rows), stays in the cache
_FURTHEST = 1e6  # of log price: no border
_SMALLEST = 1e-9  # standard deviation over the horizon: less is none, and a quadratic needs one
_FAR_FROM_JUMPS = 1e-3  # without jumps a root is eta, whatever it is: away from the other


def _inversion() -> tuple[_Complex, Floats]:
    """Return where the transform is asked, (terms, 1), and each answer's weight, for time 1."""
    terms = np.arange(_TERMS + _AVERAGED + 1)
    weight = np.ones(len(terms))
    tail = np.cumsum([comb(_AVERAGED, k) for k in range(_AVERAGED, -1, -1)])[::-1]
    weight[_TERMS:] = tail / 2.0**_AVERAGED
    weight[0] = 0.5
    weight *= np.where(terms % 2, -1.0, 1.0) * exp(_DAMPING / 2.0)
    alpha = np.asarray((_DAMPING + 2j * pi * terms) / 2.0, np.complex128)
    return alpha[:, np.newaxis], weight


_ALPHA, _WEIGHT = _inversion()


@dataclass(slots=True)
class Passage:
    """One row a question: the interval a path starts in at 0, and what moves it over the horizon.

    Finite but for distances and gaps.
    """

    lower: Floats  # > 0, in log price; inf: no border
    upper: Floats
    lower_gap: Floats  # >= 0, what lies beyond the border; inf: endless
    upper_gap: Floats
    diffusion: Floats  # standard deviation over the horizon
    jumps: Floats  # the mean number over the horizon
    jump_mean: Floats  # mean absolute size


def leaving_probability(passage: Passage) -> tuple[Floats, Floats]:
    """Return the probabilities to leave within the horizon, and to leave by a jump past a gap."""
    leaving, beyond = np.zeros(len(passage.lower)), np.zeros(len(passage.lower))
    columns = [getattr(passage, field.name) for field in fields(passage)]
    for start in range(0, len(leaving), _ROWS):
        rows = slice(start, start + _ROWS)
        leaving[rows], beyond[rows] = _leaving(Passage(*(column[rows] for column in columns)))
    return leaving, beyond


def _leaving(passage: Passage) -> tuple[Floats, Floats]:
    lower = np.minimum(passage.lower, _FURTHEST)
    upper = np.minimum(passage.upper, _FURTHEST)
    deviation = np.maximum(passage.diffusion, _SMALLEST)
    jumping = (passage.jumps > 0.0) & (passage.jump_mean > 0.0)
    rate = np.where(jumping, passage.jumps, 0.0)
    eta = _FAR_FROM_JUMPS / deviation
    np.divide(1.0, passage.jump_mean, out=eta, where=jumping)
    past_lower = np.where(jumping, np.exp(-eta * passage.lower_gap), 0.0)
    past_upper = np.where(jumping, np.exp(-eta * passage.upper_gap), 0.0)
    roots = _roots(deviation**2, rate, eta)
    even = _Pair(roots, eta, lower, upper, sign=1)
    odd = _Pair(roots, eta, lower, upper, sign=-1)
    past = even.value(0.0, 0.5 * (past_upper + past_lower))
    past += odd.value(0.0, 0.5 * (past_upper - past_lower))
    leaving = np.clip(_WEIGHT @ (even.value(1.0, 1.0) / _ALPHA).real, 0.0, 1.0)
    return leaving, np.clip(_WEIGHT @ (past / _ALPHA).real, 0.0, leaving)


def _roots(variance: Floats, rate: Floats, eta: Floats) -> tuple[_Complex, _Complex]:
    """Return the two roots with positive real part, at every alpha."""
    half = 0.5 * variance * eta**2 + _ALPHA + rate
    product = 2.0 * variance * _ALPHA * eta**2
    twice = half + np.sqrt(half**2 - product)
    return np.sqrt(product / variance / twice), np.sqrt(twice / variance)


class _Pair:
    """The even (`sign` 1) or odd (-1) solutions: e^(-beta to upper) + sign e^(-beta to lower).

    Each is scaled by eta - beta, so that nothing blows up when a root comes to eta: without jumps.
    """

    def __init__(
        self,
        roots: tuple[_Complex, _Complex],
        eta: Floats,
        lower: Floats,
        upper: Floats,
        *,
        sign: int,
    ) -> None:
        self._near, self._far = (_term(beta, eta, lower, upper, sign) for beta in roots)

    def value(self, touching: float, crossing: Floats | float) -> _Complex:
        """Return the solution at 0, given the payoffs at a border when touched and when crossed."""
        near, far = self._near, self._far
        first = (touching * far.cross - crossing * far.touch) * near.here
        second = (crossing * near.touch - touching * near.cross) * far.here
        return (first + second) / (near.touch * far.cross - far.touch * near.cross)


class _Term(NamedTuple):
    """One solution where a path touches the upper border, what crossing it means, and at 0."""

    touch: _Complex
    cross: _Complex
    here: _Complex


def _term(beta: _Complex, eta: Floats, lower: Floats, upper: Floats, sign: int) -> _Term:
    across, scale = sign * np.exp(-beta * (lower + upper)), eta - beta
    return _Term(
        touch=scale * (1.0 + across),
        cross=eta * (1.0 + across * scale / (eta + beta)),
        here=scale * (np.exp(-beta * upper) + sign * np.exp(-beta * lower)),
    )
