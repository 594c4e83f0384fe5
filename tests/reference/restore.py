"""What brings a pool under the warning line less the hysteresis: a deposit, or a smaller leg."""

from dataclasses import replace
from itertools import pairwise
from typing import cast

from service.risk.model import Level
from tests.reference.legs import Leg, entry, maintenance, notional
from tests.reference.pools import Figures, Pool, money_factor, price_of, table_level
from tests.reference.rational import Fraction
from tests.reference.rules import ZERO


def fall_line(pool: Pool) -> Fraction:
    return Fraction(pool.thresholds.warning) - Fraction(pool.thresholds.hysteresis)


def is_needed(pool: Pool, worth: Figures) -> bool:
    """A pool that is HEALTHY by the table needs nothing, though it may be above its fall line."""
    return table_level(pool, worth) > Level.UNPRICED


def is_restored(pool: Pool, equity: Fraction, required: Fraction) -> bool:
    """Strictly below the fall line; a pool without requirement only must not be in debt."""
    return equity >= 0 and (required == 0 or required < fall_line(pool) * equity)


def deposit(pool: Pool, worth: Figures) -> Fraction:
    """The least deposit in the pool's money that any larger one restores it with."""
    if not is_needed(pool, worth):
        return ZERO
    return max(ZERO, worth.maintenance / fall_line(pool) - worth.equity)


def requirement_of(pool: Pool, leg: Leg, contracts: Fraction) -> Fraction:
    """A leg's maintenance in the pool's money at `contracts`, its margin in proportion."""
    if contracts == 0:
        return ZERO
    size = cast(float, leg.sign * contracts)  # exact: the reference computes in Fractions only
    smaller = replace(leg, position=replace(leg.position, contracts=size))
    if leg.position.margin is not None:
        share = contracts / abs(Fraction(leg.position.contracts))
        margin = cast(float, Fraction(leg.position.margin) * share)
        smaller = replace(leg, position=replace(smaller.position, margin=margin))
    price = price_of(leg, None)
    assert price is not None
    assert leg.instrument is not None
    factor = money_factor(pool, leg.instrument.settle)
    assert factor is not None
    return maintenance(smaller, price) * factor


def _sizes(leg: Leg) -> list[Fraction]:
    """The leg's contracts, every size below at which a tier begins, and none; falling."""
    contracts = abs(Fraction(leg.position.contracts))
    found = {contracts, ZERO}
    price = price_of(leg, None)
    assert price is not None
    assert leg.instrument is not None
    for at in (price, entry(leg)):
        by_contracts = leg.instrument.tier_unit == "contracts"
        of_one = Fraction(1) if by_contracts else notional(leg, at) / contracts
        found |= {Fraction(tier.floor) / of_one for tier in leg.instrument.tiers}
    return sorted((size for size in found if size <= contracts), reverse=True)


def reduce(pool: Pool, leg: Leg, worth: Figures) -> Fraction | None:
    """The least cut in contracts, closed at the mark, that any larger one restores with.

    Equity stays as it is, so only the requirement falls. None where closing all of it does not do.
    """
    if not is_needed(pool, worth):
        return ZERO
    sizes = _sizes(leg)
    others = worth.maintenance - requirement_of(pool, leg, sizes[0])
    room = fall_line(pool) * worth.equity - others
    for high, low in pairwise(sizes):
        third = (high - low) / 3
        y1, y2 = (requirement_of(pool, leg, low + third * k) for k in (1, 2))
        slope = (y2 - y1) / third
        at_high, at_low = y2 + slope * third, y1 - slope * third
        if at_high < room:
            return sizes[0] - high
        if at_low < room:
            return sizes[0] - (low + (room - at_low) / slope)
    return sizes[0] if len(pool.legs) == 1 else None
