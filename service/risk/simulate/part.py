"""A part of a book on its way through a scenario, and what one look at it finds.

Phase one is `assess`: where the book is, it prices a part, goes the venues' steps and says what
closing the rest leaves. Phase two is `waterfall.share_out`, wherever the losses of all parts come
together (`joining.join`): it says who pays. `afterwards.applied` then takes each part to where it
stands, and the next look begins from there. Parts know nothing of each other but these columns.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.risk.adl import Standing, standing_of
from service.risk.closing import Closing, close, taker_fees
from service.risk.columns import Batch, Bools, Floats, Ints, joined_rows, sums_by
from service.risk.evaluate import assess as assess_batch
from service.risk.evaluate import select, taken_rows
from service.risk.losses import Losses, losses_of
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.model import Level
from service.risk.partial import Stepped, step_down
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.simulate.prices import Prices, at_prices
from service.risk.simulate.scenario import Slippage
from service.risk.simulate.slippage import Fills, fills_of


@dataclass(slots=True)
class Part:
    """What is left of a part; its pools keep their numbers, its legs say which they were."""

    table: MarketTable  # numbered the batch's markets and assets
    batch: Batch  # at the prices before the scenario; no legs or holdings of pools that are gone
    rows: Ints  # which leg of the first batch each leg is
    own_mark: Floats  # of the first batch's legs
    gone: Bools  # pools that were closed whole
    left: Floats  # of a pool that is gone, in its money; below zero a debt

    @classmethod
    def of(cls, batch: Batch, table: MarketTable) -> "Part":
        pools, legs = len(batch.pools.rule), len(batch.legs.pool)
        gone = np.zeros(pools, dtype=np.bool_)
        return cls(table, batch, np.arange(legs), batch.legs.mark, gone, np.zeros(pools))


@dataclass(slots=True)
class ClosedLegs:
    """A row a leg that something is closed of; money in its settle asset."""

    leg: Ints  # of the first batch
    pool: Ints
    market: Ints
    contracts: Floats  # signed as the position, by steps and at the end
    notional: Floats  # of them, at the mark
    worth: Floats  # likewise, in its pool's money
    beyond: Floats  # of it, what the depth does not have
    mark: Floats
    fill: Floats


@dataclass(slots=True)
class ClosedPools:
    """A row a pool that something is closed of; money in its own."""

    pool: Ints
    whole: Bools  # else steps made it safe
    level: NDArray[np.int8]  # before anything is closed
    equity: Floats  # likewise
    maintenance: Floats
    notional: Floats  # closed, at the marks
    steps: Ints
    step_fees: Floats
    step_pnl: Floats  # realised by the steps, before fees


@dataclass(slots=True)
class Assessed:
    """Phase one at one step: what the prices do to a part, before anybody has paid for it."""

    level: NDArray[np.int8]  # a pool, by the table, before anything is closed; gone ones: HEALTHY
    wallet: Floats  # a pool, likewise; NaN where it is unpriced
    pools: ClosedPools
    legs: ClosedLegs
    losses: Losses  # a row a pool that is closed whole
    lost: Ints  # which pools these are
    at: "Reached"  # what `apply` and `standing` go on from


@dataclass(slots=True)
class Reached:
    """A part at the step's prices, after the venues' steps: all legs that are still there."""

    prices: Prices
    batch: Batch
    rows: Ints  # which leg of the first batch each leg is
    assessment: Assessment
    closing: Closing
    whole: Bools  # pools that are to be closed
    lost_legs: Ints  # which legs those of `losses` are


def assess(
    part: Part, prices: Prices, slippage: Slippage, policies: PolicyColumns = POLICY_COLUMNS
) -> Assessed:
    """Return what happens to a part at these prices; the part stays as it is."""
    shocked = at_prices(part.batch, prices)
    seen = assess_batch(shocked)
    fills, fee_rate = fills_of(shocked, seen, part.table, slippage), taker_fees(shocked)
    due = seen.pools.level >= Level.LIQUIDATION
    pools, legs = np.flatnonzero(due), np.flatnonzero(due[shocked.legs.pool])
    stepped = step_down(select(shocked, pools), fills.factor[legs], fee_rate[legs], policies)
    batch, rows = shocked, np.arange(len(part.rows))
    if stepped.steps.any():
        batch, rows = _put_back(shocked, due, stepped, legs)
        after = assess_batch(batch)
    else:
        after = seen
    whole = np.zeros(len(due), dtype=np.bool_)
    whole[pools] = stepped.whole
    closing = close(batch, after, after.legs.mark * fills.factor[rows], fee_rate[rows])
    losses, lost, lost_legs = losses_of(batch, after, closing, whole, policies)
    closed_legs = _closed_legs(part, seen, stepped, legs, fills)
    return Assessed(
        level=seen.pools.level,
        wallet=np.where(seen.pools.unpriced, np.nan, seen.pools.wallet),
        pools=_closed_pools(seen, stepped, pools, closed_legs),
        legs=closed_legs,
        losses=losses,
        lost=lost,
        at=Reached(prices, batch, part.rows[rows], after, closing, whole, lost_legs),
    )


def standing(
    found: Assessed, sought: Bools, policies: PolicyColumns = POLICY_COLUMNS
) -> tuple[Standing, Ints]:
    """Return a part's positions that may have to pay in the sought markets, and their legs."""
    at = found.at
    return standing_of(at.batch, at.assessment, ~at.whole, sought, policies)


