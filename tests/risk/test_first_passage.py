"""First passage: closed forms without jumps, paths without a step size with them, its borders."""

import os
from dataclasses import fields
from math import erfc, exp, inf, pi, sin, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.first_passage import Passage, leaving_probability
from tests.risk.paths import CASES, SEED, compared, passage, simulate
from tests.strategies import effort

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
PATHS = 1_000_000 if SOAK else 50_000
EXACT = 1e-6  # absolute, what the module promises


def both(*row: float) -> tuple[float, float]:
    leaving, beyond = leaving_probability(passage(row))
    return float(leaving[0]), float(beyond[0])


def check(probability: float, share: float, error: float) -> None:
    """Within 10 % where it is above 1 %; and within what so many paths can tell, everywhere."""
    assert probability == pytest.approx(share, abs=5.0 * error)
    if share > 0.01 and SOAK:
        assert probability == pytest.approx(share, rel=0.1)


@pytest.mark.soak
@pytest.mark.parametrize("case", CASES)
def test_paths_of_the_same_process_leave_as_often(case: tuple[float, ...]) -> None:
    drawn = simulate(passage(case), 0, PATHS, SEED)
    leaving, beyond = both(*case)
    if SOAK:
        print(f"\n{compared(case, (leaving, beyond), drawn)}")
    check(leaving, drawn.leaving, drawn.error(leaving))
    check(beyond, drawn.beyond, drawn.error(beyond))


@pytest.mark.parametrize("distance", [1e-9, 0.001, 0.01, 0.03, 0.1, 0.3])
def test_without_jumps_one_border_is_the_reflection_principle(distance: float) -> None:
    # 2 Phi(-d / sigma) = erfc(d / (sigma sqrt 2))
    expected = erfc(distance / 0.03 / sqrt(2.0))
    assert both(distance, inf, 0.0, inf, 0.03, 0.0, 0.0) == pytest.approx((expected, 0), abs=EXACT)
    assert both(inf, distance, inf, 0.0, 0.03, 0.0, 0.5) == pytest.approx((expected, 0), abs=EXACT)


@pytest.mark.parametrize(("lower", "upper"), [(0.02, 0.03), (0.01, 0.2), (0.05, 0.05)])
def test_without_jumps_two_borders_are_the_sine_series(lower: float, upper: float) -> None:
    width, sigma = lower + upper, 0.03
    odd = range(1, 400, 2)
    stays = sum(
        4.0 / (n * pi) * sin(n * pi * lower / width) * exp(-((n * pi * sigma / width) ** 2) / 2.0)
        for n in odd
    )
    leaving, beyond = both(lower, upper, 0.0, 0.0, sigma, 0.0, 0.0)
    assert leaving == pytest.approx(1.0 - stays, abs=EXACT)
    assert beyond == 0.0


def test_without_diffusion_a_single_rare_jump_is_the_whole_story() -> None:
    # One jump at most: it comes, goes down, and is large enough.
    often, mean = 1e-3, 0.02
    leaving, beyond = both(0.05, inf, 0.01, inf, 0.0, often, mean)
    assert leaving == pytest.approx(0.5 * often * exp(-0.05 / mean), rel=0.01)
    assert beyond == pytest.approx(leaving * exp(-0.01 / mean), rel=1e-3)


def test_what_a_jump_has_beyond_the_border_forgets_how_it_came() -> None:
    case = (0.05, inf, 0.0, inf, 0.03, 2.0, 0.02)
    _, at_once = both(*case)
    _, further = both(0.05, inf, 0.03, inf, 0.03, 2.0, 0.02)
    assert further == pytest.approx(at_once * exp(-0.03 / 0.02), abs=EXACT)


def test_nothing_leaves_an_interval_without_borders() -> None:
    assert both(inf, inf, inf, inf, 0.1, 5.0, 0.1) == pytest.approx((0.0, 0.0), abs=EXACT)


def test_nothing_leaves_when_nothing_moves() -> None:
    assert both(0.01, 0.01, 0.0, 0.0, 0.0, 0.0, 0.0) == pytest.approx((0.0, 0.0), abs=EXACT)


def test_an_endless_gap_is_not_jumped() -> None:
    assert both(0.01, inf, inf, inf, 0.03, 5.0, 0.1)[1] == 0.0


def test_no_rows_have_no_answers() -> None:
    empty = np.zeros(0)
    leaving, beyond = leaving_probability(Passage(*([empty] * 7)))
    assert len(leaving) == len(beyond) == 0


def test_rows_do_not_hear_of_each_other() -> None:
    many = passage(*(CASES[index % len(CASES)] for index in range(1_000)))
    alone = np.array([both(*case) for case in CASES])
    leaving, beyond = leaving_probability(many)
    for index in (0, 7, 255, 256, 999):
        assert (leaving[index], beyond[index]) == pytest.approx(
            alone[index % len(CASES)], abs=1e-12
        )


distances = st.one_of(st.floats(1e-4, 3.0), st.just(inf))
gaps = st.floats(0.0, 1.0)
passages = st.tuples(
    distances,
    distances,
    gaps,
    gaps,
    st.floats(1e-4, 1.0),
    st.one_of(st.just(0.0), st.floats(1e-6, 50.0)),
    st.floats(1e-4, 0.5),
)
factors = st.floats(1.0, 10.0)


def changed(case: tuple[float, ...], **by: float) -> tuple[float, ...]:
    """The case with some of its numbers multiplied."""
    names = [field.name for field in fields(Passage)]
    return tuple(value * by.get(name, 1.0) for name, value in zip(names, case, strict=True))


def check_rises(less: tuple[float, ...], more: tuple[float, ...]) -> None:
    for low, high in zip(both(*less), both(*more), strict=True):
        assert low <= high + 2.0 * EXACT


@effort(100, 1_000)
@given(passages)
def test_they_are_probabilities_and_beyond_is_a_part(case: tuple[float, ...]) -> None:
    leaving, beyond = both(*case)
    assert 0.0 <= beyond <= leaving <= 1.0


@effort(100, 1_000)
@given(passages, factors)
def test_a_longer_horizon_is_never_safer(case: tuple[float, ...], factor: float) -> None:
    longer = changed(case, diffusion=sqrt(factor), jumps=factor)
    # More time may not undo a jump past the gap either.
    check_rises(case, longer)


@effort(100, 1_000)
@given(passages, factors)
def test_leaving_rises_with_volatility(case: tuple[float, ...], factor: float) -> None:
    leaving, _ = both(*case)
    assert leaving <= both(*changed(case, diffusion=factor, jump_mean=factor))[0] + 2.0 * EXACT


@effort(100, 1_000)
@given(passages, factors)
def test_leaving_falls_with_distance(case: tuple[float, ...], factor: float) -> None:
    leaving, _ = both(*case)
    assert leaving + 2.0 * EXACT >= both(*changed(case, lower=factor))[0]
    assert leaving + 2.0 * EXACT >= both(*changed(case, upper=factor))[0]


@effort(100, 1_000)
@given(passages, factors)
def test_a_wider_gap_is_never_worse(case: tuple[float, ...], factor: float) -> None:
    check_rises(changed(case, lower_gap=factor, upper_gap=factor), case)


@effort(100, 1_000)
@given(passages)
def test_below_and_above_are_alike(case: tuple[float, ...]) -> None:
    lower, upper, lower_gap, upper_gap, *rest = case
    assert both(upper, lower, upper_gap, lower_gap, *rest) == pytest.approx(both(*case), abs=EXACT)
