"""What an evaluation went by that is old or wild, and what it lacked."""

from collections.abc import Iterator

import numpy as np

from service.risk.columns import Floats, sums_by
from service.risk.health.findings import Action, Examined, Rule
from service.risk.quality import Quality


def market_rules(examined: Examined) -> Iterator[Rule]:
    """Return positions in a market that is beyond the limit of a band; only being out of it clears
    that, or the market's coming back, which nobody here brings about."""
    condition = examined.inputs.condition
    bands = condition.bands
    close: dict[Action, Floats] = {"reduce": np.abs(examined.batch.legs.contracts)}
    for code, measured, limit in (
        ("market_volatile", condition.annual, bands.volatility),
        ("market_diverged", np.abs(condition.divergence), bands.divergence),
    ):
        if limit > 0.0:
            yield Rule(code, measured > limit, measured, limit, "ratio", close)


def mark_rules(examined: Examined) -> Iterator[Rule]:
    """Return positions with an old mark, without one, or in a contract that nobody listed.

    A mark that came with the position is as old as the call. A pool is unpriced by its collateral
    when its positions lack nothing.
    """
    batch, inputs = examined.batch, examined.inputs
    market, pools = batch.legs.market, examined.assessment.pools
    missing = np.isnan(examined.assessment.legs.mark)
    unlisted = batch.markets.table[market] < 0
    streamed = np.isnan(batch.legs.mark) & ~missing
    limit = examined.limits.mark_age_max_ms
    old = (batch.markets.quality[market] == Quality.STALE) | (inputs.mark_age_ms > limit)
    nothing = np.full(len(market), np.nan)
    post: dict[Action, Floats] = {"post_mark": nothing}
    age = inputs.mark_age_ms
    yield Rule("mark_stale", streamed & old, age, limit, "milliseconds", post)
    yield Rule("mark_missing", missing, nothing, np.nan, "none", post)
    yield Rule("instrument_missing", unlisted, nothing, np.nan, "none", {"put_instrument": nothing})
    lacking = (missing | unlisted).astype(np.float64)
    complete = sums_by(batch.legs.pool, lacking, len(pools.unpriced)) == 0.0
    nobody = np.full(len(complete), np.nan)
    yield Rule(
        "collateral_unpriced",
        pools.unpriced & complete,
        nobody,
        np.nan,
        "none",
        {"price_collateral": nobody},
        by_pool=True,
    )
