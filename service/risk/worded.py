"""What an answer says beside figures: the worst of an account's pools, why something is null.

One call of compiled code writes all of it: for a few positions a call of NumPy takes longer than
what it does. Restoring is the last part of it, for who asks for that.
"""

from typing import NamedTuple

import numpy as np

from service.risk.by_pool import order_by_pool
from service.risk.columns import Batch, Bools, Floats, Int8s, Ints
from service.risk.compiled import Direct, compiled, inlined
from service.risk.margin import Assessment
from service.risk.quality import GOOD
from service.risk.totals import IN_USD

KNOWN, NO_EQUITY, NO_COLLATERAL_PRICE, NO_MARK, NO_INSTRUMENT = range(5)
# Why figures of a pool are null, by code; "" where they are not. What is missing first goes first.
POOL_REASONS = ("", "no_equity", "no_collateral_price", "no_mark", "no_instrument")
_GOOD = int(GOOD.quality)


class Worded(NamedTuple):
    """Codes and counts."""

    level: Int8s  # of accounts: the worst of their pools'
    quality: Int8s
    pools: Ints  # how many
    reason: Int8s  # of pools
    size: Floats  # of positions: contracts without a sign
    short: Bools
    own: Bools  # its mark is the position's own
    marked: Int8s  # the mark's quality


class Restoring(NamedTuple):
    """What restores accounts: in the currency of their totals, by positions pool by pool."""

    deposit: Floats  # of accounts
    reductions: Ints  # of accounts: how many
    of_pools: Ints
    rows: Ints  # of the positions, as many as there are reductions


class Known(NamedTuple):
    """What is known of pools before, of accounts the currency of their totals."""

    level: Int8s
    deposit: Floats
    currency: Ints
    restoring: bool  # whether that is asked: else there are no deposits


class _Read(NamedTuple):
    account: Ints  # of pools
    settle: Ints
    quality: Int8s
    equity: Floats
    unpriced: Bools
    pool: Ints  # of positions
    market: Ints
    contracts: Floats
    own_mark: Floats
    mark: Floats
    table: Ints  # of markets
    market_quality: Int8s
    asset_price: Floats


class _Sorted(NamedTuple):
    """Positions pool by pool."""

    rows: Ints
    first: Ints


def worded(batch: Batch, assessment: Assessment, known: Known) -> tuple[Worded, Restoring]:
    """Return what is said of an assessed batch."""
    accounts, pools, rows = len(known.currency), len(batch.pools.rule), len(batch.legs.pool)
    said = Worded(
        level=np.zeros(accounts, np.int8),
        quality=np.zeros(accounts, np.int8),
        pools=np.zeros(accounts, np.int64),
        reason=np.empty(pools, np.int8),
        size=np.empty(rows),
        short=np.empty(rows, np.bool_),
        own=np.empty(rows, np.bool_),
        marked=np.empty(rows, np.int8),
    )
    needed = Restoring(
        np.zeros(accounts),
        np.zeros(accounts, np.int64),
        np.zeros(pools, np.int64),
        np.empty(rows, np.int64),
    )
    by_pool = _Sorted(np.empty(rows, np.int64), np.empty(pools + 1, np.int64))
    count = _write(_read(batch, assessment), known, by_pool, said, needed)
    return said, needed._replace(rows=needed.rows[:count])


def _read(batch: Batch, assessment: Assessment) -> _Read:
    pools, legs, markets = batch.pools, batch.legs, batch.markets
    return _Read(
        pools.account,
        pools.settle,
        assessment.pools.quality,
        assessment.pools.equity,
        assessment.pools.unpriced,
        legs.pool,
        legs.market,
        legs.contracts,
        legs.mark,
        assessment.legs.mark,
        markets.table,
        markets.quality,
        batch.asset_price,
    )


@Direct
@compiled
def _write(read: _Read, known: Known, by_pool: _Sorted, said: Worded, needed: Restoring) -> int:
    """Write everything; return how many reductions there are."""
    for pool in range(len(read.account)):
        account, unpriced = read.account[pool], read.unpriced[pool]
        said.level[account] = max(said.level[account], known.level[pool])
        said.quality[account] = max(said.quality[account], read.quality[pool])
        said.pools[account] += 1
        reason = NO_EQUITY if read.equity[pool] <= 0.0 else KNOWN
        said.reason[pool] = NO_COLLATERAL_PRICE if unpriced else reason
    for row in range(len(read.pool)):
        _put_position(read, said, row)
    return _restore(read, known, by_pool, needed) if known.restoring else 0


@inlined
def _put_position(read: _Read, said: Worded, row: int) -> None:
    pool, market = read.pool[row], read.market[row]
    contracts, own = read.contracts[row], not np.isnan(read.own_mark[row])
    said.size[row], said.short[row], said.own[row] = abs(contracts), contracts < 0.0, own
    said.marked[row] = _GOOD if own else read.market_quality[market]
    if np.isnan(read.mark[row]):
        said.reason[pool] = max(said.reason[pool], NO_MARK)
    if read.table[market] < 0:
        said.reason[pool] = NO_INSTRUMENT


@inlined
def _restore(read: _Read, known: Known, by_pool: _Sorted, needed: Restoring) -> int:
    order_by_pool(read.pool, by_pool.rows, by_pool.first)
    count = 0
    for pool in range(len(read.account)):
        account, deposit = read.account[pool], known.deposit[pool]
        if deposit == 0.0:
            continue
        in_usd = known.currency[account] == IN_USD
        needed.deposit[account] += deposit * (
            read.asset_price[read.settle[pool]] if in_usd else 1.0
        )
        if not deposit > 0.0:  # not known
            continue
        first, end = by_pool.first[pool], by_pool.first[pool + 1]
        needed.of_pools[pool] = end - first
        needed.reductions[account] += end - first
        for index in range(first, end):
            needed.rows[count] = by_pool.rows[index]
            count += 1
    return count
