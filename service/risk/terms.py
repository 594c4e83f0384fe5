"""What a pool's evaluation starts from, written beside it: terms that no mark changes.

`legs.LegTerms` says what they are; here they are kept, so that a tick need not ask again. They
hold until the account or a contract's terms change.
"""

import numpy as np

from service.risk.columns import Batch, Bools, Floats, Ints, sums_by
from service.risk.legs import LegTerms
from service.risk.margin import assess
from service.risk.market_rows import LARGEST, SMALLEST
from service.risk.rows import ISOLATED, REPEATED, SIMPLE, STRICT, LegColumns, PoolColumns
from service.risk.venues import RULE_COLUMNS


def write_terms(
    pools: PoolColumns, legs: LegColumns, slots: Ints, rows: Ints, batch: Batch
) -> None:
    """Write the terms of the pools that `batch` has been made of, and of their legs' rows."""
    terms = assess(batch).terms
    with np.errstate(all="ignore"):  # what is missing is NaN, and its pool is not SIMPLE
        wallet = sums_by(batch.holdings.pool, batch.holdings.amount, len(slots))
        wallet += sums_by(batch.legs.pool, terms.margin, len(slots))
        legs.size[rows], legs.fixed_fee[rows] = terms.size, terms.fixed_fee
        pools.wallet[slots] = wallet
        traits = np.where(_simple(batch, terms, wallet), SIMPLE, 0)
    traits |= np.where(batch.pools.isolated, ISOLATED, 0)
    traits |= np.where(RULE_COLUMNS.strict[batch.pools.rule], STRICT, 0)
    traits |= np.where(_repeated(batch), REPEATED, 0)
    pools.traits[slots] = traits


def _simple(batch: Batch, terms: LegTerms, wallet: Floats) -> Bools:
    many, legs = len(wallet), batch.legs
    tame = np.abs(terms.fixed_fee) <= LARGEST
    for factor in (terms.size, legs.contracts, legs.entry_price, terms.leverage):
        tame &= (np.abs(factor) >= SMALLEST) & (np.abs(factor) <= LARGEST)
    wild = sums_by(legs.pool, (~tame).astype(np.float64), many) > 0.0
    one_asset = ~batch.pools.multi & (np.bincount(batch.holdings.pool, minlength=many) <= 1)
    simple: Bools = one_asset & ~wild & (np.abs(wallet) <= LARGEST)
    return simple


def _repeated(batch: Batch) -> Bools:
    """Whether a pool has two legs in one market, by pool."""
    pairs = np.sort(batch.legs.pool * len(batch.markets.mark) + batch.legs.market)
    twice = pairs[1:][np.diff(pairs) == 0] // max(1, len(batch.markets.mark))
    repeated = np.zeros(len(batch.pools.rule), np.bool_)
    repeated[twice] = True
    return repeated
