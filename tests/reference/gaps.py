"""How far prices may jump, exact: a pool is evaluated at supposed prices, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.reference.legs import Leg, notional
from tests.reference.pools import (
    Figures,
    Move,
    Pool,
    Shift,
    balance_value,
    borrowed,
    figures,
    table_level,
)
from tests.reference.prices import LIQUIDATABLE, Walk, first_unsafe
from tests.reference.rational import Fraction
from tests.reference.rules import ZERO

ONE = Fraction(1)
Betas = Mapping[str, Fraction]  # symbol -> its part of a move, at least 0


@dataclass(frozen=True, slots=True)
class Gap:
    """In parts of the mark (not percent); a reason stands where there is none."""

    move: Fraction | None = None
    reason: str = ""


def debt_is_possible(pool: Pool) -> bool:
    return not pool.rule.protected or (pool.rule.loans_stay and borrowed(pool) > 0)


def worth_at(pool: Pool, move: Move | Shift) -> Figures:
    worth = figures(pool, move)
    assert worth is not None
    return worth


def line_root(y1: Fraction, y2: Fraction, x1: Fraction, x2: Fraction) -> Fraction | None:
    """Where the line through two points is 0."""
    return None if y1 == y2 else x1 - y1 * (x2 - x1) / (y2 - y1)


def leg_to_liquidation(pool: Pool, leg: Leg, worth: Figures) -> Gap:
    """Down for a long, up for a short, the leg's symbol alone."""
    if table_level(pool, worth) in LIQUIDATABLE:
        return Gap(ZERO)
    assert leg.mark is not None
    price = first_unsafe(pool, leg.position.symbol, down=leg.sign > 0)
    if price is None:
        return Gap(reason="no_adverse_move")
    return Gap(leg.sign * (leg.mark - price) / leg.mark)


def leg_to_owe(pool: Pool, leg: Leg, worth: Figures) -> Gap:
    if not debt_is_possible(pool):
        return Gap(reason="protected")
    if worth.equity < 0:
        return Gap(ZERO)
    assert leg.mark is not None
    assert leg.instrument is not None
    symbol, inverted = leg.position.symbol, not leg.instrument.linear and not pool.multi
    ends = (leg.mark, 2 * leg.mark)
    y1, y2 = (worth_at(pool, Move(symbol, price)).equity for price in ends)
    x1, x2 = ((1 / end if inverted else end) for end in ends)
    root = line_root(y1, y2, x1, x2)
    price = None if root is None or root <= 0 else 1 / root if inverted else root
    if price is None or leg.sign * (leg.mark - price) < 0:
        return Gap(reason="no_adverse_move")
    return Gap(leg.sign * (leg.mark - price) / leg.mark)


def shift(pool: Pool, factor: Fraction, betas: Betas) -> Shift:
    """All symbols moved, each its part of `factor` - 1."""
    symbols = {leg.position.symbol for leg in pool.legs}
    return Shift({symbol: 1 + betas[symbol] * (factor - 1) for symbol in symbols})


def edges(pool: Pool, betas: Betas) -> list[Fraction]:
    """Every factor at which a leg's requirement passes into another tier."""
    found = set()
    for leg in pool.legs:
        assert leg.instrument is not None
        assert leg.mark is not None
        beta = betas[leg.position.symbol]
        for tier in leg.instrument.tiers:
            if tier.floor > 0.0 and leg.instrument.tier_unit == "notional" and beta:
                part = Fraction(tier.floor) / notional(leg, leg.mark)
                found.add(1 + ((part if leg.instrument.linear else 1 / part) - 1) / beta)
    return sorted(found)


def has_a_form(pool: Pool, betas: Betas) -> bool:
    """Whether the pool is one line between tiers, in the factor or in its inverse."""
    listed = [leg.instrument for leg in pool.legs if leg.instrument is not None]
    if len({leg.position.symbol for leg in pool.legs}) == 1:
        return all(
            not pool.multi or not one.linear or one.settle != one.base for one in listed
        ) and not _is_bent(pool)
    if all(one.linear for one in listed):
        bases = {one.base for one in listed}
        return not (pool.multi and any(one.settle in bases for one in listed))
    alike = len({betas[leg.position.symbol] for leg in pool.legs}) == 1
    return not any(one.linear for one in listed) and not pool.multi and alike


def _is_bent(pool: Pool) -> bool:
    """Inverse in multi mode, settling in another coin than its base, which the pool holds."""
    one = pool.legs[0].instrument
    assert one is not None
    held = any(
        balance.asset == one.base and balance_value(pool, balance) for balance in pool.balances
    )
    return pool.multi and not one.linear and one.settle != one.base and held


def pool_to(pool: Pool, betas: Betas, owe: bool) -> Gap:
    """The smaller of the moves down and up that liquidate it, or leave a debt."""
    worth = figures(pool)
    if not pool.legs or worth is None:
        return Gap(reason="unpriced" if pool.legs else "no_position")
    if owe and not debt_is_possible(pool):
        return Gap(reason="protected")
    if worth.equity < 0 or (not owe and table_level(pool, worth) in LIQUIDATABLE):
        return Gap(ZERO)
    if not has_a_form(pool, betas):
        return Gap(reason="no_closed_form")
    moves = _moves(pool, betas, owe)
    return Gap(min(moves)) if moves else Gap(reason="no_adverse_move")


def _moves(pool: Pool, betas: Betas, owe: bool) -> list[Fraction]:
    largest = max(betas[leg.position.symbol] for leg in pool.legs)
    if largest == 0:
        return []
    assert pool.legs[0].instrument is not None
    inverted = not pool.legs[0].instrument.linear and not pool.multi
    # The inverse of the price itself makes the line, so the move is taken as that price's.
    parts = dict.fromkeys(betas, ONE) if inverted else betas

    def excess(factor: Fraction) -> Fraction:
        found = worth_at(pool, shift(pool, factor, parts))
        return found.equity if owe else found.excess

    walk = Walk(
        excess,
        edges(pool, parts),
        ONE,
        inverted,
        pool.rule.strict or owe,
        max(ZERO, 1 - largest if inverted else 1 - 1 / largest),
    )
    ends = [walk.first_unsafe(down=True), walk.first_unsafe(down=False)]
    scale = largest if inverted else ONE
    return [abs(end - 1) / scale for end in ends if end is not None]


def lost(pool: Pool, factors: Mapping[str, Fraction]) -> Fraction:
    """What the pool's wallet has lost if its symbols go to these factors of their marks."""
    worth = figures(pool)
    assert worth is not None
    equity = worth_at(pool, Shift(factors)).equity
    if pool.rule.protected:
        most = borrowed(pool) if pool.rule.loans_stay else ZERO
        equity = max(equity, -most)
    return max(ZERO, worth.wallet - equity)
