"""What would bring a pool back to HEALTHY, and what closing it at the mark would leave unpaid.

Healthy again means strictly below the warning line less the hysteresis. Reducing a position at the
mark keeps the pool's equity (what it realises stays in the pool, fees not counted) and takes its
share of the requirement away.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.risk.closing import debt_most
from service.risk.columns import Batch, Bools, Floats
from service.risk.margin import Assessment
from service.risk.model import Level
from service.risk.tiers import size_in_tier

# Answers are this much on the safe side (relative), so that whoever acts on them is below the line.
_SAFELY = 1e-12


@dataclass(slots=True)
class Restoration:
    """0 where nothing is needed; NaN where it is not known or, for a reduction, not enough."""

    deposit: Floats  # a pool, in its money
    reduce: Floats  # a leg, contracts to close (>= 0), if nothing else is done


def to_restore(
    batch: Batch, assessment: Assessment, level: NDArray[np.int8] | None = None
) -> Restoration:
    """Return what each pool and leg needs; `level` is the pools' standing (None: the table's)."""
    pools = assessment.pools
    standing = pools.level if level is None else level
    needed = (standing > Level.UNPRICED) & pools.open & ~pools.unpriced
    with np.errstate(all="ignore"):  # what is unpriced is NaN on purpose
        deposit = np.where(needed, _deposit(batch, assessment), 0.0)
        deposit[pools.unpriced | ~np.isfinite(deposit)] = np.nan
        reduce = np.zeros(len(batch.legs.pool))
        reduce[pools.unpriced[batch.legs.pool]] = np.nan
        wanted = np.flatnonzero(needed[batch.legs.pool])
        if len(wanted):
            reduce[wanted] = _reduction(batch, assessment)[wanted]
    return Restoration(deposit, reduce)


def shortfall(equity: Floats) -> Floats:
    """Return the money below zero that closing at the mark would leave, before anyone pays."""
    return np.maximum(0.0, -equity)


def owed(batch: Batch, assessment: Assessment) -> Floats:
    """Return what is left of the shortfall to the trader by the venue's policy, a pool."""
    return np.minimum(shortfall(assessment.pools.equity), debt_most(batch))


def _line(batch: Batch) -> Floats:
    return batch.pools.warning - batch.pools.hysteresis


def _deposit(batch: Batch, assessment: Assessment) -> Floats:
    pools = assessment.pools
    least = pools.maintenance_margin / _line(batch)
    rounding = np.abs(pools.wallet) + np.abs(pools.unrealised_pnl) + least
    missing = least - pools.equity
    return np.where(missing + _SAFELY * rounding > 0.0, missing + _SAFELY * rounding, 0.0)


def _reduction(batch: Batch, assessment: Assessment) -> Floats:
    """Return contracts to close, a leg: the least that leaves the requirement under its budget."""
    pools, legs, at = assessment.pools, assessment.legs, batch.legs.pool
    own = legs.maintenance_margin * legs.settle_price
    others = pools.maintenance_margin[at] - own
    budget = (_line(batch) * pools.equity)[at] - others
    kept = _share_kept(batch, assessment, budget / legs.settle_price)
    alone = np.bincount(at, minlength=len(pools.equity))[at] == 1
    closing_does = alone | (budget > 0.0)
    contracts = np.abs(batch.legs.contracts)
    part = np.where(kept >= 1.0, 0.0, np.minimum(contracts, contracts * (1.0 - kept + _SAFELY)))
    return np.where(kept > 0.0, part, np.where(closing_does, contracts, np.nan))


def _share_kept(batch: Batch, assessment: Assessment, budget: Floats) -> Floats:
    """Return the largest share of each position whose requirement is below its budget; 0: none is.

    In each tier the requirement is a line in the share, so each tier has its own largest share.
    """
    terms, tables = assessment.terms, batch.tables
    table = np.maximum(batch.markets.table[batch.legs.market], 0)
    basis = np.where(terms.on_entry, terms.entry_notional, assessment.legs.notional)
    size = _beside(size_in_tier(tables, table, batch.legs.contracts, basis))
    floors = tables.floor[table]
    ends = np.concatenate([floors[:, 1:], np.full((len(table), 1), np.inf)], axis=1)
    whole = _beside(basis) * (tables.rate[table] + _beside(terms.fee_rate))
    whole += _beside(terms.fixed_fee)
    rebate = tables.rebate[table] * _beside(basis) / _beside(np.abs(batch.legs.contracts))
    room = _beside(budget) + tables.deduction[table] + rebate
    share = np.where(whole > 0.0, room / whole, np.where(room > 0.0, np.inf, -np.inf))
    # No more than is held: a higher tier whose given deduction is large is no way out.
    share = np.minimum(np.minimum(share, 1.0), ends / size * (1.0 - _SAFELY))
    valid: Bools = (share > floors / size) & (share > 0.0)
    best: Floats = np.where(valid, share, 0.0).max(axis=1)
    return best


def _beside(values: Floats) -> Floats:
    """Return a column to stand beside (legs, tiers)."""
    return values[:, np.newaxis]
