"""Maintenance margin by size: tables checked, made continuous, padded for looking up.

A table is stored as lines n * rate - deduction over [floor, next floor). Marginal tables get their
deductions by continuity (a step at a border would fire false alerts); whole-position tables have
none unless given, so they jump at their floors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.risk.columns import Floats, TierTables
from service.risk.model import Instrument, Tier
from service.risk.venues import VenueRule

# A published deduction this near to continuity (relative) is the same table, rounded in print.
_CONTINUITY = 1e-9


@dataclass(frozen=True, slots=True)
class TierFault:
    """What is wrong with one tier: its index in the table, a stable code, a sentence."""

    index: int
    code: str
    detail: str


def validate_tiers(tiers: Sequence[Tier]) -> list[TierFault]:
    """Return every reason to refuse a table, in order of its tiers; an empty list: it is good."""
    if not tiers:
        return [TierFault(0, "no_tiers", "a table needs at least one tier")]
    faults = []
    for index, tier in enumerate(tiers):
        faults += _faults_alone(index, tier)
        faults += _faults_of_border(index, tiers[index - 1] if index else None, tier)
    return faults


def _faults_alone(index: int, tier: Tier) -> list[TierFault]:
    faults = []
    numbers = [tier.floor, tier.maintenance_rate, tier.max_leverage or 1.0, tier.deduction or 0.0]
    if not np.all(np.isfinite(numbers)) or np.isnan(tier.cap):
        faults.append(TierFault(index, "tier_not_finite", "a tier's numbers must be finite"))
    if tier.maintenance_rate < 0.0:
        faults.append(TierFault(index, "negative_rate", "a maintenance rate is at least 0"))
    if tier.max_leverage is not None and tier.max_leverage <= 0.0:
        faults.append(TierFault(index, "invalid_leverage", "maxLeverage must be above 0"))
    if tier.cap <= tier.floor:
        faults.append(TierFault(index, "empty_tier", "a tier's end must be above its start"))
    return faults


def _faults_of_border(index: int, before: Tier | None, tier: Tier) -> list[TierFault]:
    if before is None:
        if tier.floor == 0.0:
            return []
        return [TierFault(index, "tier_start", "the first tier must start at 0")]
    faults = []
    if tier.floor > before.cap:
        faults.append(TierFault(index, "tier_gap", "a tier must start where the one before ends"))
    if tier.floor < before.cap:
        faults.append(TierFault(index, "tier_overlap", "a tier starts before the one before ends"))
    if tier.maintenance_rate < before.maintenance_rate:
        faults.append(TierFault(index, "falling_rate", "maintenance rates must not fall"))
    return faults


def deductions(floors: Floats, rates: Floats) -> Floats:
    """Return the amounts that make n * rate - deduction continuous from 0; shapes (tiers,)."""
    steps = np.zeros_like(rates)
    steps[1:] = floors[1:] * np.diff(rates)
    return np.cumsum(steps)


def deductions_of(instrument: Instrument, rule: VenueRule) -> tuple[Floats, Floats, bool]:
    """Return one table's deductions and rebates, and whether its requirement moves without jumps.

    What is given is taken; what is not makes its tier go on from the one before (marginal tables).
    Both count what the floors count: money, or contracts (the rebates).
    """
    tiers, by_contracts = instrument.tiers, instrument.tier_unit == "contracts"
    whole = (instrument.tiering or rule.tiering) == "whole"
    amounts, none = np.zeros(len(tiers)), np.zeros(len(tiers))
    for index, tier in enumerate(tiers):
        if tier.deduction is not None:
            amounts[index] = tier.deduction
        elif index and not whole:
            before = tiers[index - 1]
            step = tier.floor * (tier.maintenance_rate - before.maintenance_rate)
            amounts[index] = amounts[index - 1] + step
    if by_contracts:  # no price moves a leg into another tier
        return none, amounts, True
    floors = np.array([tier.floor for tier in tiers])
    rates = np.array([tier.maintenance_rate for tier in tiers])
    smooth = deductions(floors, rates)
    near = np.all(np.abs(amounts - smooth) <= _CONTINUITY * np.maximum(smooth, floors * rates))
    return amounts, none, bool(near)


def empty_tables(rows: int, width: int) -> TierTables:
    """Return tables of nothing but padding; `width` is a power of two (the lookup halves it)."""
    assert width & (width - 1) == 0
    shape = (rows, width)
    return TierTables(
        floor=np.full(shape, np.inf),
        rate=np.zeros(shape),
        deduction=np.zeros(shape),
        rebate=np.zeros(shape),
        max_leverage=np.full(shape, np.nan),
        by_contracts=np.zeros(rows, dtype=np.bool_),
        continuous=np.ones(rows, dtype=np.bool_),
    )


def widened(old: TierTables, rows: int, width: int) -> TierTables:
    """Return the same tables with room for more of them and for more tiers each."""
    new = empty_tables(rows, width)
    used, columns = old.floor.shape
    for name in ("floor", "rate", "deduction", "rebate", "max_leverage"):
        getattr(new, name)[:used, :columns] = getattr(old, name)
    new.by_contracts[:used] = old.by_contracts
    new.continuous[:used] = old.continuous
    return new


def width_for(tiers: int) -> int:
    """Return the smallest power of two that holds so many tiers."""
    return 1 << max(0, tiers - 1).bit_length()


def write_table(tables: TierTables, row: int, instrument: Instrument, rule: VenueRule) -> None:
    """Write one instrument's table into a row that is wide enough."""
    tiers = instrument.tiers
    used = len(tiers)
    amounts, rebates, continuous = deductions_of(instrument, rule)
    tables.floor[row, :used] = [tier.floor for tier in tiers]
    tables.floor[row, used:] = np.inf
    tables.rate[row, :used] = [tier.maintenance_rate for tier in tiers]
    tables.rate[row, used:] = 0.0
    tables.deduction[row, :used] = amounts
    tables.deduction[row, used:] = 0.0
    tables.rebate[row, :used] = rebates
    tables.rebate[row, used:] = 0.0
    tables.max_leverage[row, :used] = [tier.max_leverage or np.nan for tier in tiers]
    tables.max_leverage[row, used:] = np.nan
    tables.by_contracts[row] = instrument.tier_unit == "contracts"
    tables.continuous[row] = continuous


def build_tables(listed: Sequence[tuple[Instrument, VenueRule]]) -> TierTables:
    """Return the padded tables of valid instruments, row by row."""
    widest = max((len(instrument.tiers) for instrument, _ in listed), default=1)
    tables = empty_tables(len(listed), width_for(widest))
    for row, (instrument, rule) in enumerate(listed):
        write_table(tables, row, instrument, rule)
    return tables
