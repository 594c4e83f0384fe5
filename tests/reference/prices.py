"""Prices at which a pool is liquidated or bankrupt when one symbol moves: exact, by line segments.

Between two prices at which a tier of a moving leg begins, equity and maintenance are straight lines
in the price (in its inverse for inverse contracts counted in their coin). A line is known by two of
its points, so no formula of a slope is written here: the pool is evaluated at supposed prices.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from service.risk.model import Level
from tests.reference.legs import Leg, closing_fee, fee_of, notional, taker_fee
from tests.reference.pools import Figures, Move, Pool, figures, money_factor, table_level
from tests.reference.rational import Fraction
from tests.reference.rules import ZERO

LIQUIDATABLE = (Level.LIQUIDATION, Level.BANKRUPT)


@dataclass(frozen=True, slots=True)
class Prices:
    """Liquidation prices of a symbol in a pool; a reason stands where there is none."""

    below: Fraction | None = None
    above: Fraction | None = None
    liquidation: Fraction | None = None
    reason: str | None = None
    bankruptcy: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """An open interval of prices without a border inside; `high` None: up to infinity."""

    low: Fraction
    high: Fraction | None

    def two_inside(self) -> tuple[Fraction, Fraction]:
        if self.high is None:
            return self.low + 1, self.low + 2
        third = (self.high - self.low) / 3
        return self.low + third, self.low + 2 * third


@dataclass(frozen=True, slots=True)
class Line:
    """Excess of equity over maintenance as `start + slope x`, x the price or its inverse."""

    start: Fraction
    slope: Fraction
    inverted: bool

    def near(self, price: Fraction | None) -> Fraction:
        """The limit at a price, by sign only where it is infinite; None is the infinite price."""
        if price == 0:
            return self.slope or self.start if self.inverted else self.start
        if price is None:
            return self.start if self.inverted else self.slope or self.start
        return self.start + self.slope * (1 / price if self.inverted else price)

    def root(self) -> Fraction | None:
        if self.slope == 0 or self.start == 0:
            return None
        x = -self.start / self.slope
        return 1 / x if self.inverted else x


def moving(pool: Pool, symbol: str) -> list[Leg]:
    return [leg for leg in pool.legs if leg.position.symbol == symbol]


def borders(pool: Pool, symbol: str) -> list[Fraction]:
    """Every price at which a moving leg's requirement passes into another tier."""
    found = set()
    for leg in moving(pool, symbol):
        assert leg.instrument is not None
        if leg.instrument.tier_unit == "contracts":
            continue
        for tier in leg.instrument.tiers:
            if tier.floor > 0.0:
                at_one = notional(leg, Fraction(1))
                floor = Fraction(tier.floor)
                found.add(floor / at_one if leg.instrument.linear else at_one / floor)
    return sorted(found)


def _excess(pool: Pool, symbol: str, price: Fraction) -> Fraction:
    worth = figures(pool, Move(symbol, price))
    assert worth is not None
    return worth.excess


def _is_inverted(pool: Pool, symbol: str) -> bool:
    instrument = moving(pool, symbol)[0].instrument
    assert instrument is not None
    return not instrument.linear and not pool.multi


def _is_unsafe(excess: Fraction, strict: bool) -> bool:
    return excess < 0 or (excess == 0 and not strict)


def _leave(
    line: Line, near: Fraction | None, far: Fraction | None, strict: bool
) -> Fraction | None:
    """Where a walk over a segment from `near` to `far` first is unsafe; None where it never is."""
    at_near, at_far = line.near(near), line.near(far)
    if _is_unsafe(at_near, strict) or (at_near == 0 and at_far < 0):
        return near
    return line.root() if at_far < 0 else None


