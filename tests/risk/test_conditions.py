"""Condition of a market: ranges and their volatility, how far highs reach, both sides of bands."""

from dataclasses import replace
from itertools import pairwise
from math import inf, isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.conditions import (
    DAY_MS,
    RANGES_MIN,
    Bands,
    Condition,
    MarketTrack,
    kept_tracks,
    restored_tracks,
)
from service.risk.model import Mark
from service.risk.volatility import SECONDS_A_YEAR, VolatilityRule

START_MS = 1_760_000_040_000  # a whole minute
MINUTE_MS, BLOCK_MS = 60_000, DAY_MS // 4
BANDS = Bands(volatility=4.0, divergence=0.02, hysteresis=0.25)


def take(track: MarketTrack, price: float, time_ms: int, index: float | None = None) -> None:
    track.take(Mark("BTC/USDT:USDT", price, index_price=index), time_ms, BANDS)


@pytest.mark.parametrize("spacing_s", [1.0, 3.0, 10.0])
def test_the_ranges_of_a_walk_say_its_volatility(spacing_s: float) -> None:
    """Whether marks come each second or each ten, in the mean of many walks."""
    annual, walks, steps = 0.8, 60, int(3_600 / spacing_s)
    generator = np.random.default_rng(5)
    size = annual * sqrt(spacing_s / SECONDS_A_YEAR)
    paths = 100.0 * np.exp(np.cumsum(generator.normal(0.0, size, (walks, steps)), axis=1))
    found = []
    for path in paths.tolist():
        track = MarketTrack()
        for step, price in enumerate(path):
            take(track, price, START_MS + int(step * spacing_s * 1_000))
        found.append(track.range_annual() ** 2)
    assert sqrt(float(np.mean(found))) == pytest.approx(annual, rel=0.04)


def minutes(track: MarketTrack, count: int, start_ms: int, marks: int = 6) -> None:
    for step in range(count * marks):
        time_ms = start_ms + step * MINUTE_MS // marks
        take(track, 100.0 + step % 2, time_ms)


def test_ranges_are_told_from_five_whole_minutes_on_and_begin_anew_after_a_silence() -> None:
    track = MarketTrack()
    minutes(track, RANGES_MIN, START_MS)
    assert (track.ranges, isnan(track.range_annual())) == (RANGES_MIN - 1, True)
    end_ms = START_MS + RANGES_MIN * MINUTE_MS
    take(track, 100.0, end_ms)
    assert (track.ranges, isnan(track.range_annual())) == (RANGES_MIN, False)
    gap_ms = VolatilityRule().gap_max_ms
    for silence_ms, ranges in ((gap_ms, RANGES_MIN), (gap_ms + 1, 0)):
        [later] = restored_tracks(kept_tracks([track]), 1)
        at_ms = end_ms + silence_ms
        at_ms += -at_ms % MINUTE_MS  # told by the minute that the silence ends in
        later.time_ms = at_ms - silence_ms
        take(later, 100.0, at_ms)
        assert later.ranges == ranges


@pytest.mark.parametrize(("marks", "counted"), [(3, 0), (4, 4)])
def test_a_minute_of_too_few_marks_is_no_range(marks: int, counted: int) -> None:
    track = MarketTrack()
    minutes(track, 6, START_MS, marks)
    assert track.ranges == counted, "the first has a step less: nothing came before it"


def test_a_wick_between_two_samples_is_in_the_range() -> None:
    calm, wick = MarketTrack(), MarketTrack()
    for track in (calm, wick):
        minutes(track, RANGES_MIN + 1, START_MS)
    take(wick, 80.0, START_MS + (RANGES_MIN + 1) * MINUTE_MS - 1)
    for track in (calm, wick):
        take(track, 100.0, START_MS + (RANGES_MIN + 1) * MINUTE_MS)
    assert wick.range_annual() > 5.0 * calm.range_annual()


def test_high_and_low_reach_back_eighteen_to_twenty_four_hours() -> None:
    track = MarketTrack()
    block_ms = START_MS - START_MS % BLOCK_MS
    take(track, 120.0, block_ms)
    take(track, 90.0, block_ms + BLOCK_MS - 1)
    take(track, 100.0, block_ms + BLOCK_MS)
    later_ms = block_ms + 4 * BLOCK_MS
    assert track.extremes(later_ms - 1) == (120.0, 90.0)
    assert track.extremes(later_ms) == (100.0, 90.0), "it follows the minute before, with its last"
    take(track, 101.0, later_ms - 1)
    take(track, 102.0, later_ms)
    assert track.extremes(later_ms) == (102.0, 90.0)
    assert all(map(isnan, track.extremes(later_ms + 4 * BLOCK_MS))), "no mark since"
    assert all(map(isnan, MarketTrack().extremes(START_MS)))


