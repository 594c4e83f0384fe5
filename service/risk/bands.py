"""Bands of the pools whose level `evaluate` alone can tell.

What is not a sum of one straight line a market gets no band: a pool over several assets (a price
times a price), a pool with something missing, numbers near the ends of what a float can hold. It is
due at every mark; but a pool that waits for a mark or for terms waits for those alone. All others
have safe bands, see `service.monitor.kernels`.
"""

import numpy as np

from service.risk.columns import Batch, Floats, sums_by


def plain_bands(batch: Batch) -> tuple[Floats, Floats]:
    """Return (low, high) by leg of the batch; low = +inf, high = -inf: due at every mark."""
    pool, market, many = batch.legs.pool, batch.legs.market, len(batch.pools.rule)
    missing = np.isnan(batch.markets.mark[market]) | (batch.markets.table[market] < 0)
    waits = (sums_by(pool, missing.astype(np.float64), many) > 0.0) & ~batch.pools.multi
    idle = waits[pool] & ~missing
    return np.where(idle, 0.0, np.inf), np.where(idle, np.inf, -np.inf)
