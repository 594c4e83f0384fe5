"""Liquidation and bankruptcy prices: there equity is right, inside is safe, outside is not."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from hypothesis import given

from service.risk.evaluate import assess, prices
from service.risk.liquidation import LegPrices
from service.risk.model import Account, Level
from tests import agreement
from tests.agreement import RELATIVE, ROUNDING, Both
from tests.reference.pools import Figures, Move, Pool, figures, table_level
from tests.reference.prices import (
    LIQUIDATABLE,
    bankruptcy_price,
    borders,
    first_unsafe,
    left_for_creditors,
)
from tests.reference.world import World
from tests.safe_scenes import safe_scenes
from tests.strategies import effort, scenes

FURTHEST = 10**9  # a price this many times off the mark, or as near to 0, may be called none
ASIDE = Fraction(1, 10**6)  # how far beside a border we look, as a part of it
BESIDE = Fraction(1, 2**50)  # as near as prices can be told apart


def excess(pool: Pool, symbol: str, price: Fraction) -> tuple[Fraction, Fraction]:
    """Equity over maintenance at a supposed price, and what that may be wrong by."""
    move = Move(symbol, price)
    worth = figures(pool, move)
    assert worth is not None
    return worth.excess, allowed_at(pool, worth, move)


def allowed_at(pool: Pool, worth: Figures, move: Move) -> Fraction:
    """What a sum at a supposed price may be wrong by.

    It starts from sums at the marks, and these are rounded to what they are.
    """
    at_marks = figures(pool)
    assert at_marks is not None
    rounded = ROUNDING * agreement.scale(pool, at_marks)
    return RELATIVE * agreement.scale(pool, worth, move) + rounded


def is_root(points: Sequence[tuple[Fraction, Fraction]]) -> bool:
    """Whether one of (value, allowed) is next to nothing, or the sign changes between floats."""
    if any(abs(left) <= allowed for left, allowed in points):
        return True
    return min(left for left, _ in points) < 0 < max(left for left, _ in points)


def beside(price: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """A price and the nearest that floats tell from it."""
    return price * (1 - BESIDE), price, price * (1 + BESIDE)


def is_zero(pool: Pool, symbol: str, price: Fraction) -> bool:
    return is_root([excess(pool, symbol, near) for near in beside(price)])


def is_jump(pool: Pool, symbol: str, price: Fraction) -> bool:
    """Whether a tier of the symbol begins where the price is, as far as floats can tell."""
    return any(abs(price / edge - 1) <= 100 * BESIDE for edge in borders(pool, symbol))


def is_grazing(pool: Pool, symbol: str, price: Fraction) -> bool:
    """Whether the pool is not clearly liquidated just beyond a price, on neither side."""
    around = (price * (1 - ASIDE), price * (1 + ASIDE))
    return all(left >= -allowed for left, allowed in (excess(pool, symbol, p) for p in around))


def is_far(price: Fraction, mark: Fraction) -> bool:
    return not Fraction(1, FURTHEST) < price / mark < FURTHEST


def creditors_part(pool: Pool, symbol: str, price: Fraction) -> tuple[Fraction, Fraction]:
    """Equity less closing fees at a supposed price, and what that may be wrong by."""
    move = Move(symbol, price)
    worth = figures(pool, move)
    assert worth is not None
    return left_for_creditors(pool, symbol, price), allowed_at(pool, worth, move)


def is_flat(pool: Pool, symbol: str, price: Fraction) -> bool:
    """Whether the pool's equity hardly moves with the symbol."""
    left, allowed = creditors_part(pool, symbol, 2 * price)
    return abs(left) <= allowed


def assert_border(
    pool: Pool, symbol: str, mark: Fraction, found: float, exact: Fraction | None
) -> None:
    """A price is the reference's, or as good: there equity equals maintenance."""
    if not math.isfinite(found):
        assert math.isnan(found)
        if exact is None or is_far(exact, mark):
            return
        assert is_grazing(pool, symbol, exact), f"missed {float(exact)!r}"
        return
    price = Fraction(found)
    if exact is None:
        assert is_zero(pool, symbol, price), f"there is none, not {found!r}"
        return
    at_jump = is_jump(pool, symbol, exact) and abs(price / exact - 1) <= 100 * BESIDE
    assert at_jump or is_zero(pool, symbol, price), f"{found!r} is not {float(exact)!r}"


