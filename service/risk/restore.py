"""What would bring a pool back to HEALTHY, and what closing it at the mark would leave unpaid.

Healthy again means strictly below the warning line less the hysteresis. Reducing a position at the
mark keeps the pool's equity (what it realises stays in the pool, fees not counted) and takes its
share of the requirement away.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.risk.closing import debt_most
from service.risk.columns import Batch, Bools, Floats, Int8s, Ints
from service.risk.compiled import compiled, inlined
from service.risk.margin import Assessment
from service.risk.model import Level

# Answers are this much on the safe side (relative), so that whoever acts on them is below the line.
_SAFELY = 1e-12


@dataclass(slots=True)
class Restoration:
    """0 where nothing is needed; NaN where it is not known or, for a reduction, not enough."""

    deposit: Floats  # a pool, in its money
    reduce: Floats  # a leg, contracts to close (>= 0), if nothing else is done


class RestoreColumns(NamedTuple):
    """What is read, a row a leg, a pool, a market or a tier; and what is written."""

    pool: Ints
    market: Ints
    contracts: Floats
    notional: Floats
    maintenance_margin: Floats
    settle_price: Floats
    entry_notional: Floats
    on_entry: Bools
    fee_rate: Floats
    fixed_fee: Floats
    standing: Int8s  # from here on of pools
    warning: Floats
    hysteresis: Floats
    wallet: Floats
    unrealised_pnl: Floats
    equity: Floats
    required: Floats
    unpriced: Bools
    table: Ints  # of markets
    by_contracts: Bools  # of tables
    floor: Floats
    rate: Floats
    deduction: Floats
    rebate: Floats
    legs: Ints  # of each pool
    deposit: Floats  # written
    reduce: Floats


def to_restore(
    batch: Batch, assessment: Assessment, level: NDArray[np.int8] | None = None
) -> Restoration:
    """Return what each pool and leg needs; `level` is the pools' standing (None: the table's)."""
    columns = restore_columns(batch, assessment, assessment.pools.level if level is None else level)
    restore(columns)
    return Restoration(columns.deposit, columns.reduce)


def restore_columns(
    batch: Batch, assessment: Assessment, level: NDArray[np.int8]
) -> RestoreColumns:
    """Return what is read of an assessed batch, and room for what is found."""
    pools, legs, terms = assessment.pools, assessment.legs, assessment.terms
    tables, many = batch.tables, len(batch.pools.rule)
    return RestoreColumns(
        pool=batch.legs.pool,
        market=batch.legs.market,
        contracts=batch.legs.contracts,
        notional=legs.notional,
        maintenance_margin=legs.maintenance_margin,
        settle_price=legs.settle_price,
        entry_notional=terms.entry_notional,
        on_entry=terms.on_entry,
        fee_rate=terms.fee_rate,
        fixed_fee=terms.fixed_fee,
        standing=level,
        warning=batch.pools.warning,
        hysteresis=batch.pools.hysteresis,
        wallet=pools.wallet,
        unrealised_pnl=pools.unrealised_pnl,
        equity=pools.equity,
        required=pools.maintenance_margin,
        unpriced=pools.unpriced,
        table=batch.markets.table,
        by_contracts=tables.by_contracts,
        floor=tables.floor,
        rate=tables.rate,
        deduction=tables.deduction,
        rebate=tables.rebate,
        legs=np.zeros(many, np.int64),
        deposit=np.empty(many),
        reduce=np.empty(len(batch.legs.pool)),
    )


def shortfall(equity: Floats) -> Floats:
    """Return the money below zero that closing at the mark would leave, before anyone pays."""
    return np.maximum(0.0, -equity)


def owed(batch: Batch, assessment: Assessment) -> Floats:
    """Return what is left of the shortfall to the trader by the venue's policy, a pool."""
    return np.minimum(shortfall(assessment.pools.equity), debt_most(batch, assessment))


@compiled
def restore(columns: RestoreColumns) -> None:
    for row in range(len(columns.pool)):
        columns.legs[columns.pool[row]] += 1
    for pool in range(len(columns.equity)):
        columns.deposit[pool] = _deposit(columns, pool)
    for row in range(len(columns.pool)):
        pool = columns.pool[row]
        needed = columns.standing[pool] > Level.UNPRICED and not columns.unpriced[pool]
        if needed:
            columns.reduce[row] = _reduction(columns, row, pool)
        else:
            columns.reduce[row] = np.nan if columns.unpriced[pool] else 0.0


@inlined
def _line(columns: RestoreColumns, pool: int) -> float:
    """Return the ratio strictly below which a pool is healthy again."""
    line: float = columns.warning[pool] - columns.hysteresis[pool]
    return line


@inlined
def _deposit(columns: RestoreColumns, pool: int) -> float:
    if columns.unpriced[pool]:
        return np.nan
    if columns.standing[pool] <= Level.UNPRICED or not columns.legs[pool]:
        return 0.0
    least = columns.required[pool] / _line(columns, pool)
    rounding = abs(columns.wallet[pool]) + abs(columns.unrealised_pnl[pool]) + least
    missing = least - columns.equity[pool] + _SAFELY * rounding
    return max(missing, 0.0) if np.isfinite(missing) else np.nan


@inlined
def _reduction(columns: RestoreColumns, row: int, pool: int) -> float:
    """Return contracts to close: the least that leaves the requirement under its budget."""
    weight: float = columns.settle_price[row]
    contracts: float = abs(columns.contracts[row])
    others = columns.required[pool] - columns.maintenance_margin[row] * weight
    budget = _line(columns, pool) * columns.equity[pool] - others
    kept = _share_kept(columns, row, budget / weight)
    if kept >= 1.0:
        return 0.0
    if kept > 0.0:
        return min(contracts, contracts * (1.0 - kept + _SAFELY))
    closing_does = columns.legs[pool] == 1 or budget > 0.0
    return contracts if closing_does else np.nan


@inlined
def _share_kept(columns: RestoreColumns, row: int, budget: float) -> float:
    """Return the largest share of a position whose requirement is below the budget; 0: none is.

    In each tier the requirement is a line in the share, so each tier has its own largest share.
    """
    table, contracts = columns.table[columns.market[row]], abs(columns.contracts[row])
    basis = columns.entry_notional[row] if columns.on_entry[row] else columns.notional[row]
    size = contracts if columns.by_contracts[table] else basis
    best, tiers = 0.0, columns.floor.shape[1]
    for tier in range(tiers):
        start = columns.floor[table, tier] / size
        end = columns.floor[table, tier + 1] / size if tier + 1 < tiers else np.inf
        whole = basis * (columns.rate[table, tier] + columns.fee_rate[row]) + columns.fixed_fee[row]
        rebate = columns.rebate[table, tier] * basis / contracts
        room = budget + columns.deduction[table, tier] + rebate
        share = np.inf if room > 0.0 else -np.inf
        if whole > 0.0:
            share = room / whole
        # No more than is held: a higher tier whose given deduction is large is no way out.
        share = min(share, 1.0, end * (1.0 - _SAFELY))
        if share > start and share > best:
            best = share
    return best
