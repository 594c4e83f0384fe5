"""One margin table as a list of tiers with their deductions, found by going through it in order."""

from dataclasses import dataclass

from service.risk.model import Instrument
from service.risk.venues import VenueRule


@dataclass(frozen=True, slots=True)
class Tiers:
    """A table's tiers, one entry each.

    The requirement is size * rate - deduction, or with `by_contracts` size * rate less what the
    rebate comes to: that is counted in contracts.
    """

    floor: list[float]
    rate: list[float]
    deduction: list[float]
    rebate: list[float]
    max_leverage: list[float | None]
    by_contracts: bool

    def tier(self, contracts: float, notional: float) -> int:
        """Return the last tier whose floor is at most the size, in what the floors count."""
        size, found = abs(contracts) if self.by_contracts else notional, 0
        for number, floor in enumerate(self.floor):
            if floor <= size:
                found = number
        return found


def tiers_of(instrument: Instrument, rule: VenueRule) -> Tiers:
    """Return an instrument's table as an account of a venue meets it.

    A deduction that is not given makes its tier go on from the one before; tables that count the
    whole position have none then.
    """
    whole = (instrument.tiering or rule.tiering) == "whole"
    amounts = [0.0] * len(instrument.tiers)
    for number, tier in enumerate(instrument.tiers):
        if tier.deduction is not None:
            amounts[number] = tier.deduction
        elif number and not whole:
            before = instrument.tiers[number - 1]
            step = tier.floor * (tier.maintenance_rate - before.maintenance_rate)
            amounts[number] = amounts[number - 1] + step
    by_contracts, none = instrument.tier_unit == "contracts", [0.0] * len(amounts)
    return Tiers(
        [tier.floor for tier in instrument.tiers],
        [tier.maintenance_rate for tier in instrument.tiers],
        none if by_contracts else amounts,
        amounts if by_contracts else none,
        [tier.max_leverage for tier in instrument.tiers],
        by_contracts,
    )
