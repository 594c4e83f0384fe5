"""Liquidation step by step: how much of each position goes at once, until the pool is safe again.

A step realises PnL and fees into the pool, so a later step starts from less. What no step can save
(a pool below zero or at its backstop, a venue that closes at once) is left to be closed whole.
"""

from dataclasses import dataclass, replace

import numpy as np

from service.risk.closing import filled
from service.risk.columns import Batch, Bools, Floats, Holdings, Ints, joined_rows, sums_by
from service.risk.evaluate import assess, taken_rows
from service.risk.losses import backstopped
from service.risk.margin import Assessment
from service.risk.model import Level
from service.risk.policy import (
    BY_SHARE,
    BY_TIERS,
    POLICY_COLUMNS,
    TO_REQUIREMENT,
    WHOLE,
    PolicyColumns,
)

# A step goes this much (relative) beyond the border it is meant to reach.
_SAFELY = 1e-12
_TIERS_AT_ONCE = 2  # OKX: from the third tier on, two tiers at a time


@dataclass(slots=True)
class Stepped:
    """A batch after its steps; legs that were closed are gone from it."""

    batch: Batch
    assessment: Assessment
    rows: Ints  # which leg of the first batch each leg is
    closed: Floats  # contracts, a leg of the first batch
    fees: Floats  # a pool, in its money
    realised: Floats  # a pool, in its money: PnL at the fills, before fees
    slippage: Floats  # a pool, in its money: lost to fills that are worse than the mark
    steps: Ints  # a pool
    whole: Bools  # pools that must be closed whole


def step_down(
    batch: Batch,
    fill: Floats,
    fee_rate: Floats,
    policies: PolicyColumns = POLICY_COLUMNS,
    most: int = 1_000,
) -> Stepped:
    """Reduce every liquidatable pool by its venue's steps, at most so many.

    `fill` is the price of a fill over the mark, a leg; `fee_rate` a share of the notional closed.
    """
    pools, legs = len(batch.pools.rule), len(batch.legs.pool)
    state = Stepped(
        batch=batch,
        assessment=assess(batch),
        rows=np.arange(legs),
        closed=np.zeros(legs),
        fees=np.zeros(pools),
        realised=np.zeros(pools),
        slippage=np.zeros(pools),
        steps=np.zeros(pools, dtype=np.int64),
        whole=np.zeros(pools, dtype=np.bool_),
    )
    for _ in range(most):
        share = step_shares(state.batch, state.assessment, fee_rate[state.rows], policies)
        share *= (state.steps < policies.steps[batch.pools.rule])[state.batch.legs.pool]
        left = np.bincount(state.batch.legs.pool, (share < 1.0) & (share > 0.0), pools) > 0.0
        share *= left[state.batch.legs.pool]
        if not share.any():
            break
        _step(state, share, fill, fee_rate)
    state.whole = state.assessment.pools.level >= Level.LIQUIDATION
    return state


def _step(state: Stepped, share: Floats, fill: Floats, fee_rate: Floats) -> None:
    """Close a share of each leg and look again."""
    batch, assessment, rows = state.batch, state.assessment, state.rows
    at, pools, price = batch.legs.pool, len(state.fees), assessment.legs.settle_price
    fills = assessment.legs.mark * fill[rows]
    at_fills = filled(batch, assessment, fills)
    fee, pnl = at_fills.notional * fee_rate[rows] * share, at_fills.pnl * share
    lost = assessment.legs.unrealised_pnl * share - pnl
    state.closed[rows] += np.abs(batch.legs.contracts) * share
    state.fees += sums_by(at, fee * price, pools)
    state.realised += sums_by(at, pnl * price, pools)
    state.slippage += sums_by(at, lost * price, pools)
    state.steps += sums_by(at, share, pools) > 0.0
    state.batch = reduced(batch, assessment, share, pnl - fee)
    state.rows = rows[share < 1.0]
    state.assessment = assess(state.batch)


def reduced(batch: Batch, assessment: Assessment, share: Floats, realised: Floats) -> Batch:
    """Return the batch without a share of each leg; what it realises goes into its pool.

    An isolated position has it in its margin. What a cross position realises is a balance of its
    own in the settle asset, at full weight (as unrealised PnL it had no other), and so is what is
    left of an isolated position that is gone.
    """
    legs, touched = batch.legs, (share > 0.0) | (realised != 0.0)
    isolated, gone = batch.pools.isolated[legs.pool], share >= 1.0
    own = assessment.terms.margin + realised
    margin = np.where(touched & isolated, own, legs.margin)
    remaining = replace(legs, contracts=legs.contracts * (1.0 - share), margin=margin)
    into = np.flatnonzero(touched & (~isolated | gone))
    balances = Holdings(
        pool=legs.pool[into],
        asset=batch.markets.settle[legs.market[into]],
        amount=np.where(isolated, own, realised)[into],
        weight=np.ones(len(into)),
        price=assessment.legs.settle_price[into],
    )
    return replace(
        batch,
        legs=taken_rows(remaining, np.flatnonzero(~gone)),
        holdings=joined_rows(batch.holdings, balances),
    )


