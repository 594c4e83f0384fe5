"""Gaps are borders: as the reference finds them, safe before and over the line beyond."""

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.risk import gaps
from service.risk.columns import Batch, Floats
from service.risk.evaluate import assess, prices, select
from service.risk.gaps import leg_gaps, max_loss, pool_gaps
from service.risk.margin import Assessment
from service.risk.model import Account
from tests import agreement
from tests.agreement import RELATIVE, ROUNDING, Both
from tests.reference.gaps import Betas, Gap, leg_to_liquidation, leg_to_owe, lost, pool_to, shift
from tests.reference.legs import Leg, notional
from tests.reference.pools import Figures, Move, Pool, Shift, figures, money_factor
from tests.reference.world import World
from tests.safe_scenes import safe_scenes
from tests.strategies import effort, scenes

FURTHEST = 10**8  # a price this many times off the mark, or as near to 0, may be called none
ASIDE = Fraction(1, 10**6)
BESIDE = Fraction(1, 10**12)
Value = Callable[[Figures], Fraction]


def judged(pool: Pool, move: Move | Shift, value: Value) -> tuple[Fraction, Fraction]:
    """What is left at a supposed price, and what that may be wrong by."""
    worth, at_marks = figures(pool, move), figures(pool)
    assert worth is not None
    assert at_marks is not None
    allowed = RELATIVE * agreement.scale(pool, worth, move)
    return value(worth), allowed + ROUNDING * agreement.scale(pool, at_marks)


def is_border(
    pool: Pool, at: Callable[[Fraction], Move | Shift], gap: Fraction, value: Value
) -> bool:
    """Whether there is next to nothing left at the gap, or the sign changes there."""
    points = [
        judged(pool, at(gap * (1 + aside)), value) for aside in (-BESIDE, Fraction(0), BESIDE)
    ]
    if any(abs(left) <= allowed for left, allowed in points):
        return True
    return min(left for left, _ in points) < 0 < max(left for left, _ in points)


def is_grazing(
    pool: Pool, at: Callable[[Fraction], Move | Shift], gap: Fraction, value: Value
) -> bool:
    """Whether it is not clearly over the line beyond."""
    left, allowed = judged(pool, at(gap * (1 + ASIDE)), value)
    return left >= -allowed


def assert_gap(
    pool: Pool,
    ways: tuple[Callable[[Fraction], Move | Shift], ...],
    found: tuple[float, str],
    exact: Gap,
    value: Value,
) -> None:
    """A gap in percent is the exact one, or as good a border."""
    percent, reason = found
    assert math.isnan(percent) == bool(reason)
    if exact.move is None or reason:
        if exact.move is not None and reason == "no_adverse_move":
            far = exact.move > FURTHEST or exact.move > 1 - Fraction(1, FURTHEST)
            assert far or all(is_grazing(pool, at, exact.move, value) for at in ways)
        elif exact.move is None and not reason:
            assert any(is_border(pool, at, Fraction(percent) / 100, value) for at in ways)
        else:
            assert reason == exact.reason
        return
    gap = Fraction(percent) / 100
    if abs(gap - exact.move) <= RELATIVE * max(Fraction(1), exact.move):
        return
    assert any(is_border(pool, at, gap, value) for at in ways), (percent, float(exact.move))
    # A border, but not the nearest: the nearest is hardly one.
    further = gap > exact.move * (1 + ASIDE)
    assert not further or all(is_grazing(pool, at, exact.move, value) for at in ways)


def moved_leg(leg: Leg) -> Callable[[Fraction], Move]:
    """The leg's symbol moved against it."""
    assert leg.mark is not None
    mark = leg.mark
    return lambda gap: Move(leg.position.symbol, mark * (1 - leg.sign * gap))


def moved_pool(pool: Pool, betas: Betas, direction: int) -> Callable[[Fraction], Shift]:
    return lambda gap: shift(pool, 1 + direction * gap, betas)


def excess(worth: Figures) -> Fraction:
    return worth.excess


def equity(worth: Figures) -> Fraction:
    return worth.equity


def is_doubtful(both: Both, slot: int, worth: Figures) -> bool:
    """Whether the pool's level at the marks hangs on rounding."""
    pool = both.pools[slot]
    allowed = RELATIVE * agreement.scale(pool, worth)
    return agreement.is_on_a_jump(pool) or agreement.is_on_a_line(pool, worth, allowed)


def assert_leg_gaps_agree(world: World, account: Account) -> None:
    both = agreement.both(world, account)
    found = leg_gaps(both.batch, both.assessment, prices(both.batch, both.assessment))
    for slot, pool in enumerate(both.pools):
        worth = figures(pool)
        for row, leg in zip(agreement.legs_of(both, slot), pool.legs, strict=True):
            liquidation = (float(found.liquidation_pct[row]), said(found.liquidation_reason[row]))
            owe = (float(found.owe_pct[row]), said(found.owe_reason[row]))
            if worth is None:
                assert liquidation[1] == owe[1] == "unpriced"
                continue
            if is_doubtful(both, slot, worth) or "no_closed_form" in (liquidation[1], owe[1]):
                continue
            ways = (moved_leg(leg),)
            assert_gap(pool, ways, liquidation, leg_to_liquidation(pool, leg, worth), excess)
            assert_gap(pool, ways, owe, leg_to_owe(pool, leg, worth), equity)


def said(code: np.int8) -> str:
    return gaps.REASONS[code]


