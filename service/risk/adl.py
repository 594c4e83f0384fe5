"""Auto-deleveraging: who stands where in the queue, and what the queue takes over at which cost.

A queue is one market's positions on one side, the highest score first. Positions that fall short on
the other side are handed to it in the order of their liquidation. Nobody takes over more than can
be paid for with his share of his pool's equity: the loss must not travel on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.risk.closing import pool_shares
from service.risk.columns import Batch, Bools, Floats, Ints
from service.risk.margin import Assessment
from service.risk.policy import (
    MOVE_BY_EXPOSURE,
    POLICY_COLUMNS,
    PolicyColumns,
)

LIGHTS = 5


@dataclass(slots=True)
class Offers:
    """Positions handed to the queue, in order; money in the settle asset."""

    leg: Ints
    size: Floats  # >= 0, how much of the position
    cost: Floats  # of one unit of size to who takes it over, against the mark


@dataclass(slots=True)
class Taken:
    """What became of the offers, and what it did to the queue; a row an offer, then a row a leg."""

    size: Floats  # of each offer
    reduced: Floats  # size taken off each leg
    cost: Floats  # to each leg, money in its settle asset


def scores(
    batch: Batch, assessment: Assessment, policies: PolicyColumns = POLICY_COLUMNS
) -> Floats:
    """Return each leg's rank in its queue, higher is sooner; NaN where it is unpriced.

    By return: PnL over entry value, times effective leverage (notional over equity) in profit and
    divided by it at a loss. By move: the favourable ratio of mark and entry times that leverage.
    """
    legs, terms = assessment.legs, assessment.terms
    equity = assessment.pools.equity[batch.legs.pool]
    with np.errstate(all="ignore"):
        leverage = np.where(equity > 0.0, legs.notional * legs.settle_price / equity, np.inf)
        earned = legs.unrealised_pnl / terms.entry_notional
        by_return = np.where(earned > 0.0, earned * leverage, earned / leverage)
        moved = legs.mark / batch.legs.entry_price
        by_move = np.where(legs.size > 0.0, moved, 1.0 / moved) * leverage
    ranking = policies.ranking[batch.pools.rule[batch.legs.pool]]
    score = np.where(ranking == MOVE_BY_EXPOSURE, by_move, by_return)
    return np.where(legs.unpriced, np.nan, score)


def lights(batch: Batch, assessment: Assessment, score: Floats) -> NDArray[np.int8]:
    """Return how many of the five lights are lit, a leg: all are in the first fifth of a queue.

    Fifths are of the size in the queue. 0 where a leg is unpriced.
    """
    lit = np.zeros(len(score), dtype=np.int8)
    size = np.abs(assessment.legs.size)
    for rows in _queues(batch, assessment, score, ~np.isnan(score)):
        lit[rows] = lights_at(np.cumsum(size[rows]) - size[rows], float(size[rows].sum()))
    return lit


def lights_at(ahead: Floats, whole: float) -> NDArray[np.int8]:
    """Return how many lights are lit where so much of a queue's whole size stands ahead."""
    fifth = np.floor(LIGHTS * (ahead / whole))
    return (LIGHTS - np.minimum(fifth, LIGHTS - 1)).astype(np.int8)


def _queues(batch: Batch, assessment: Assessment, score: Floats, member: Bools) -> list[Ints]:
    """Return the rows of each queue, first of the queue first; equal scores keep their order."""
    rows = np.flatnonzero(member)
    if not len(rows):
        return []
    key = batch.legs.market[rows] * 2 + (assessment.legs.size[rows] > 0.0)
    order = np.lexsort((-score[rows], key))
    rows, key = rows[order], key[order]
    return np.split(rows, np.flatnonzero(np.diff(key)) + 1)


def take_over(
    batch: Batch, assessment: Assessment, offers: Offers, free: Bools, score: Floats
) -> Taken:
    """Hand the offers to the queues of the other side; `free` are the pools that may be reduced."""
    legs = assessment.legs
    taken = Taken(np.zeros(len(offers.leg)), np.zeros(len(legs.size)), np.zeros(len(legs.size)))
    sought = np.zeros(len(batch.markets.mark), dtype=np.bool_)
    sought[batch.legs.market[offers.leg]] = True
    able = free[batch.legs.pool] & sought[batch.legs.market] & ~np.isnan(score)
    room = assessment.pools.equity[batch.legs.pool] * pool_shares(batch, assessment)
    room = np.maximum(0.0, room) / legs.settle_price
    for queue in _queues(batch, assessment, score, able):
        first = queue[0]
        of = batch.legs.market[offers.leg] == batch.legs.market[first]
        wanted = np.flatnonzero(of & ((legs.size[offers.leg] > 0.0) != (legs.size[first] > 0.0)))
        if len(wanted):
            _consume(offers, wanted, _Queue(queue, np.abs(legs.size[queue]), room[queue]), taken)
    return taken


@dataclass(slots=True)
class _Queue:
    """One market's positions on one side, in their order."""

    leg: Ints
    size: Floats
    room: Floats  # what each can pay


def _consume(offers: Offers, wanted: Ints, queue: _Queue, taken: Taken) -> None:
    """Cut both rows of sizes at the same places: each leg pays for the offers it overlaps."""
    dearest = float(offers.cost[wanted].max())
    most = np.minimum(queue.size, queue.room / dearest) if dearest > 0.0 else queue.size
    ends, capacity = np.cumsum(offers.size[wanted]), np.cumsum(most)
    until = np.minimum(ends, capacity[-1])
    each = np.diff(until, prepend=0.0)
    taken.size[wanted] = each
    reached = np.minimum(capacity, until[-1])
    taken.reduced[queue.leg] = np.diff(reached, prepend=0.0)
    sizes = np.concatenate(([0.0], until))
    costs = np.concatenate(([0.0], np.cumsum(each * offers.cost[wanted])))
    taken.cost[queue.leg] = np.diff(np.interp(reached, sizes, costs), prepend=0.0)