def _put_back(shocked: Batch, due: Bools, stepped: Stepped, legs: Ints) -> tuple[Batch, Ints]:
    """Return the batch with the pools that were stepped as they are now, and the legs it has."""
    pools, rest = np.flatnonzero(due), np.flatnonzero(~due[shocked.legs.pool])
    held = np.flatnonzero(~due[shocked.holdings.pool])
    small = stepped.batch
    batch = replace(
        shocked,
        legs=joined_rows(
            taken_rows(shocked.legs, rest), replace(small.legs, pool=pools[small.legs.pool])
        ),
        holdings=joined_rows(
            taken_rows(shocked.holdings, held),
            replace(small.holdings, pool=pools[small.holdings.pool]),
        ),
    )
    return batch, np.concatenate((rest, legs[stepped.rows]))


def _closed_legs(
    part: Part, seen: Assessment, stepped: Stepped, legs: Ints, fills: Fills
) -> ClosedLegs:
    """Return what is closed of the legs that are due, by steps and at the end."""
    given = part.batch.legs
    contracts, left = stepped.closed.copy(), stepped.batch.legs
    contracts[stepped.rows] += np.where(stepped.whole[left.pool], np.abs(left.contracts), 0.0)
    some = contracts > 0.0
    legs, contracts = legs[some], contracts[some]
    share = contracts / np.abs(given.contracts[legs])
    mark = seen.legs.mark[legs]
    return ClosedLegs(
        leg=part.rows[legs],
        pool=given.pool[legs],
        market=given.market[legs],
        contracts=np.copysign(contracts, given.contracts[legs]),
        notional=seen.legs.notional[legs] * share,
        worth=seen.legs.notional[legs] * share * seen.legs.settle_price[legs],
        beyond=np.minimum(fills.beyond[legs], seen.legs.notional[legs] * share),
        mark=mark,
        fill=mark * fills.factor[legs],
    )


def _closed_pools(seen: Assessment, stepped: Stepped, pools: Ints, legs: ClosedLegs) -> ClosedPools:
    notional = sums_by(legs.pool, legs.worth, len(seen.pools.level))
    return ClosedPools(
        pool=pools,
        whole=stepped.whole,
        level=seen.pools.level[pools],
        equity=seen.pools.equity[pools],
        maintenance=seen.pools.maintenance_margin[pools],
        notional=notional[pools],
        steps=stepped.steps,
        step_fees=stepped.fees,
        step_pnl=stepped.realised,
    )
