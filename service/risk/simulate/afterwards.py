"""A part after everybody has paid: what was closed is gone, who was deleveraged has less."""

from dataclasses import dataclass, replace

import numpy as np

from service.risk.closing import filled
from service.risk.columns import Batch, Bools, Floats, Holdings, Ints, joined_rows, sums_by
from service.risk.evaluate import assess, taken_rows
from service.risk.partial import reduced
from service.risk.simulate.part import Assessed, Part
from service.risk.waterfall import Shared


@dataclass(slots=True)
class Moved:
    """Money that came to a part's pools, a row a pool, in its money; steps of venues in it."""

    realised: Floats  # PnL of all that was closed, handed over or taken away, before fees
    fees: Floats
    fund: Floats  # paid by the fund, less what it took
    socialised: Floats  # received, less what was borne for others
    venue: Floats


def applied(
    part: Part, found: Assessed, shared: Shared, standing: Ints
) -> tuple[Part, Moved, Floats]:
    """Return the part as it goes on, the money that moved, and every pool's wallet afterwards.

    `shared` is the part's own share, `standing` the legs that its rows of `Standing` are. A wallet
    is what an evaluation finds, at the prices of the step; NaN where the pool is unpriced.
    """
    at, pools = found.at, len(part.gone)
    share, pnl, fee = _closed(found, shared)
    of_legs = at.assessment.legs
    part_taken = shared.reduced / np.abs(of_legs.size[standing])
    share[standing] = np.where(part_taken >= 1.0, 1.0, part_taken)
    pnl[standing] = of_legs.unrealised_pnl[standing] * share[standing] - shared.deleveraging_cost
    borne = np.zeros(len(share))
    borne[standing] = shared.socialised_cost
    batch = _paid(reduced(at.batch, at.assessment, share, pnl - fee - borne), found, shared)
    wallet = _wallets(batch)
    legs, worth = at.batch.legs.pool, of_legs.settle_price
    moved = Moved(
        realised=_at(found.pools.pool, found.pools.step_pnl, pools)
        + sums_by(legs, np.where(pnl == 0.0, 0.0, pnl * worth), pools),
        fees=_at(found.pools.pool, found.pools.step_fees, pools)
        + sums_by(legs, np.where(fee == 0.0, 0.0, fee * worth), pools),
        fund=_at(found.lost, shared.fund - shared.contributed, pools),
        socialised=_at(found.lost, shared.socialised, pools)
        - sums_by(legs, np.where(borne == 0.0, 0.0, borne * worth), pools),
        venue=_at(found.lost, shared.venue, pools),
    )
    gone = part.gone | at.whole
    left = np.where(at.whole, wallet, part.left)
    going_on = replace(
        part,
        batch=_before(part, found, batch, at.rows[share < 1.0], gone),
        rows=at.rows[share < 1.0],
        gone=gone,
        left=left,
    )
    return going_on, moved, np.where(part.gone, part.left, wallet)


def _at(rows: Ints, values: Floats, many: int) -> Floats:
    column = np.zeros(many)
    column[rows] = values
    return column


def _closed(found: Assessed, shared: Shared) -> tuple[Floats, Floats, Floats]:
    """Return how much of each leg is closed whole, what that realises and what it costs in fees."""
    at, rows = found.at, found.at.lost_legs
    share, pnl, fee = np.zeros((3, len(at.rows)))
    price = np.full(len(at.rows), np.nan)
    price[rows] = found.losses.legs.price
    over = shared.handed_over / np.abs(found.losses.legs.size)
    given_up = filled(at.batch, at.assessment, price).pnl[rows]
    in_queue = np.where(over > 0.0, given_up * over, 0.0)
    share[rows] = 1.0
    pnl[rows] = at.closing.pnl[rows] * (1.0 - over) + in_queue
    fee[rows] = at.closing.fee[rows] * (1.0 - over)
    return share, pnl, fee


def _paid(batch: Batch, found: Assessed, shared: Shared) -> Batch:
    """Put what others paid into the pools that were closed, and take what the fund took."""
    money = shared.fund - shared.contributed + shared.socialised + shared.venue
    ones = np.ones(len(money))
    paid = Holdings(found.lost, batch.pools.settle[found.lost], money, ones, ones)
    return replace(batch, holdings=joined_rows(batch.holdings, paid))


def _wallets(batch: Batch) -> Floats:
    pools = assess(batch).pools
    return np.where(pools.unpriced, np.nan, pools.wallet)


def _before(part: Part, found: Assessed, batch: Batch, rows: Ints, gone: Bools) -> Batch:
    """Return the batch at the prices before the scenario, without what pools that are gone held."""
    legs, coin = batch.legs, found.at.prices.coin
    held = taken_rows(batch.holdings, np.flatnonzero(~gone[batch.holdings.pool]))
    return replace(
        part.batch,
        legs=replace(legs, mark=part.own_mark[rows]),
        holdings=replace(held, price=held.price / coin[held.asset]),
    )
