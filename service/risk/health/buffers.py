"""What is left before liquidation, against how far the market moves and what funding takes."""

from collections.abc import Iterator

import numpy as np

from service.risk.columns import Floats, Ints, sums_by
from service.risk.evaluate import assess, copies
from service.risk.health.findings import SAFELY, Examined, Rule

COPIED_LEGS_MAX = 200_000  # some 20 MB, a tenth of a second


def buffer_rules(examined: Examined) -> Iterator[Rule]:
    """Return the positions a usual move would end, and the pools that funding would."""
    yield _buffer(examined)
    yield _funding(examined)


def _buffer(examined: Examined) -> Rule:
    """Log distance to the nearer liquidation price over the standard deviation of the horizon.

    Unflagged without a volatility, and at liquidation, where the level says what to do.
    """
    prices, mark = examined.prices, examined.assessment.legs.mark
    limits, contracts = examined.limits, np.abs(examined.batch.legs.contracts)
    deviation = examined.inputs.volatility.total_per_sqrt_s * np.sqrt(limits.buffer_horizon_s)
    nearer = np.fmin(np.log(mark / prices.below), np.log(prices.above / mark))
    measured = nearer / deviation
    flagged = measured < limits.buffer_deviations_min
    rows = _worked_out(examined.batch.legs.pool, measured, np.flatnonzero(flagged))
    deposit, kept = np.full(len(mark), np.nan), np.zeros(len(mark))
    deposit[rows], kept[rows] = _ways_out(
        examined, rows, np.exp(limits.buffer_deviations_min * deviation[rows])
    )
    return Rule(
        code="buffer_thin",
        flagged=flagged,
        measured=measured,
        limit=limits.buffer_deviations_min,
        unit="standard_deviations",
        changes={"deposit": deposit, "reduce": contracts * (1.0 - kept)},
        figures={"standardDeviation": deviation, "liquidationPrice": prices.liquidation},
    )


def _worked_out(pool: Ints, measured: Floats, flagged: Ints) -> Ints:
    """Return the rows whose changes are worked out, the thinnest first: each copies its pool.

    Of the others only closing is told.
    """
    order = flagged[np.argsort(measured[flagged], kind="stable")]
    copied = np.cumsum(np.bincount(pool)[pool[order]]) if len(order) else order
    return np.sort(order[copied <= COPIED_LEGS_MAX])


def _ways_out(examined: Examined, rows: Ints, factor: Floats) -> tuple[Floats, Floats]:
    """Return the deposit, and the share to keep, with which a move by a factor is survived.

    The pool is evaluated anew with the leg's market moved down and up. Slack is concave in a price,
    so what is safe at the mark and at both ends is safe in between. The share is found on the
    chord of the leg's requirement, which is convex: exact in one tier, a little less than could be
    kept over several. Collateral that is no money of account (multi) moves too: no deposit is told.
    """
    deposit, kept = np.full(len(rows), -np.inf), np.ones(len(rows))
    for moved in (1.0 / factor, factor):
        more, share = _at_end(examined, rows, examined.assessment.legs.mark[rows] * moved)
        deposit, kept = np.fmax(deposit, more), np.fmin(kept, share)
    batch = examined.batch
    deposit[batch.pools.multi[batch.legs.pool[rows]]] = np.nan
    return deposit, kept


def _at_end(examined: Examined, rows: Ints, price: Floats) -> tuple[Floats, Floats]:
    batch, pools = examined.batch, examined.assessment.pools
    pool = batch.legs.pool[rows]
    moved = copies(batch, pool)
    legs = moved.legs
    same = legs.market == batch.legs.market[rows][legs.pool]
    legs.mark = np.where(same, price[legs.pool], legs.mark)
    found = assess(moved)
    equity, required = found.pools.equity, found.pools.maintenance_margin
    owned = np.where(same, found.legs.maintenance_margin * found.legs.settle_price, 0.0)
    own = sums_by(legs.pool, owned, len(rows))
    alone = sums_by(legs.pool, same.astype(np.float64), len(rows)) == 1.0
    room, lost = pools.equity[pool] - (required - own), own - (equity - pools.equity[pool])
    share = np.where(lost > 0.0, room / lost - SAFELY, 1.0)
    rounding = SAFELY * (np.abs(equity) + required)
    single = alone & ~batch.pools.multi[pool]
    return required - equity + rounding, np.where(single, np.clip(share, 0.0, 1.0), 0.0)


def _funding(examined: Examined) -> Rule:
    """Hours until funding alone, at the rates and marks of now, has taken what is not required."""
    legs, pools = examined.assessment.legs, examined.assessment.pools
    limit = examined.limits.funding_hours_min
    rate = np.nan_to_num(examined.inputs.funding_per_h, nan=0.0)
    paid = np.sign(legs.size) * legs.notional * legs.settle_price * rate
    per_hour = sums_by(examined.batch.legs.pool, paid, len(pools.equity))
    slack = pools.equity - pools.maintenance_margin
    hours = np.where(per_hour > 0.0, slack / per_hour, np.inf)
    wanted = pools.maintenance_margin + limit * per_hour
    part = np.clip(1.0 - pools.equity / wanted + SAFELY, 0.0, 1.0)
    return Rule(
        code="funding_eats_margin",
        flagged=(slack > 0.0) & (hours < limit),
        measured=hours,
        limit=limit,
        unit="hours",
        changes={
            "deposit": wanted - pools.equity + SAFELY * (np.abs(wanted) + np.abs(pools.equity)),
            "reduce_pool": part,
        },
        figures={"fundingPerHour": per_hour},
        by_pool=True,
    )
