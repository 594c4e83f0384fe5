"""Who would pay after a stated gap: each pool by itself, by its venue's policy alone.

All symbols of a pool jump at once, each by its part of the move, and coins held with the symbol
they are the base of. A pool that is to be liquidated then is closed whole, at the marks of then and
for the taker fee. What a fund holds and who stands in a queue nobody evaluating knows: the first of
them that the venue has is taken to pay all that is missing. `waterfall` asks how much they can.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.risk.closing import borrowed, close, taker_fees
from service.risk.columns import Batch, Bools, Floats, Ints
from service.risk.margin import Assessment, assess
from service.risk.model import Level
from service.risk.policy import NO_DELEVERAGING, POLICY_COLUMNS, PolicyColumns

KNOWN, UNPRICED, UNSOLVED = range(3)
REASONS = ("", "unpriced", "no_closed_form")  # by code; "" where there are figures


@dataclass(slots=True)
class Aftermath:
    """A row a pool, in its money; NaN with a reason where it cannot be told.

    shortfall = fund + deleveraged + socialised + owed + venue; 0 where nothing is missing.
    """

    equity: Floats  # at the marks of then
    shortfall: Floats  # with the fees for closing
    fund: Floats
    deleveraged: Floats
    socialised: Floats
    owed: Floats
    venue: Floats
    level: NDArray[np.int8]  # by the table alone
    reason: NDArray[np.int8]


def aftermath(
    batch: Batch,
    assessment: Assessment,
    factor: Floats,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Aftermath:
    """Return what is left of every pool once each leg's mark is times its factor, and who pays."""
    assert np.all(factor > 0.0)
    shocked, unsolved = _shocked(batch, assessment, factor)
    found = assess(shocked)
    closing = close(shocked, found, found.legs.mark, taker_fees(shocked))
    closed = (found.pools.level >= Level.LIQUIDATION) | (found.pools.equity < 0.0)
    shortfall = np.where(closed, np.maximum(0.0, -closing.remainder), 0.0)
    reason = np.where(unsolved, UNSOLVED, KNOWN)
    reason = np.where(found.pools.unpriced, UNPRICED, reason).astype(np.int8)
    rule, known = batch.pools.rule, reason == KNOWN
    loan = np.where(policies.loans_stay[rule], borrowed(shocked, found), 0.0)
    claimed = np.minimum(shortfall, loan)
    left = shortfall - claimed
    payer = np.where(policies.fund[rule], FUND, payer_after_fund(policies, rule))

    def paid_by(code: int) -> Floats:
        return np.where(known, np.where(payer == code, left, 0.0), np.nan)

    return Aftermath(
        equity=np.where(known, found.pools.equity, np.nan),
        shortfall=np.where(known, shortfall, np.nan),
        fund=paid_by(FUND),
        deleveraged=paid_by(QUEUE),
        socialised=paid_by(EVERYBODY),
        owed=claimed + paid_by(TRADER),
        venue=paid_by(VENUE),
        level=np.where(known, found.pools.level, Level.UNPRICED).astype(np.int8),
        reason=reason,
    )


FUND, QUEUE, EVERYBODY, TRADER, VENUE = range(5)


def payer_after_fund(policies: PolicyColumns, rule: Ints) -> Ints:
    """Return the code of who is first to pay what neither loan nor fund accounts for."""
    payer = np.where(policies.negative_balance_protection[rule], VENUE, TRADER)
    payer = np.where(policies.socialises[rule], EVERYBODY, payer)
    return np.where(policies.deleveraging[rule] != NO_DELEVERAGING, QUEUE, payer)


def _shocked(batch: Batch, assessment: Assessment, factor: Floats) -> tuple[Batch, Bools]:
    """Return the batch after the jump, and the pools where a leg settles in a coin that jumps.

    A coin's price is the whole batch's, its jump one pool's: so it is the amount that changes.
    """
    legs, holdings, multi = batch.legs, batch.holdings, batch.pools.multi
    assets, unsolved = len(batch.asset_price), np.zeros(len(multi), dtype=np.bool_)
    base = legs.pool * assets + batch.markets.base[legs.market]
    bases, first = np.unique(base, return_index=True)
    settles = legs.pool * assets + batch.markets.settle[legs.market]
    unsolved[legs.pool[multi[legs.pool] & np.isin(settles, bases)]] = True
    amount = holdings.amount
    if len(bases):
        held = holdings.pool * assets + holdings.asset
        at = np.minimum(np.searchsorted(bases, held), len(bases) - 1)
        jumps = multi[holdings.pool] & (bases[at] == held)
        amount = np.where(jumps, amount * factor[first[at]], amount)
    shocked = replace(
        batch,
        legs=replace(legs, mark=assessment.legs.mark * factor),
        holdings=replace(holdings, amount=amount),
    )
    return shocked, unsolved