PRICES = st.floats(1e-9, 1e12)


@given(st.lists(st.tuples(st.integers(0, 9 * 3_600_000), PRICES), min_size=1, max_size=40))
def test_extremes_are_those_of_the_marks_within_a_day(steps: list[tuple[int, float]]) -> None:
    track, said, time_ms = MarketTrack(), [], START_MS
    for wait_ms, price in steps:
        time_ms += wait_ms
        take(track, price, time_ms)
        said.append((time_ms, price))
    high, low = track.extremes(time_ms)
    surely = [price for at_ms, price in said if at_ms > time_ms - 3 * BLOCK_MS]
    # A minute goes on from the mark before it, which is a minute further back at most.
    at_most = [price for at_ms, price in said if at_ms > time_ms - DAY_MS - 2 * MINUTE_MS]
    assert max(surely) <= high <= max(at_most)
    assert min(surely) >= low >= min(at_most)


@pytest.mark.parametrize("condition", list(Condition))
def test_a_band_is_left_beyond_its_limit_and_entered_below_the_hysteresis(
    condition: Condition,
) -> None:
    limit = BANDS.limit(condition)
    back = limit * 0.75
    for value, since_ms, expected in (
        (limit, 0, 0),
        (np.nextafter(limit, inf), 0, 9),
        (np.nextafter(limit, inf), 5, 5),
        (np.nextafter(back, inf), 5, 5),
        (np.nextafter(back, inf), 0, 0),
        (back, 5, 0),
        (nan, 5, 5),
        (nan, 0, 0),
    ):
        found = BANDS.outside_since(condition, float(value), since_ms, 9)
        assert found == expected, (value, since_ms)
    none = replace(BANDS, volatility=0.0, divergence=0.0)
    assert none.outside_since(condition, inf, 5, 9) == 0, "no band, nothing outside"


def test_divergence_is_that_of_marks_with_an_index() -> None:
    track = MarketTrack()
    take(track, 103.0, START_MS, index=100.0)
    assert track.divergence == pytest.approx(0.03)
    assert track.diverged_ms == START_MS
    take(track, 100.0, START_MS + 1)
    assert track.diverged_ms == START_MS, "a mark without an index says nothing"
    take(track, 98.4, START_MS + 2, index=100.0)
    assert track.diverged_ms == START_MS, "inside, and not yet by the hysteresis"
    take(track, 98.6, START_MS + 3, index=100.0)
    assert track.diverged_ms == 0
    take(track, 97.9, START_MS + 4, index=100.0)
    assert track.diverged_ms == START_MS + 4, "below the index as above"


def test_extreme_prices_leave_finite_figures() -> None:
    """What is kept is JSON, which has no infinity."""
    track = MarketTrack()
    for step, price in enumerate((1e-308, 1.7e308) * 60):
        take(track, price, START_MS + step * 10_000, index=5e-324)
    columns = kept_tracks([track])
    assert np.all(np.isfinite([column[0] for column in columns.values()]))
    assert track.range_annual() > 0.0


MARKS = st.lists(
    st.tuples(st.integers(0, 200_000), st.floats(50.0, 200.0), st.booleans()), max_size=60
)


@given(MARKS, st.integers(0, 60))
def test_going_on_from_what_was_kept_is_as_if_nothing_happened(
    steps: list[tuple[int, float, bool]], at: int
) -> None:
    straight, broken = MarketTrack(), MarketTrack()
    time_ms = START_MS
    for place, (wait_ms, price, has_index) in enumerate(steps):
        time_ms += wait_ms
        if place == at:
            [broken] = restored_tracks(kept_tracks([broken]), 1)
        for track in (straight, broken):
            take(track, price, time_ms, 100.0 if has_index else None)
            track.judge_volatility(price / 30.0, time_ms, BANDS)
    assert straight == broken


def test_what_another_version_kept_begins_anew() -> None:
    kept = kept_tracks([MarketTrack(price=1.0), MarketTrack(price=2.0)])
    assert [track.price for track in restored_tracks(kept, 2)] == [1.0, 2.0]
    assert restored_tracks({}, 2) == [MarketTrack(), MarketTrack()]
    assert restored_tracks(kept | {"price": [1.0]}, 2) == [MarketTrack(), MarketTrack()]
    assert all(a is not b for a, b in pairwise(restored_tracks({}, 3)))