@dataclass(frozen=True, slots=True)
class Walk:
    """Outwards from `start` over prices (or factors of prices), `edges` where tiers begin."""

    excess: Callable[[Fraction], Fraction]
    edges: Sequence[Fraction]
    start: Fraction
    inverted: bool
    strict: bool
    lowest: Fraction = ZERO

    def first_unsafe(self, down: bool) -> Fraction | None:
        """The place nearest to the start, on one side of it, from which on it is unsafe."""
        for segment in self._segments(down):
            near, far = (segment.high, segment.low) if down else (segment.low, segment.high)
            found = _leave(self._line(segment), near, far, self.strict)
            if found is not None:
                return found
            if far and far != self.lowest and _is_unsafe(self.excess(far), self.strict):
                return far
        return None

    def _segments(self, down: bool) -> Iterator[Segment]:
        edges = [edge for edge in self.edges if edge > self.lowest]
        if down:
            below = [edge for edge in edges if edge < self.start]
            stops = [self.start, *reversed(below), self.lowest]
            yield from (Segment(low, high) for high, low in pairwise(stops))
        else:
            ups: list[Fraction | None] = [edge for edge in edges if edge > self.start]
            starts = [self.start, *(edge for edge in edges if edge > self.start)]
            yield from (Segment(low, high) for low, high in zip(starts, [*ups, None], strict=True))

    def _line(self, segment: Segment) -> Line:
        first, second = segment.two_inside()
        y1, y2 = self.excess(first), self.excess(second)
        x1, x2 = (1 / first, 1 / second) if self.inverted else (first, second)
        slope = (y2 - y1) / (x2 - x1)
        return Line(y1 - slope * x1, slope, self.inverted)


def first_unsafe(pool: Pool, symbol: str, down: bool) -> Fraction | None:
    """The price nearest to the mark, on one side of it, from which on the pool is liquidated."""
    mark = moving(pool, symbol)[0].mark
    assert mark is not None
    walk = Walk(
        lambda price: _excess(pool, symbol, price),
        borders(pool, symbol),
        mark,
        _is_inverted(pool, symbol),
        pool.rule.strict,
    )
    return walk.first_unsafe(down)


def bankruptcy_price(pool: Pool, symbol: str) -> Fraction | None:
    """Where the pool's equity is used up (by the closing fee where the venue counts it in)."""
    inverted = _is_inverted(pool, symbol)
    low, high = Fraction(1), Fraction(2)
    points = [(price, left_for_creditors(pool, symbol, price)) for price in (low, high)]
    (x1, y1), (x2, y2) = ((1 / x if inverted else x, y) for x, y in points)
    slope = (y2 - y1) / (x2 - x1)
    root = Line(y1 - slope * x1, slope, inverted).root()
    return root if root is not None and root > 0 else None


def left_for_creditors(pool: Pool, symbol: str, price: Fraction) -> Fraction:
    worth = figures(pool, Move(symbol, price))
    assert worth is not None
    if not pool.rule.bankruptcy_fee:
        return worth.equity
    fees = ZERO
    for leg in moving(pool, symbol):
        fee = fee_of(leg)
        assert leg.instrument is not None
        factor = money_factor(pool, leg.instrument.settle, Move(symbol, price))
        assert factor is not None
        if fee == "on_cost":
            fees += factor * closing_fee(leg)
        elif fee != "none":
            fees += factor * taker_fee(leg) * notional(leg, price)
    return worth.equity - fees


def prices(pool: Pool, symbol: str, worth: Figures | None) -> Prices:
    """Both directions, the nearer one by relative distance, and the bankruptcy price."""
    if worth is None:
        return Prices(reason="unpriced")
    bankruptcy = bankruptcy_price(pool, symbol)
    if table_level(pool, worth) in LIQUIDATABLE:
        return Prices(reason="already_liquidatable", bankruptcy=bankruptcy)
    below, above = first_unsafe(pool, symbol, down=True), first_unsafe(pool, symbol, down=False)
    found = [price for price in (below, above) if price is not None]
    if not found:
        return Prices(reason="fully_collateralised", bankruptcy=bankruptcy)
    mark = moving(pool, symbol)[0].mark
    assert mark is not None
    nearest = min(found, key=lambda price: abs(price - mark))
    return Prices(below, above, nearest, None, bankruptcy)