def assert_pool_gaps_agree(world: World, account: Account, by_coin: dict[str, float]) -> None:
    both = agreement.both(world, account)
    batch = both.batch
    betas = {one.symbol: by_coin[one.symbol.partition("/")[0]] for one in account.positions}
    found = pool_gaps(
        batch, both.assessment, prices(batch, both.assessment), beta_column(both, account, betas)
    )
    exact_betas = {symbol: Fraction(beta) for symbol, beta in betas.items()}
    for slot, pool in enumerate(both.pools):
        worth = figures(pool)
        liquidation = (float(found.liquidation_pct[slot]), said(found.liquidation_reason[slot]))
        owe = (float(found.owe_pct[slot]), said(found.owe_reason[slot]))
        if worth is not None and pool.legs and is_doubtful(both, slot, worth):
            continue
        ways = tuple(moved_pool(pool, exact_betas, direction) for direction in (-1, 1))
        assert_gap(pool, ways, liquidation, pool_to(pool, exact_betas, owe=False), excess)
        assert_gap(pool, ways, owe, pool_to(pool, exact_betas, owe=True), equity)


def beta_column(both: Both, account: Account, betas: dict[str, float]) -> Floats:
    column = np.ones(len(both.batch.markets.mark))
    for row, position in enumerate(account.positions):
        column[both.batch.legs.market[row]] = betas[position.symbol]
    return column


@effort(50, 2_000)
@given(safe_scenes())
def test_gaps_of_safe_positions_are_borders(scene: tuple[World, Account]) -> None:
    assert_leg_gaps_agree(*scene)


@effort(50, 2_000)
@given(scenes())
def test_gaps_of_positions_are_borders(scene: tuple[World, Account]) -> None:
    assert_leg_gaps_agree(*scene)


@st.composite
def coin_betas(draw: st.DrawFn) -> dict[str, float]:
    part = st.sampled_from((1.0, 1.0, 0.5, 1.5, 0.0)) | st.floats(0.1, 3.0)
    return {coin: draw(part) for coin in ("BTC", "ETH", "SOL")}


@effort(50, 3_000)
@given(safe_scenes(), st.just(dict.fromkeys(("BTC", "ETH", "SOL"), 1.0)) | coin_betas())
def test_gaps_of_safe_pools_are_borders(
    scene: tuple[World, Account], by_coin: dict[str, float]
) -> None:
    assert_pool_gaps_agree(*scene, by_coin)


@effort(40, 3_000)
@given(scenes(), coin_betas())
def test_gaps_of_pools_are_borders(scene: tuple[World, Account], by_coin: dict[str, float]) -> None:
    assert_pool_gaps_agree(*scene, by_coin)


def every_gap(batch: Batch, assessment: Assessment, beta: Floats) -> list[Floats]:
    """Columns of legs, then of pools."""
    solved = prices(batch, assessment)
    legs, pools = leg_gaps(batch, assessment, solved), pool_gaps(batch, assessment, solved, beta)
    found = (legs.liquidation_pct, legs.owe_pct, pools.liquidation_pct, pools.owe_pct)
    return [*found, max_loss(batch, assessment).money]


@effort(40, 1_000)
@given(safe_scenes() | scenes(), coin_betas())
def test_a_pool_alone_has_the_same_gaps_to_the_last_bit(
    scene: tuple[World, Account], by_coin: dict[str, float]
) -> None:
    world, account = scene
    both = agreement.both(world, account)
    betas = {one.symbol: by_coin[one.symbol.partition("/")[0]] for one in account.positions}
    beta = beta_column(both, account, betas)
    together = every_gap(both.batch, both.assessment, beta)
    for slot in range(len(both.pools)):
        alone = select(both.batch, np.array([slot]))
        own = (both.batch.legs.pool == slot, [slot])
        for place, (one, of_all) in enumerate(
            zip(every_gap(alone, assess(alone), beta), together, strict=True)
        ):
            mine = of_all[own[0] if place < 2 else own[1]]
            assert np.array_equal(one, mine, equal_nan=True)


NOTHING, WITHOUT_BOUND = Fraction(1, 10**12), Fraction(10**12)


@effort(40, 2_000)
@given(safe_scenes() | scenes(), st.lists(st.floats(0.01, 100.0), min_size=5, max_size=5))
def test_no_prices_lose_more_than_the_most_and_some_lose_as_much(
    scene: tuple[World, Account], drawn: list[float]
) -> None:
    both = agreement.both(*scene)
    found = max_loss(both.batch, both.assessment)
    for slot, pool in enumerate(both.pools):
        worth, reason = figures(pool), said(found.reason[slot])
        assert math.isnan(found.money[slot]) == bool(reason)
        if worth is None or reason == "no_closed_form" or agreement.is_on_a_jump(pool):
            assert worth is not None or reason == "unpriced"
            continue
        symbols = sorted({leg.position.symbol for leg in pool.legs})
        size = agreement.scale(pool, worth)
        ends = [
            lost(pool, dict(zip(symbols, chosen, strict=True)))
            for chosen in product((NOTHING, WITHOUT_BOUND), repeat=len(symbols))
        ]
        if reason == "unbounded":
            assert max(ends) > 100 * size
            continue
        most = Fraction(float(found.money[slot]))
        held_ = sum((abs(notional_of(pool, leg)) for leg in pool.legs), size)
        some = lost(pool, dict(zip(symbols, map(Fraction, drawn), strict=False)))
        assert some <= most + RELATIVE * (held_ + most)
        assert abs(max(ends) - most) <= RELATIVE * (held_ + most)


def notional_of(pool: Pool, leg: Leg) -> Fraction:
    assert leg.mark is not None
    assert leg.instrument is not None
    factor = money_factor(pool, leg.instrument.settle)
    assert factor is not None
    return notional(leg, leg.mark) * factor