def level_at(both: Both, slot: int, symbol: str, price: float) -> Level:
    """The engine's level of a pool if the symbol, and its base asset, were at another price."""
    batch, pool = both.batch, both.pools[slot]
    rows = [
        row
        for row, leg in zip(agreement.legs_of(both, slot), pool.legs, strict=True)
        if leg.position.symbol == symbol
    ]
    base = batch.markets.base[batch.legs.market[rows[0]]]
    moved_by = price / float(both.assessment.legs.mark[rows[0]])
    marks, values = batch.legs.mark.copy(), batch.asset_price.copy()
    given = batch.holdings.price.copy()
    marks[rows] = price
    values[base] *= moved_by
    given[batch.holdings.asset == base] *= moved_by
    moved = replace(
        batch,
        legs=replace(batch.legs, mark=marks),
        holdings=replace(batch.holdings, price=given),
        asset_price=values,
    )
    return Level(int(assess(moved).pools.level[slot]))


def assert_sides(
    both: Both, slot: int, symbol: str, mark: Fraction, found: float, *, down: bool
) -> None:
    """Between the mark and a liquidation price a pool is safe; beyond it is not.

    A price below may be the mark itself, as near as floats tell: `down` says where beyond is.
    """
    pool, price = both.pools[slot], Fraction(found)
    for part in (Fraction(1, 10), Fraction(1, 2), Fraction(9, 10), 1 - ASIDE):
        inside = mark + (price - mark) * part
        left, allowed = excess(pool, symbol, inside)
        assert left >= -allowed
        if left > 2 * allowed:
            assert level_at(both, slot, symbol, float(inside)) < Level.LIQUIDATION
    outside = price * (1 - ASIDE if down else 1 + ASIDE)
    left, allowed = excess(pool, symbol, outside)
    assert left <= allowed or is_grazing(pool, symbol, price)
    if left < -2 * allowed:
        assert level_at(both, slot, symbol, float(outside)) >= Level.LIQUIDATION


def assert_bankruptcy(pool: Pool, symbol: str, mark: Fraction, found: float) -> None:
    exact = bankruptcy_price(pool, symbol)
    if not math.isfinite(found):
        assert math.isnan(found)
        assert exact is None or is_far(exact, mark) or is_flat(pool, symbol, exact)
        return
    assert is_root([creditors_part(pool, symbol, near) for near in beside(Fraction(found))])


def assert_prices_agree(world: World, account: Account) -> None:
    both = agreement.both(world, account)
    found = prices(both.batch, both.assessment)
    for slot, pool in enumerate(both.pools):
        worth = figures(pool)
        for row, leg in zip(agreement.legs_of(both, slot), pool.legs, strict=True):
            if worth is None:
                assert math.isnan(found.liquidation[row])
                assert math.isnan(found.bankruptcy[row])
                continue
            assert leg.mark is not None
            symbol = leg.position.symbol
            assert_bankruptcy(pool, symbol, leg.mark, float(found.bankruptcy[row]))
            allowed = RELATIVE * agreement.scale(pool, worth)
            if agreement.is_on_a_line(pool, worth, allowed):
                continue
            assert_leg(both, slot, row, found)


def assert_leg(both: Both, slot: int, row: int, found: LegPrices) -> None:
    pool = both.pools[slot]
    leg = pool.legs[agreement.legs_of(both, slot).index(row)]
    below, above = float(found.below[row]), float(found.above[row])
    assert leg.mark is not None
    if table_level(pool, figures(pool)) in LIQUIDATABLE:
        assert math.isnan(below)
        assert math.isnan(above)
        return
    symbol, mark = leg.position.symbol, leg.mark
    for price, down in ((below, True), (above, False)):
        assert_border(pool, symbol, mark, price, first_unsafe(pool, symbol, down=down))
        if math.isfinite(price):
            assert (price <= mark) if down else (price >= mark)
            assert_sides(both, slot, symbol, mark, price, down=down)
    gaps = [abs(Fraction(p) - mark) for p in (below, above) if math.isfinite(p)]
    nearest = float(found.liquidation[row])
    assert math.isnan(nearest) if not gaps else abs(Fraction(nearest) - mark) == min(gaps)


@effort(100, 2_000)
@given(safe_scenes())
def test_safe_pools_have_their_borders(scene: tuple[World, Account]) -> None:
    assert_prices_agree(*scene)


@effort(60, 2_000)
@given(scenes())
def test_prices_are_borders(scene: tuple[World, Account]) -> None:
    assert_prices_agree(*scene)


@effort(40, 2_000)
@given(scenes(nasty=True))
def test_prices_are_borders_at_nasty_magnitudes(scene: tuple[World, Account]) -> None:
    assert_prices_agree(*scene)
