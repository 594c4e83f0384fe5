"""What pools that are closed leave behind, as columns that say all that sharing a loss asks.

They are made where the book is and settled where the fund is: columns of several parts of a book,
one after the other, settle as if they were one book's. Numbers of markets and assets are whoever
made them; `named` is how they travel.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.closing import Closing, borrowed, filled, pool_shares, price_after
from service.risk.columns import Batch, Bools, Floats, Ints
from service.risk.margin import Assessment
from service.risk.policy import (
    AT_MARK,
    MIXED,
    NO_DELEVERAGING,
    POLICY_COLUMNS,
    PolicyColumns,
)


@dataclass(slots=True)
class LostLegs:
    """A row a leg of a pool that is closed; `saved` is by handing all of it to the queue instead.

    Where nobody is to be deleveraged for it, price, `saved` and cost are NaN.
    """

    pool: Ints  # a row of `Losses`
    market: Ints
    size: Floats  # signed; linear: base, inverse: quote
    settle_price: Floats
    share: Floats  # of its pool
    fee: Floats  # pool money, for closing it in the market
    price: Floats  # at which the queue takes it over; NaN: there is none
    saved: Floats  # pool money, against closing it in the market
    cost: Floats  # of a unit of size to who takes it over, against the mark; settle asset


@dataclass(slots=True)
class Losses:
    """A row a pool that is closed, in its money."""

    rule: Ints
    settle: Ints  # asset: whose fund it is
    equity: Floats  # at the marks; with maintenance the order of liquidation
    maintenance: Floats
    remainder: Floats  # below zero a shortfall
    takes: Floats  # the most that the venue's fund takes of a surplus
    loan: Floats  # of a shortfall stays a debt
    legs: LostLegs


def losses_of(
    batch: Batch,
    assessment: Assessment,
    closing: Closing,
    closed: Bools,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> tuple[Losses, Ints, Ints]:
    """Return what closing some priced pools leaves, and which pools and legs the rows are."""
    pools, rows = np.flatnonzero(closed), np.flatnonzero(closed[batch.legs.pool])
    rule = batch.pools.rule
    loan = np.where(policies.loans_stay[rule], borrowed(batch, assessment), 0.0)
    losses = Losses(
        rule=rule[pools],
        settle=batch.pools.settle[pools],
        equity=assessment.pools.equity[pools],
        maintenance=assessment.pools.maintenance_margin[pools],
        remainder=closing.remainder[pools],
        takes=fund_share(batch, assessment, closing.notional, policies)[pools],
        loan=loan[pools],
        legs=_lost_legs(batch, assessment, closing, rows, policies),
    )
    place = np.cumsum(closed) - 1
    losses.legs.pool = place[batch.legs.pool[rows]]
    return losses, pools, rows


def fund_share(
    batch: Batch,
    assessment: Assessment,
    notional: Floats,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Floats:
    """Return how much of a surplus the venue's fund may take, a pool: all of it at the backstop.

    `notional` is what of each pool is closed, in its money.
    """
    rule, rate = batch.pools.rule, policies.surplus_rate[batch.pools.rule]
    everything = np.isinf(rate) | backstopped(batch, assessment, policies)
    most = np.where(everything, np.inf, np.where(np.isinf(rate), 0.0, rate) * notional)
    return np.where(policies.fund[rule] & assessment.pools.open, most, 0.0)


def backstopped(
    batch: Batch, assessment: Assessment, policies: PolicyColumns = POLICY_COLUMNS
) -> Bools:
    """Return the pools that are so far below maintenance that all of them is taken."""
    pools, part = assessment.pools, policies.backstop[batch.pools.rule]
    taken: Bools = pools.open & (part > 0.0) & (pools.equity < part * pools.maintenance_margin)
    return taken


def _lost_legs(
    batch: Batch, assessment: Assessment, closing: Closing, rows: Ints, policies: PolicyColumns
) -> LostLegs:
    """Price legs for the queue: where the pool's loss is nil, or at the mark, by policy."""
    legs, at, share = assessment.legs, batch.legs.pool, pool_shares(batch, assessment)
    price, saved, cost = np.full((3, len(at)), np.nan)
    way = policies.deleveraging[batch.pools.rule[at]]
    due = (closing.remainder[at] < 0.0) & (way != NO_DELEVERAGING)
    if due[rows].any():
        price = _handover_price(batch, assessment, closing, share, policies)
        given_up = filled(batch, assessment, price).pnl
        saved = (given_up - closing.pnl + closing.fee) * legs.settle_price
        cost = (given_up - filled(batch, assessment, legs.mark).pnl) / np.abs(legs.size)
    return LostLegs(
        pool=at[rows],
        market=batch.legs.market[rows],
        size=legs.size[rows],
        settle_price=legs.settle_price[rows],
        share=share[rows],
        fee=(closing.fee * legs.settle_price)[rows],
        price=np.where(due, price, np.nan)[rows],
        saved=np.where(due, saved, np.nan)[rows],
        cost=np.where(due, cost, np.nan)[rows],
    )


def _handover_price(
    batch: Batch, assessment: Assessment, closing: Closing, share: Floats, policies: PolicyColumns
) -> Floats:
    legs, at, mark = assessment.legs, batch.legs.pool, assessment.legs.mark
    rule = batch.pools.rule[at]
    shortfall = np.maximum(0.0, -closing.remainder)[at] * share
    change = shortfall / legs.settle_price - closing.fee
    price = price_after(assessment.terms, closing.fills, change)
    way = policies.deleveraging[rule]
    far = np.abs(price - mark) > policies.mixed_beyond[rule] * mark
    return np.where((way == AT_MARK) | ((way == MIXED) & far), mark, price)
