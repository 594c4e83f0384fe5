"""The money of one position at one price, exact: loops over fractions."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

from service.risk.model import Instrument, Position
from service.risk.quality import Verdict
from tests.reference.rational import Fraction
from tests.reference.rules import ZERO, Fee, Rule


@dataclass(frozen=True, slots=True)
class Leg:
    """One position with all that its figures need; `mark` None: not known."""

    position: Position
    instrument: Instrument | None
    mark: Fraction | None
    verdict: Verdict
    rule: Rule

    @property
    def sign(self) -> int:
        return 1 if self.position.contracts > 0.0 else -1

    @property
    def quantity(self) -> Fraction:
        """Absolute size: base where linear, quote where inverse."""
        assert self.instrument is not None
        own = self.position.contract_size
        size = self.instrument.contract_size if own is None else own
        return abs(Fraction(self.position.contracts)) * Fraction(size)


def notional(leg: Leg, price: Fraction) -> Fraction:
    assert leg.instrument is not None
    return leg.quantity * price if leg.instrument.linear else leg.quantity / price


def unrealised(leg: Leg, price: Fraction) -> Fraction:
    assert leg.instrument is not None
    entry = Fraction(leg.position.entry_price)
    if leg.instrument.linear:
        return leg.sign * leg.quantity * (price - entry)
    return leg.sign * leg.quantity * (1 / entry - 1 / price)


@cache
def deductions(leg: Leg) -> list[Fraction]:
    """Off the requirement in each tier, in what the floors count (money or contracts' worth).

    c1 = 0, the rest by continuity: cn = cn-1 + floor x step of the rate. As given where it is
    given; whole tables deduct nothing else.
    """
    assert leg.instrument is not None
    out: list[Fraction] = []
    for number, tier in enumerate(leg.instrument.tiers):
        if tier.deduction is not None:
            out.append(Fraction(tier.deduction))
        elif is_whole(leg) or number == 0:
            out.append(ZERO)
        else:
            below = Fraction(leg.instrument.tiers[number - 1].maintenance_rate)
            out.append(out[-1] + Fraction(tier.floor) * (Fraction(tier.maintenance_rate) - below))
    return out


def is_whole(leg: Leg) -> bool:
    assert leg.instrument is not None
    tiering = leg.instrument.tiering
    return leg.rule.whole if tiering is None else tiering == "whole"


def tier_number(leg: Leg, price: Fraction) -> int:
    """The last tier whose floor is at most the size."""
    assert leg.instrument is not None
    by_contracts = leg.instrument.tier_unit == "contracts"
    size = abs(Fraction(leg.position.contracts)) if by_contracts else notional(leg, price)
    return max(bisect_right(floors(leg.instrument), size) - 1, 0)


@cache
def floors(instrument: Instrument) -> list[Fraction]:
    return [Fraction(tier.floor) for tier in instrument.tiers]


def taker_fee(leg: Leg) -> Fraction:
    assert leg.instrument is not None
    own = leg.instrument.taker_fee
    return leg.rule.default_fee if own is None else Fraction(own)


def closing_fee(leg: Leg) -> Fraction:
    """The fixed fee that goes with the initial margin at `leverage`."""
    assert leg.instrument is not None
    at_entry = notional(leg, entry(leg))
    direction = -leg.sign if leg.instrument.linear else leg.sign
    if fee_of(leg) == "on_cost":
        direction = 1
    return max(ZERO, at_entry + direction * at_entry / leverage(leg)) * taker_fee(leg)


def fee_of(leg: Leg) -> Fee:
    return leg.rule.isolated_fee if leg.position.isolated else leg.rule.cross_fee


def fixed_fee(leg: Leg) -> Fraction:
    """The fixed fee inside the requirement.

    At bankruptcy, of a margin W that is given: there the value v is what makes W + pnl = fee x v.
    """
    assert leg.instrument is not None
    given = leg.position.margin
    if fee_of(leg) != "at_bankruptcy" or given is None or not leg.position.isolated:
        return closing_fee(leg)
    direction = -leg.sign if leg.instrument.linear else leg.sign
    if 1 + direction * taker_fee(leg) <= 0:  # a fee of all there is
        return closing_fee(leg)
    without_fee = max(ZERO, notional(leg, entry(leg)) + direction * Fraction(given))
    return without_fee / (1 + direction * taker_fee(leg)) * taker_fee(leg)


def leverage(leg: Leg) -> Fraction:
    """The position's own, else the most its tier at entry allows, else 1."""
    own = leg.position.leverage
    assert leg.instrument is not None
    most = leg.instrument.tiers[tier_number(leg, entry(leg))].max_leverage
    return Fraction(own if own is not None else 1 if most is None else most)


def entry(leg: Leg) -> Fraction:
    return Fraction(leg.position.entry_price)


def maintenance(leg: Leg, price: Fraction) -> Fraction:
    isolated = leg.position.isolated
    basis = leg.rule.isolated_basis if isolated else leg.rule.cross_basis
    fee = fee_of(leg)
    at = price if basis == "mark" else entry(leg)
    assert leg.instrument is not None
    number = tier_number(leg, at)
    tier, deduction = leg.instrument.tiers[number], deductions(leg)[number]
    if leg.instrument.tier_unit == "contracts":
        deduction *= notional(leg, at) / abs(Fraction(leg.position.contracts))
    rate = Fraction(tier.maintenance_rate)
    if fee == "on_notional":
        rate += taker_fee(leg)
    fixed = fixed_fee(leg) if fee in ("at_bankruptcy", "on_cost") else ZERO
    return notional(leg, at) * rate - deduction + fixed


def initial(leg: Leg, price: Fraction) -> Fraction:
    isolated = leg.position.isolated
    basis = leg.rule.isolated_initial_basis if isolated else leg.rule.cross_initial_basis
    at = price if basis == "mark" else entry(leg)
    return notional(leg, at) / leverage(leg) + (closing_fee(leg) if leg.rule.initial_fee else ZERO)


def isolated_wallet(leg: Leg) -> Fraction:
    if leg.position.margin is not None:
        return Fraction(leg.position.margin)
    return initial(leg, entry(leg))
