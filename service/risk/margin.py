"""Notional, PnL, requirements and equity over columns: what other figures are made of.

One compiled pass over the legs, see `legs`, and one over the pools that they add up to. What misses
a mark, an instrument or a price is NaN and flagged unpriced, never 0.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.risk.by_pool import order_by_pool
from service.risk.columns import Batch, Bools, Floats, Int8s, Ints
from service.risk.compiled import Direct, compiled, inlined
from service.risk.legs import (
    AtMark,
    Given,
    LegTerms,
    given_of,
    holding_worth,
    put_figures,
    put_terms,
)
from service.risk.levels import LevelTable, table_level
from service.risk.quality import GOOD
from service.risk.venues import RULE_COLUMNS

_STRICT = RULE_COLUMNS.strict
_GOOD, _ALL = map(int, GOOD)


@dataclass(slots=True)
class LegFigures:
    """Every figure of a leg at its mark; NaN where it is unpriced (sizes and terms stay known)."""

    mark: Floats
    size: Floats
    notional: Floats
    unrealised_pnl: Floats
    initial_margin: Floats
    maintenance_margin: Floats
    margin: Floats
    settle_price: Floats  # USD in multi pools, else 1
    leverage: Floats
    tier: Ints  # flat index into the tables
    unpriced: Bools


@dataclass(slots=True)
class PoolFigures:
    """Every figure of a pool; money and ratio are NaN where it is unpriced."""

    wallet: Floats
    unrealised_pnl: Floats
    equity: Floats
    initial_margin: Floats
    maintenance_margin: Floats
    margin_ratio: Floats  # NaN where equity <= 0
    level: NDArray[np.int8]  # by the table alone: no hysteresis, whatever the marks' quality
    open: Bools  # it has a position
    unpriced: Bools
    quality: Int8s  # of the marks it goes by the worst
    most: Int8s  # the highest level that all of them raise it to


@dataclass(slots=True)
class Assessment:
    """The outcome of one pass over a batch."""

    pools: PoolFigures
    legs: LegFigures
    terms: LegTerms
    worth: Floats  # of each holding, in its pool's money


class Sums(NamedTuple):
    """The columns of `PoolFigures`, as compiled code reads them."""

    wallet: Floats
    unrealised_pnl: Floats
    equity: Floats
    initial_margin: Floats
    maintenance_margin: Floats
    margin_ratio: Floats
    level: Int8s
    open: Bools
    unpriced: Bools
    quality: Int8s
    most: Int8s


class _Held(NamedTuple):
    """Holdings: what they count for, and their rows pool by pool."""

    worth: Floats
    rows: Ints
    first: Ints  # into `rows`, by pool; one more than there are pools


def assess(batch: Batch) -> Assessment:
    """Return every figure of every pool and leg at the batch's marks, and the table's levels."""
    rows, pools, held = len(batch.legs.pool), len(batch.pools.rule), len(batch.holdings.pool)
    terms = _empty_terms(rows)
    legs, sums = _empty_legs(rows), _zero_pools(pools)
    holdings = _Held(np.empty(held), np.empty(held, np.int64), np.empty(pools + 1, np.int64))
    _assess(given_of(batch), terms, legs, sums, holdings)
    figures = LegFigures(
        mark=legs.mark,
        size=terms.size,
        notional=legs.notional,
        unrealised_pnl=legs.unrealised_pnl,
        initial_margin=legs.initial_margin,
        maintenance_margin=legs.maintenance_margin,
        margin=terms.margin,
        settle_price=legs.settle_price,
        leverage=terms.leverage,
        tier=legs.tier,
        unpriced=legs.unpriced,
    )
    return Assessment(PoolFigures(*sums), figures, terms, holdings.worth)


def sums_of(pools: PoolFigures) -> Sums:
    """Return the figures of pools as compiled code reads them."""
    return Sums(
        pools.wallet,
        pools.unrealised_pnl,
        pools.equity,
        pools.initial_margin,
        pools.maintenance_margin,
        pools.margin_ratio,
        pools.level,
        pools.open,
        pools.unpriced,
        pools.quality,
        pools.most,
    )


def _empty_terms(rows: int) -> LegTerms:
    size, entry, leverage, initial, fee_rate, at_rate, at_fee, fixed, margin = np.empty((9, rows))
    linear, initial_on_entry, on_entry = np.empty((3, rows), np.bool_)
    return LegTerms(
        linear=linear,
        size=size,
        entry_notional=entry,
        leverage=leverage,
        initial_fee=initial,
        initial_on_entry=initial_on_entry,
        fee_rate=fee_rate,
        bankruptcy_fee_rate=at_rate,
        bankruptcy_fee=at_fee,
        on_entry=on_entry,
        fixed_fee=fixed,
        margin=margin,
    )


def _empty_legs(rows: int) -> AtMark:
    mark, notional, pnl, initial, maintenance, settle_price = np.empty((6, rows))
    return AtMark(
        mark=mark,
        notional=notional,
        unrealised_pnl=pnl,
        initial_margin=initial,
        maintenance_margin=maintenance,
        settle_price=settle_price,
        tier=np.empty(rows, np.int64),
        unpriced=np.empty(rows, np.bool_),
    )


def _zero_pools(pools: int) -> Sums:
    wallet, pnl, equity, initial, maintenance, ratio = np.zeros((6, pools))
    open_, unpriced = np.zeros((2, pools), np.bool_)
    level, quality, most = np.zeros((3, pools), np.int8)
    return Sums(
        wallet=wallet,
        unrealised_pnl=pnl,
        equity=equity,
        initial_margin=initial,
        maintenance_margin=maintenance,
        margin_ratio=ratio,
        level=level,
        open=open_,
        unpriced=unpriced,
        quality=quality,
        most=most,
    )


@Direct
@compiled
def _assess(given: Given, terms: LegTerms, legs: AtMark, pools: Sums, held: _Held) -> None:
    """Write all figures; the columns of `pools` are zero."""
    order_by_pool(given.holder, held.rows, held.first)
    for pool in range(len(pools.wallet)):
        pools.quality[pool], pools.most[pool] = _GOOD, _ALL
    for row in range(len(given.holder)):
        held.worth[row] = holding_worth(given, row)
        pools.wallet[given.holder[row]] += held.worth[row]
    for row in range(len(given.pool)):
        put_terms(given, terms, row)
        put_figures(given, terms, legs, row, _settle_price(given, held, row))
        _add_up(given, terms, legs, pools, row)
    for pool in range(len(pools.wallet)):
        _sum_up(given, pools, pool)


@inlined
def least(value: float, other: float) -> float:
    """Return the smaller of two; NaN where one of them is."""
    return value if np.isnan(value) or value < other else other


@inlined
def above_nothing(value: float) -> float:
    """Return a value that is above 0, else 0; NaN where it is NaN."""
    return 0.0 if value <= 0.0 else value


@inlined
def _settle_price(given: Given, held: _Held, row: int) -> float:
    """What a unit of a leg's settle asset is in its pool's money; NaN where nobody says.

    Where the market does not, the pool's own balance may.
    """
    pool, asset = given.pool[row], given.settle[given.market[row]]
    if not given.multi[pool]:
        return 1.0
    price: float = given.asset_price[asset]
    index = held.first[pool]
    while np.isnan(price) and index < held.first[pool + 1]:
        if given.asset[held.rows[index]] == asset:
            price = given.price[held.rows[index]]
        index += 1
    return price


@inlined
def _add_up(given: Given, terms: LegTerms, legs: AtMark, pools: Sums, row: int) -> None:
    """Add a leg to its pool."""
    pool, price = given.pool[row], legs.settle_price[row]
    pools.open[pool] = True
    if np.isnan(given.mark[row]):
        market = given.market[row]
        pools.quality[pool] = max(pools.quality[pool], given.market_quality[market])
        pools.most[pool] = min(pools.most[pool], given.market_most[market])
    pools.wallet[pool] += terms.margin[row]
    pools.unrealised_pnl[pool] += legs.unrealised_pnl[row] * price
    pools.initial_margin[pool] += legs.initial_margin[row] * price
    pools.maintenance_margin[pool] += legs.maintenance_margin[row] * price


@inlined
def _sum_up(given: Given, pools: Sums, pool: int) -> None:
    """Write what follows from a pool's sums."""
    equity = pools.wallet[pool] + pools.unrealised_pnl[pool]
    maintenance = pools.maintenance_margin[pool]
    unpriced = not np.isfinite(equity + pools.initial_margin[pool] + maintenance)
    pools.equity[pool], pools.unpriced[pool] = equity, unpriced
    pools.margin_ratio[pool] = maintenance / equity if equity > 0.0 else np.nan
    pools.level[pool] = table_level(
        equity,
        maintenance,
        pools.open[pool],
        unpriced,
        LevelTable(given.warning[pool], given.margin_call[pool], _STRICT[given.rule[pool]]),
    )


def margin_ratio(maintenance_margin: Floats, equity: Floats) -> Floats:
    """Return maintenance over equity, 1 at the liquidation line; NaN where equity <= 0."""
    ratio = np.full_like(equity, np.nan)
    np.divide(maintenance_margin, equity, out=ratio, where=equity > 0.0)
    return ratio
