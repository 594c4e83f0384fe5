"""Volatility of marks: what was put in comes out, jumps apart; states at both sides of borders."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.columns import Floats, Ints
from service.risk.volatility import (
    KNOWN,
    NO_MARK,
    SECONDS_A_YEAR,
    STALE_MARKS,
    TOO_FEW_MARKS,
    Volatility,
    VolatilityBook,
    VolatilityRule,
)
from tests.strategies import effort

RULE = VolatilityRule(half_life_s=7_200.0)  # much to look back on: less chance in a figure
NO_PRIOR = replace(RULE, prior_jumps=0.0, prior_s=0.0)
SIGMA = 2e-4  # a root second; 112 % a year
SEED = 7


def fed(
    log_price: Floats, time_ms: Ints, rule: VolatilityRule = RULE, later_ms: int = 0
) -> Volatility:
    """What one market's marks say at the last of them, or later."""
    book = VolatilityBook(rule)
    book.observe(np.zeros(len(time_ms), np.int64), np.exp(log_price), time_ms)
    return book.read(np.zeros(1, np.int64), int(time_ms[-1]) + later_ms)


def walk(returns: int, spacing_ms: Ints | int = 5_000, sigma: float = SIGMA) -> tuple[Floats, Ints]:
    """A Brownian motion's log prices and their times."""
    elapsed = np.broadcast_to(spacing_ms, returns)
    moves = np.random.default_rng(SEED).standard_normal(returns) * np.sqrt(elapsed / 1e3) * sigma
    start = np.zeros(1, np.int64)
    return np.append(0.0, moves.cumsum()), np.concatenate([start, elapsed.cumsum()])


def irregular(returns: int) -> Ints:
    spacing: Ints = np.random.default_rng(SEED + 1).integers(5_000, 60_000, returns)
    return spacing


def test_diffusion_comes_out_as_it_went_in() -> None:
    found = fed(*walk(4_000))
    assert found.state[0] == KNOWN
    assert found.diffusion_per_sqrt_s[0] == pytest.approx(SIGMA, rel=0.05)


def test_spacing_may_be_irregular() -> None:
    found = fed(*walk(4_000, irregular(4_000)))
    assert found.diffusion_per_sqrt_s[0] == pytest.approx(SIGMA, rel=0.1)


def test_a_year_has_365_days_in_seconds() -> None:
    still = VolatilityRule(prior_jumps=0.0)
    found = fed(*walk(100), still)
    assert found.jumps_per_s[0] == 0.0
    assert found.annual[0] == pytest.approx(
        found.diffusion_per_sqrt_s[0] * np.sqrt(365 * 24 * 3_600), rel=1e-12
    )
    assert SECONDS_A_YEAR == 31_536_000.0


def test_the_total_has_the_jumps_in() -> None:
    found = fed(*walk(100))
    variance = found.diffusion_per_sqrt_s[0] ** 2
    variance += found.jumps_per_s[0] * 2.0 * found.jump_mean[0] ** 2
    assert found.total_per_sqrt_s[0] == pytest.approx(np.sqrt(variance), rel=1e-12)


def test_jumps_are_told_apart() -> None:
    log_price, time_ms = walk(8_000)
    generator = np.random.default_rng(SEED)
    jumps = (generator.random(8_001) < 0.01) * generator.exponential(0.02, 8_001)
    jumps *= generator.choice([-1.0, 1.0], 8_001)
    found = fed(log_price + jumps.cumsum(), time_ms, replace(NO_PRIOR, jump_half_life_s=1e9))
    assert found.diffusion_per_sqrt_s[0] == pytest.approx(SIGMA, rel=0.12)
    assert found.jump_mean[0] == pytest.approx(0.02, rel=0.2)
    # Those that stay below the border (a tenth) are nobody's jumps.
    assert found.jumps_per_s[0] == pytest.approx(0.01 / 5.0 * 0.9, rel=0.2)


@pytest.mark.parametrize("size", [0.02, 0.3])
@pytest.mark.parametrize("back", [False, True])
def test_a_spike_does_not_move_the_diffusion(size: float, back: bool) -> None:
    log_price, time_ms = walk(2_000)
    calm = fed(log_price, time_ms)
    spiked = log_price.copy()
    spiked[-100] += size
    if not back:
        spiked[-99:] += size
    found = fed(spiked, time_ms)
    assert found.diffusion_per_sqrt_s[0] == pytest.approx(calm.diffusion_per_sqrt_s[0], rel=0.03)
    assert found.jumps_per_s[0] > calm.jumps_per_s[0]


def test_another_volatility_is_not_taken_for_jumps() -> None:
    log_price, time_ms = walk(2_000)
    wild = log_price.copy()
    wild[-400:] = log_price[-400] + 10.0 * (log_price[-400:] - log_price[-400])
    found = fed(wild, time_ms, replace(NO_PRIOR, half_life_s=600.0))
    assert found.diffusion_per_sqrt_s[0] == pytest.approx(10.0 * SIGMA, rel=0.25)


