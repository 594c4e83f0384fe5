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

    market: Ints
    long: Bools
    size: Floats  # >= 0, how much of the position
    cost: Floats  # of one unit of size to who takes it over, against the mark


@dataclass(slots=True)
class Standing:
    """Priced positions of pools that stay open: who may be deleveraged, who shares a loss."""

    market: Ints
    size: Floats  # signed
    room: Floats  # what it can pay with its share of its pool's equity, in its settle asset
    score: Floats  # higher is sooner


@dataclass(slots=True)
class Taken:
    """What became of the offers, then what it did to who stands in the queues."""

    size: Floats  # of each offer
    reduced: Floats  # size taken off each position
    cost: Floats  # to each position, money in its settle asset


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
    known = np.flatnonzero(~np.isnan(score))
    for queue in _queues(batch.legs.market[known], assessment.legs.size[known], score[known]):
        rows = known[queue]
        lit[rows] = lights_at(np.cumsum(size[rows]) - size[rows], float(size[rows].sum()))
    return lit


def lights_at(ahead: Floats, whole: float) -> NDArray[np.int8]:
    """Return how many lights are lit where so much of a queue's whole size stands ahead."""
    fifth = np.floor(LIGHTS * (ahead / whole))
    return (LIGHTS - np.minimum(fifth, LIGHTS - 1)).astype(np.int8)


def _queues(market: Ints, size: Floats, score: Floats) -> list[Ints]:
    """Return the rows of each queue, first of the queue first; equal scores keep their order."""
    if not len(market):
        return []
    key = market * 2 + (size > 0.0)
    order = np.lexsort((-score, key))
    return np.split(order, np.flatnonzero(np.diff(key[order])) + 1)


def standing_of(
    batch: Batch,
    assessment: Assessment,
    free: Bools,
    sought: Bools,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> tuple[Standing, Ints]:
    """Return who stands in the sought markets, with the legs they are; `free` pools stay open."""
    legs, market = assessment.legs, batch.legs.market
    rows = np.flatnonzero(free[batch.legs.pool] & sought[market] & ~legs.unpriced)
    if not len(rows):
        none = np.zeros(0)
        return Standing(rows, none, none, none), rows
    room = assessment.pools.equity[batch.legs.pool] * pool_shares(batch, assessment)
    room = np.maximum(0.0, room) / legs.settle_price
    score = scores(batch, assessment, policies)
    return Standing(market[rows], legs.size[rows], room[rows], score[rows]), rows


def take_over(offers: Offers, standing: Standing) -> Taken:
    """Hand the offers to the queues of the other side."""
    many = len(standing.market)
    taken = Taken(np.zeros(len(offers.market)), np.zeros(many), np.zeros(many))
    for queue in _queues(standing.market, standing.size, standing.score):
        first = queue[0]
        of = offers.market == standing.market[first]
        wanted = np.flatnonzero(of & (offers.long != (standing.size[first] > 0.0)))
        if len(wanted):
            size = np.abs(standing.size[queue])
            _consume(offers, wanted, _Queue(queue, size, standing.room[queue]), taken)
    return taken


@dataclass(slots=True)
class _Queue:
    """One market's positions on one side, in their order."""

    row: Ints
    size: Floats
    room: Floats  # what each can pay


def _consume(offers: Offers, wanted: Ints, queue: _Queue, taken: Taken) -> None:
    """Cut both rows of sizes at the same places: each position pays for the offers it overlaps."""
    dearest = float(offers.cost[wanted].max())
    most = np.minimum(queue.size, queue.room / dearest) if dearest > 0.0 else queue.size
    ends, capacity = np.cumsum(offers.size[wanted]), np.cumsum(most)
    until = np.minimum(ends, capacity[-1])
    each = np.diff(until, prepend=0.0)
    taken.size[wanted] = each
    reached = np.minimum(capacity, until[-1])
    taken.reduced[queue.row] = np.diff(reached, prepend=0.0)
    sizes = np.concatenate(([0.0], until))
    costs = np.concatenate(([0.0], np.cumsum(each * offers.cost[wanted])))
    taken.cost[queue.row] = np.diff(np.interp(reached, sizes, costs), prepend=0.0)
