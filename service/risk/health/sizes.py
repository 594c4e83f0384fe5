"""Too large: a pool for its equity, a position for its account, one coin for all the others.

Reducing is at the mark: what it realises stays where the position was, fees not counted.
"""

from collections.abc import Iterator

import numpy as np

from service.risk.columns import Bools, Floats, sums_by
from service.risk.health.findings import SAFELY, Examined, Rule


def size_rules(examined: Examined) -> Iterator[Rule]:
    """Return what is too large, NaN and unflagged where a price is missing."""
    yield _leverage(examined)
    yield _position_share(examined)
    yield _concentration(examined)


def _leverage(examined: Examined) -> Rule:
    """Gross notional over equity; without equity it is endless, and no reduction keeps any."""
    legs, pools = examined.assessment.legs, examined.assessment.pools
    limit = examined.limits.leverage_max
    gross = sums_by(examined.batch.legs.pool, legs.notional * legs.settle_price, len(pools.equity))
    measured = _over(gross, pools.equity)
    return Rule(
        code="leverage_above_limit",
        flagged=pools.open & ~pools.unpriced & (measured > limit),
        measured=measured,
        limit=limit,
        unit="ratio",
        changes={
            "deposit": _missing(gross / limit, pools.equity),
            "reduce_pool": _part(1.0 - limit * pools.equity / gross),
        },
        by_pool=True,
    )


def _position_share(examined: Examined) -> Rule:
    """A position's initial margin over the equity of its account."""
    batch, legs, limit = examined.batch, examined.assessment.legs, examined.limits
    money = examined.in_account[batch.legs.pool]
    margin = legs.initial_margin * legs.settle_price * money
    equity = examined.equity[batch.pools.account[batch.legs.pool]]
    measured, most = _over(margin, equity), limit.position_share_max
    return Rule(
        code="position_too_large",
        flagged=measured > most,
        measured=measured,
        limit=most,
        unit="ratio",
        changes={
            "deposit": _missing(margin / most, equity) / money,
            "reduce": np.abs(batch.legs.contracts) * _part(1.0 - most * equity / margin),
        },
    )


def _concentration(examined: Examined) -> Rule:
    """Net notional in one coin over the account's gross, told of the largest position in it.

    Who has one position has nothing to spread. Reducing the heavier side H of a coin whose net is N
    by a share f leaves (N - f H) / (G - f H).
    """
    batch, limit = examined.batch, examined.limits.concentration_max
    legs = examined.assessment.legs
    account = batch.pools.account[batch.legs.pool]
    value = legs.notional * legs.settle_price * examined.in_account[batch.legs.pool]
    coins = account * (len(batch.asset_price) + 1) + batch.markets.base[batch.legs.market]
    known, coin = np.unique(coins, return_inverse=True)
    is_long = legs.size > 0.0
    longs = sums_by(coin, np.where(is_long, value, 0.0), len(known))
    shorts = sums_by(coin, np.where(is_long, 0.0, value), len(known))
    heavier = is_long == (longs >= shorts)[coin]
    net, side = np.abs(longs - shorts)[coin], np.maximum(longs, shorts)[coin]
    gross = sums_by(account, value, len(examined.equity))[account]
    several = np.bincount(account, minlength=len(examined.equity))[account] > 1
    measured = _over(net, gross)
    cut = (net - limit * gross) / (1.0 - limit)
    return Rule(
        code="concentrated",
        flagged=several & _first_of(coin, np.where(heavier, value, 0.0)) & (measured > limit),
        measured=measured,
        limit=limit,
        unit="ratio",
        changes={
            "reduce": np.where(
                cut <= value, np.abs(batch.legs.contracts) * _part(cut / value), np.nan
            ),
            "reduce_coin": _part(cut / side),
        },
    )


def _first_of(group: np.typing.NDArray[np.intp], value: Floats) -> Bools:
    """Mark the largest row of every group, the first of equals."""
    order = np.lexsort((-value, group))
    first = np.ones(len(group), np.bool_)
    first[1:] = np.diff(group[order]) != 0
    marked = np.zeros(len(group), np.bool_)
    marked[order[first]] = True
    return marked


def _over(amount: Floats, of: Floats) -> Floats:
    """Return the ratio, +inf where there is nothing to divide by."""
    return np.where(of <= 0.0, np.where(amount > 0.0, np.inf, 0.0), amount / of)


def _missing(wanted: Floats, there: Floats) -> Floats:
    return wanted - there + SAFELY * (np.abs(wanted) + np.abs(there))


def _part(share: Floats) -> Floats:
    """Return a share to close, a hair more, and at most everything."""
    return np.clip(share + SAFELY, 0.0, 1.0)
