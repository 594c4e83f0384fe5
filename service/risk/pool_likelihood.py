"""How likely is it that a whole pool is liquidated, its markets moving together; and an account.

A pool in one market is asked as its position is. With several, log returns are Brownian, jumps
counted as variance, with one correlation between any two markets. Slack (equity less maintenance)
gains `exposure` by a log return of 1. The likeliest way to lose it is along the covariance of
returns with slack; there it is a parabola S - s t + c t^2 / 2 in standard deviations t, and its
root is the distance. The probability to see it is 2 Phi(-distance): exact for one Brownian motion
up to the parabola, the first-order reliability method else. A shortfall takes a jump of one market,
the others held; markets jump alone.
"""

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from service.risk.closing import debt_most
from service.risk.columns import Batch, Floats, sums_by
from service.risk.likelihood import FOUND, MODEL, UNPRICED, UNSOLVED, Likelihood
from service.risk.margin import Assessment
from service.risk.model import Level

# By model code: as its position, or by distance.
MODELS = (MODEL, "likeliest_path_diffusion")


@dataclass(slots=True)
class PoolLikelihood:
    """One row a pool; NaN where `reason` (see `likelihood.REASONS`) is not FOUND."""

    liquidation: Floats
    shortfall: Floats
    owing: Floats
    reason: NDArray[np.int8]
    model: NDArray[np.int8]
    correlation: float
    deviation: Floats  # of slack over the horizon, in the pool's money; NaN in one market
    distance: Floats  # to slack 0, in standard deviations; NaN in one market


def pool_likelihood(
    batch: Batch, assessment: Assessment, by_leg: Likelihood, correlation: float
) -> PoolLikelihood:
    """Return the probabilities of every pool; without a position they are 0.

    `correlation` in 0..1 is between any two markets. Where collateral moves too (multi mode) a pool
    in several markets has no such line: UNSOLVED.
    """
    assert 0.0 <= correlation <= 1.0
    pools, pool = assessment.pools, batch.legs.pool
    many = len(pools.equity)
    key = pool * (len(batch.markets.mark) + 1) + batch.legs.market
    groups, first, group = np.unique(key, return_index=True, return_inverse=True)
    of = pool[first]
    several = np.bincount(of, minlength=many) > 1
    reason = np.zeros(many, np.int8)
    np.maximum.at(reason, pool, by_leg.reason)
    reason[several & batch.pools.multi] = UNSOLVED
    reason[pools.unpriced] = UNPRICED
    markets = _Markets(
        pool=of,
        exposure=sums_by(group, _exposures(batch, assessment), len(groups)),
        deviation=by_leg.volatility.total_per_sqrt_s[first] * sqrt(by_leg.horizon_s),
        bent=np.where(assessment.terms.linear[first], 1.0, -1.0),
    )
    deviation, distance = _distance(assessment, markets, correlation)
    liquidation = _any_of(by_leg.liquidation[first], of, many)
    liquidation = np.where(several, _first_seen(assessment, distance), liquidation)
    shortfall = np.minimum(_any_of(by_leg.shortfall[first], of, many), liquidation)
    shortfall = np.where(pools.open & (pools.equity < 0.0), 1.0, shortfall)
    known = reason == FOUND
    protected = debt_most(batch, assessment) <= 0.0
    return PoolLikelihood(
        liquidation=np.where(known, liquidation, np.nan),
        shortfall=np.where(known, shortfall, np.nan),
        owing=np.where(known, np.where(protected, 0.0, shortfall), np.nan),
        reason=reason,
        model=several.astype(np.int8),
        correlation=correlation,
        deviation=np.where(several, deviation, np.nan),
        distance=np.where(several, distance, np.nan),
    )


def account_bounds(batch: Batch, probability: Floats, accounts: int) -> tuple[Floats, Floats]:
    """Return what the probability that any of an account's pools is hit is at least and at most.

    Whatever ties the pools together: at least the largest of theirs, at most their sum. An account
    with an unknown pool has NaN; one without pools 0.
    """
    least, account = np.zeros(accounts), batch.pools.account
    with np.errstate(invalid="ignore"):  # an unknown pool is NaN
        np.maximum.at(least, account, probability)
    return least, np.minimum(1.0, sums_by(account, probability, accounts))


def _exposures(batch: Batch, assessment: Assessment) -> Floats:
    """Return what a leg adds to slack by a log return of 1, in its pool's money."""
    legs, terms, tables = assessment.legs, assessment.terms, batch.tables
    rate = tables.rate.reshape(-1)[legs.tier] + terms.fee_rate
    rate -= tables.rebate.reshape(-1)[legs.tier] / np.abs(batch.legs.contracts)
    rate = np.where(terms.on_entry, 0.0, rate) * np.where(terms.linear, 1.0, -1.0)
    return (np.sign(legs.size) - rate) * legs.notional * legs.settle_price


@dataclass(frozen=True, slots=True)
class _Markets:
    """One row a market of a pool."""

    pool: NDArray[np.int64]
    exposure: Floats
    deviation: Floats  # of log price over the horizon
    bent: Floats  # a value in proportion to the price is bent up, to 1 / price down


def _distance(
    assessment: Assessment, markets: _Markets, correlation: float
) -> tuple[Floats, Floats]:
    """Return slack's deviation over the horizon, and how many of them away 0 is; inf: never."""
    pools, pool = assessment.pools, markets.pool
    many = len(pools.equity)
    moved = markets.exposure * markets.deviation
    total = sums_by(pool, moved, many)
    variance = (1.0 - correlation) * sums_by(pool, moved**2, many) + correlation * total**2
    deviation = np.sqrt(variance)
    with np.errstate(all="ignore"):  # a pool that does not move
        path = (1.0 - correlation) * moved + correlation * total[pool]
        path *= markets.deviation / deviation[pool]
        bent = sums_by(pool, markets.bent * markets.exposure * path**2, many)
        slack = pools.equity - pools.maintenance_margin
        distance = 2.0 * slack / (deviation + np.sqrt(variance - 2.0 * bent * slack))
    return deviation, np.where(np.isnan(distance) | (deviation == 0.0), np.inf, distance)


def _any_of(probability: Floats, pool: NDArray[np.int64], many: int) -> Floats:
    """Return the probability of any of a pool's markets, each by itself."""
    none = np.ones(many)
    np.multiply.at(none, pool, 1.0 - probability)
    return 1.0 - none


def _first_seen(assessment: Assessment, distance: Floats) -> Floats:
    """Return 2 Phi(-distance); 1 where the pool is to be liquidated already."""
    seen = np.array([erfc(max(one, 0.0) / sqrt(2.0)) for one in distance.tolist()])
    return np.where(assessment.pools.level >= Level.LIQUIDATION, 1.0, seen)
