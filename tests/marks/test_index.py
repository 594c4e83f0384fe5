"""The index of several sources and the mark made of it: each rule on both sides of its border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.marks.index import IndexRule, SpotIndex, weighted_median
from service.marks.own_mark import MovingBasis, own_marks
from service.risk.columns import Floats

BAND = 0.03
RULE = IndexRule(fresh_ms=10_000, band=BAND, sources_min=1, confirm_ms=2_000)


def index_of(*weights: float, rule: IndexRule = RULE) -> SpotIndex:
    """One market with a source a weight."""
    return SpotIndex(np.array([weights]), rule)


def said(index: SpotIndex, now_ms: int, *prices: float | None) -> float:
    """Let the sources speak (None: it says nothing) and return the index."""
    for source, price in enumerate(prices):
        if price is not None:
            index.say(0, source, price, now_ms)
    return float(index.step(now_ms)[0])


def one(*values: float) -> Floats:
    return np.array(values)


@pytest.mark.parametrize(
    ("prices", "weights", "expected"),
    [
        ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], 2.0),
        ([1.0, 2.0, 3.0], [3.0, 1.0, 1.0], 1.0),
        ([3.0, 1.0, 2.0], [1.0, 1.0, 2.0], 2.0),
        ([1.0, 2.0], [1.0, 1.0], 1.5),
        ([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0], 2.5),
        ([np.nan, 2.0, 3.0], [9.0, 2.0, 1.0], 2.0),
    ],
)
def test_the_weighted_median(prices: list[float], weights: list[float], expected: float) -> None:
    assert weighted_median(np.array([prices]), np.array([weights])).tolist() == [expected]


def test_of_nothing_there_is_no_median() -> None:
    assert np.isnan(weighted_median(np.full((1, 2), np.nan), np.ones((1, 2)))[0])


def test_what_is_far_from_the_median_is_dropped() -> None:
    assert said(index_of(9.0, 1.0, 1.0), 0, 22.0, 100.0, 101.0) == 100.5
    assert said(index_of(9.0, 1.0, 1.0), 0, 97.1, 100.0, 101.0) == 97.1, "within the band: counted"
    assert said(index_of(9.0, 1.0, 1.0), 0, 97.0, 100.0, 101.0) == 100.5


def test_a_source_counts_while_it_is_fresh() -> None:
    index = index_of(1.0, 1.0, 1.0)
    assert said(index, 0, 100.0, 101.0, 102.0) == 101.0
    assert said(index, 10_000, None, 101.0, 102.0) == 101.0
    assert said(index, 10_001, None, 101.0, 102.0) == 101.5


def test_with_too_few_sources_there_is_no_index() -> None:
    index = index_of(1.0, 1.0, rule=IndexRule(sources_min=2))
    assert np.isnan(said(index, 0, 100.0))
    assert said(index, 1, None, 101.0) == 100.5
    assert np.isnan(said(index, 10_001, None, 101.0))
    assert said(index, 10_002, 101.0, 101.0) == 101.0


def test_of_two_that_disagree_it_goes_as_far_as_both_say() -> None:
    index = index_of(1.0, 1.0)
    assert said(index, 0, 100.0, 100.0) == 100.0
    assert said(index, 1, 22.0, 99.0) == 99.0, "at least so far both say it fell"
    assert said(index, 2, 22.0, 104.0) == 99.0, "nobody else says it fell or rose"
    assert said(index, 3, 22.0, 60.0) == 60.0
    assert said(index, 4, 22.0, 22.5) == 22.25, "they agree"


def test_of_two_against_two_it_goes_as_far_as_all_say() -> None:
    index = index_of(1.0, 1.0, 1.0, 1.0)
    assert said(index, 0, 100.0, 100.0, 100.0, 100.0) == 100.0
    assert said(index, 1, 50.0, 50.0, 98.0, 98.0) == 98.0
    assert said(index, 2, 50.0, 50.0, 120.0, 120.0) == 98.0


def test_two_that_never_agreed_have_no_index() -> None:
    assert np.isnan(said(index_of(1.0, 1.0), 0, 50.0, 100.0))


def test_a_lone_sources_jump_is_followed_when_it_has_lasted() -> None:
    index, edge = index_of(1.0), 100.0 / (1.0 + BAND)
    assert said(index, 0, 100.0) == 100.0
    assert said(index, 1_000, 98.0) == 98.0
    assert said(index, 2_000, 50.0) == pytest.approx(98.0 / (1.0 + BAND))
    assert said(index, 3_999, 48.0) > 48.0
    assert said(index, 4_000, 48.0) == 48.0
    assert edge > 48.0


def test_a_jump_that_was_a_wick_begins_anew() -> None:
    index = index_of(1.0)
    said(index, 0, 100.0)
    said(index, 1, 50.0)
    said(index, 1_500, 100.0)
    said(index, 1_501, 50.0)
    assert said(index, 3_500, 50.0) > 50.0
    assert said(index, 3_501, 50.0) == 50.0


@given(
    st.lists(st.floats(0.01, 10.0), min_size=1, max_size=30),
    st.lists(st.sampled_from([1.0, 0.995, 1.005]), min_size=30, max_size=30),
)
def test_one_source_alone_never_moves_the_index_beyond_the_band(
    wicks: list[float], steps: list[float]
) -> None:
    """However one moves, while the others agree, or the other one stays within the band."""
    three, two = index_of(1.0, 1.0, 1.0), index_of(1.0, 1.0)
    said(three, 0, 100.0, 100.0, 100.0)
    said(two, 0, 100.0, 100.0)
    price = 100.0
    for now_ms, (wick, step) in enumerate(zip(wicks, steps, strict=False), start=1):
        price = min(max(price * step, 99.0), 101.0)
        index = said(three, now_ms, wick * 100.0, price, price)
        assert price / (1.0 + BAND) <= index <= price * (1.0 + BAND)
        index = said(two, now_ms, wick * 100.0, price)
        assert 99.0 / (1.0 + BAND) <= index <= 101.0 * (1.0 + BAND)


def test_the_basis_is_averaged_over_its_newest_samples() -> None:
    basis = MovingBasis(2, points=2, every_ms=1_000)
    assert basis.average().tolist() == [0.0, 0.0]
    basis.sample(one(1.0, np.nan), 0)
    basis.sample(one(9.0, 9.0), 999)  # none is due
    assert basis.average().tolist() == [1.0, 0.0]
    basis.sample(one(3.0, 5.0), 1_000)
    assert basis.average().tolist() == [2.0, 5.0]
    basis.sample(one(5.0, 7.0), 2_000)
    assert basis.average().tolist() == [4.0, 6.0]


@pytest.mark.parametrize(
    ("book", "average", "funding", "expected"),
    [
        (100.0, 0.0, 0.0, 100.0),
        (20.0, -1.0, 0.0, 99.0),  # an emptied book: price 2 is in the middle
        (20.0, -1.0, -0.01, 99.0),
        (20.0, -1.0, -0.02, 98.0),  # the funding still to come is
        (99.5, -1.0, 0.0, 99.5),
        (np.nan, -1.0, 0.0, 99.5),
        (20.0, -500.0, 0.0, 20.0),
    ],
)
def test_the_mark_is_the_median_of_three(
    book: float, average: float, funding: float, expected: float
) -> None:
    marks = own_marks(one(100.0), one(average), one(book), one(funding))
    assert marks.tolist() == [pytest.approx(expected)]


def test_without_an_index_there_is_no_mark() -> None:
    assert np.isnan(own_marks(one(np.nan), one(0.0), one(1.0), one(0.0))[0])


@pytest.mark.parametrize(("book", "expected"), [(20.0, 80.0), (90.0, 90.0), (500.0, 125.0)])
def test_the_mark_stays_by_its_index(book: float, expected: float) -> None:
    marks = own_marks(one(100.0), one(book - 100.0), one(book), one(0.0), divergence_max=0.25)
    assert marks.tolist() == [pytest.approx(expected)]
