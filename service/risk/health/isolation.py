"""Cross where isolated would bound the loss: both are worked out side by side.

A cross position can lose all its pool has; isolated, at the leverage it has, its own equity. What
hedges something in its pool is left alone: apart, both sides would be weaker.
"""

import numpy as np

from service.risk.columns import Batch, Bools, Floats, Holdings, Ints, Legs, Pools
from service.risk.evaluate import assess, prices
from service.risk.health.findings import Examined, Rule
from service.risk.model import Level


def isolation_rule(examined: Examined) -> Rule:
    """Flag cross positions whose pool puts several times at stake what they need alone.

    Only where the position would stand alone and the rest of the pool without it.
    """
    batch, legs = examined.batch, examined.assessment.legs
    pools, limit = examined.assessment.pools, examined.limits.bound_factor_max
    pool, settle_price = batch.legs.pool, legs.settle_price
    wanted = ~batch.pools.isolated[pool] & ~pools.unpriced[pool] & ~_hedged(batch)
    rows = np.flatnonzero(wanted)
    alone = _alone(batch, rows)
    found = assess(alone)
    equity, margin, liquidation = (np.full(len(pool), np.nan) for _ in range(3))
    equity[rows], margin[rows] = found.pools.equity, found.pools.wallet
    liquidation[rows] = prices(alone, found).liquidation
    stands = np.zeros(len(pool), np.bool_)
    stands[rows] = (found.pools.level < Level.LIQUIDATION) & (found.pools.equity > 0.0)
    others = pools.maintenance_margin[pool] - legs.maintenance_margin * settle_price
    rest_stands = pools.equity[pool] - equity * settle_price > others
    measured = pools.equity[pool] / (equity * settle_price)
    return Rule(
        code="isolated_would_bound_loss",
        flagged=stands & rest_stands & (measured > limit),
        measured=measured,
        limit=limit,
        unit="ratio",
        changes={"isolate": margin},
        figures={
            "crossMaxLoss": pools.equity[pool],
            "isolatedMaxLoss": equity * settle_price,
            "crossLiquidationPrice": examined.prices.liquidation,
            "isolatedLiquidationPrice": liquidation,
        },
    )


def _hedged(batch: Batch) -> Bools:
    """Whether the pool holds the same coin on the other side too, by leg."""
    coins = batch.legs.pool * (len(batch.asset_price) + 1) + batch.markets.base[batch.legs.market]
    known, coin = np.unique(coins, return_inverse=True)
    longs = np.bincount(coin, batch.legs.contracts > 0.0, len(known))
    shorts = np.bincount(coin, batch.legs.contracts < 0.0, len(known))
    hedged: Bools = ((longs > 0.0) & (shorts > 0.0))[coin]
    return hedged


def _alone(batch: Batch, rows: Ints) -> Batch:
    """Return each of these legs as an isolated position, with the margin its leverage gives."""
    legs, pools = batch.legs, batch.pools
    pool = legs.pool[rows]
    none = np.zeros(0, np.int64)
    empty: Floats = np.zeros(0)
    return Batch(
        markets=batch.markets,
        tables=batch.tables,
        asset_price=batch.asset_price,
        pools=Pools(
            account=pools.account[pool],
            rule=pools.rule[pool],
            isolated=np.ones(len(rows), np.bool_),
            multi=np.zeros(len(rows), np.bool_),
            settle=batch.markets.settle[legs.market[rows]],
            warning=pools.warning[pool],
            margin_call=pools.margin_call[pool],
            hysteresis=pools.hysteresis[pool],
            ease_after_ms=pools.ease_after_ms[pool],
            repeat_every_ms=pools.repeat_every_ms[pool],
            repeat_until_acknowledged=pools.repeat_until_acknowledged[pool],
        ),
        legs=Legs(
            pool=np.arange(len(rows)),
            market=legs.market[rows],
            contracts=legs.contracts[rows],
            contract_size=legs.contract_size[rows],
            entry_price=legs.entry_price[rows],
            leverage=legs.leverage[rows],
            margin=np.full(len(rows), np.nan),
            mark=legs.mark[rows],
        ),
        holdings=Holdings(none, none, empty, empty, empty),
    )