def test_a_market_that_stood_still_can_begin_to_move() -> None:
    log_price, _ = walk(1_000)
    still = np.concatenate([np.zeros(500), log_price])
    times = np.arange(len(still)) * 5_000
    found = fed(still, times, replace(RULE, half_life_s=600.0))
    assert found.diffusion_per_sqrt_s[0] == pytest.approx(SIGMA, rel=0.2)


def test_a_still_market_has_no_diffusion_and_the_prior_of_jumps() -> None:
    found = fed(np.zeros(100), np.arange(100) * 5_000, replace(RULE, prior_s=100.0))
    assert found.diffusion_per_sqrt_s[0] == 0.0
    assert found.jumps_per_s[0] == pytest.approx(1.0 / (100.0 + 495.0), rel=0.01)
    assert found.jump_mean[0] == RULE.prior_jump_mean


def test_without_a_prior_what_never_jumped_never_will() -> None:
    found = fed(*walk(100), NO_PRIOR)
    assert found.jumps_per_s[0] == 0.0
    assert np.isfinite(found.jump_mean[0])


def test_too_few_marks_are_no_volatility() -> None:
    least = RULE.returns_min
    log_price, time_ms = walk(least)
    assert fed(log_price, time_ms).state[0] == KNOWN
    few = fed(log_price[:-1], time_ms[:-1])
    assert few.state[0] == TOO_FEW_MARKS
    for figure in (few.diffusion_per_sqrt_s, few.jumps_per_s, few.jump_mean, few.annual):
        assert np.isnan(figure[0])


def test_no_mark_is_another_state() -> None:
    assert VolatilityBook().read(np.array([3]), 0).state.tolist() == [NO_MARK]


def test_old_marks_are_stale() -> None:
    log_price, time_ms = walk(100)
    assert fed(log_price, time_ms, later_ms=RULE.stale_after_ms).state[0] == KNOWN
    stale = fed(log_price, time_ms, later_ms=RULE.stale_after_ms + 1)
    assert stale.state[0] == STALE_MARKS
    assert np.isnan(stale.diffusion_per_sqrt_s[0])


@pytest.mark.parametrize(("more_ms", "state"), [(0, KNOWN), (1, TOO_FEW_MARKS)])
def test_a_long_silence_starts_anew(more_ms: int, state: int) -> None:
    log_price, time_ms = walk(100)
    time_ms[-1] = time_ms[-2] + RULE.gap_max_ms + more_ms
    log_price[-1] += 0.5
    assert fed(log_price, time_ms).state[0] == state


def test_what_a_silence_hid_is_nobodys_return() -> None:
    log_price, time_ms = walk(200)
    time_ms[100:] += RULE.gap_max_ms + 1
    log_price[100:] += 0.5
    found = fed(log_price, time_ms, NO_PRIOR)
    assert found.state[0] == KNOWN
    assert found.diffusion_per_sqrt_s[0] == pytest.approx(SIGMA, rel=0.2)
    assert found.jumps_per_s[0] == 0.0


@pytest.mark.parametrize(("spacing_ms", "state"), [(5_000, KNOWN), (4_999, TOO_FEW_MARKS)])
def test_marks_sooner_than_the_sampling_make_no_return(spacing_ms: int, state: int) -> None:
    assert fed(*walk(RULE.returns_min, spacing_ms)).state[0] == state


def test_bouncing_ticks_between_samples_are_not_heard() -> None:
    log_price, time_ms = walk(1_000)
    between = time_ms[:-1] + 2_000
    times = np.concatenate([time_ms, between])
    order = np.argsort(times)
    prices = np.concatenate([log_price, log_price[:-1] + 0.01])
    found, quiet = fed(prices[order], times[order]), fed(log_price, time_ms)
    assert found.diffusion_per_sqrt_s[0] == quiet.diffusion_per_sqrt_s[0]


@effort(40, 1_000)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_marks_together_or_one_by_one_are_the_same(markets: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    rule = replace(RULE, sampling_ms=10, returns_min=1)
    market = np.array(markets)
    price = np.exp(generator.standard_normal(len(market)))
    time_ms = generator.integers(0, 400, len(market)).cumsum()
    together, singly = VolatilityBook(rule), VolatilityBook(rule)
    together.observe(market, price, time_ms)
    for row in range(len(market)):
        singly.observe(market[row : row + 1], price[row : row + 1], time_ms[row : row + 1])
    rows, now = np.arange(4), int(time_ms[-1])
    first, second = together.read(rows, now), singly.read(rows, now)
    for name in Volatility.__slots__:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@effort(40, 1_000)
@given(st.floats(1e-6, 1e6))
def test_the_unit_of_the_price_does_not_matter(unit: float) -> None:
    log_price, time_ms = walk(60)
    found, scaled = fed(log_price, time_ms), fed(log_price + np.log(unit), time_ms)
    assert scaled.total_per_sqrt_s[0] == pytest.approx(found.total_per_sqrt_s[0], rel=1e-6)


def test_no_marks_are_no_change() -> None:
    book = VolatilityBook()
    book.observe(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    assert len(book.read(np.zeros(0, np.int64), 0).state) == 0