def step_shares(
    batch: Batch,
    assessment: Assessment,
    fee_rate: Floats,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Floats:
    """Return the share of each leg that the next step closes; 0 where none is due."""
    pools, at = assessment.pools, batch.legs.pool
    due = (pools.level == Level.LIQUIDATION) & ~backstopped(batch, assessment, policies)
    way = policies.partial[batch.pools.rule]
    share = np.ones(len(at))
    for code, shares in (
        (BY_TIERS, _share_by_tiers),
        (TO_REQUIREMENT, _share_to_requirement),
        (BY_SHARE, _share_by_size),
    ):
        rows = way[at] == code
        if rows.any():
            share = np.where(rows, shares(batch, assessment, fee_rate, policies), share)
    return np.where((due & (way != WHOLE))[at], np.clip(share, 0.0, 1.0), 0.0)


def _share_by_tiers(batch: Batch, assessment: Assessment, _: Floats, __: PolicyColumns) -> Floats:
    """Down to the top of a lower tier; legs in the first tier stay while another can step down."""
    tables, legs = batch.tables, assessment.legs
    table = np.maximum(batch.markets.table[batch.legs.market], 0)
    width = tables.floor.shape[1]
    tier = legs.tier - table * width
    basis = np.where(assessment.terms.on_entry, assessment.terms.entry_notional, legs.notional)
    size = np.where(tables.by_contracts[table], np.abs(batch.legs.contracts), basis)
    above = np.where(tier > 1, tier - _TIERS_AT_ONCE + 1, 1)
    keep = tables.floor[table, np.minimum(above, width - 1)] * (1.0 - _SAFELY)
    share = np.where(tier > 0, 1.0 - keep / size, 0.0)
    can = np.bincount(batch.legs.pool, tier > 0, len(batch.pools.rule)) > 0.0
    return np.where(can[batch.legs.pool], share, 1.0)


def _share_to_requirement(
    batch: Batch, assessment: Assessment, fee_rate: Floats, _: PolicyColumns
) -> Floats:
    """The same share of every leg, so much that what is left meets its requirement."""
    pools, legs, at = assessment.pools, assessment.legs, batch.legs.pool
    cost = sums_by(at, legs.notional * fee_rate * legs.settle_price, len(pools.equity))
    shortage = (pools.maintenance_margin - pools.equity) + _SAFELY * pools.maintenance_margin
    return units_to_close(shortage, pools.maintenance_margin, cost)[at]


def _share_by_size(
    batch: Batch, assessment: Assessment, _: Floats, policies: PolicyColumns
) -> Floats:
    legs, rule = assessment.legs, batch.pools.rule[batch.legs.pool]
    notional = legs.notional * legs.settle_price
    part = np.maximum(policies.step_share[rule] * notional, policies.step_least[rule])
    part = np.minimum(part, policies.step_most[rule])
    return np.where(notional <= policies.whole_to[rule], 1.0, part / notional)


def units_to_close(shortage: Floats, freed: Floats, cost: Floats) -> Floats:
    """Return how many units cover a shortage of margin; inf where no number does.

    Closing a unit frees `freed` of the requirement and costs `cost` of the equity: fees, or the
    weighted value of collateral that goes with a loan repaid.
    """
    units = np.full(np.shape(shortage), np.inf)
    np.divide(shortage, freed - cost, out=units, where=freed > cost)
    return units


def affordable_fund_fee(
    shortage: Floats, notional: Floats, rate: Floats, liquidator_fee: Floats, most: Floats
) -> Floats:
    """Return the fund's fee rate at a liquidation: 95 % of what does not bankrupt, at most `most`.

    Drift's: of the maintenance rate, what the liquidator's fee and the shortage leave.
    """
    missing = np.full(np.shape(shortage), np.inf)
    np.divide(shortage, notional, out=missing, where=notional > 0.0)
    fee: Floats = np.clip(0.95 * (rate - liquidator_fee - missing), 0.0, most)
    return fee


def ramped_fee(fee: float, most: float, rise: float, waited: int, grace: int) -> float:
    """Return a liquidation fee that rises with every slot waited once the grace is over (Drift)."""
    return min(most, fee + rise * waited) if waited >= grace else fee


def fillable_prices(
    batch: Batch, assessment: Assessment, adjustment: float, spread: float
) -> Floats:
    """Return the worst price a liquidation order may fill at, a leg (dYdX).

    It leaves the mark by the spread's share of the leg's maintenance, the nearer to bankruptcy the
    more: at equity = maintenance not at all, at 1 / adjustment of the way fully.
    """
    pools, legs, at = assessment.pools, assessment.legs, batch.legs.pool
    health = np.ones(len(pools.equity))
    required = pools.maintenance_margin
    np.divide(pools.equity, required, out=health, where=required > 0.0)
    near = np.clip(adjustment * (1.0 - health), 0.0, 1.0)[at]
    return legs.mark - near * spread * legs.maintenance_margin / legs.size
