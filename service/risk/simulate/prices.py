"""Every price at a step of a scenario, by the names of markets and coins."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from service.risk.columns import Batch, Floats
from service.risk.markets import MarketTable
from service.risk.reports import Key
from service.risk.simulate.scenario import Shock
from service.risk.symbols import STABLE_QUOTES, base_of

Pushes = Mapping[str, float]  # by symbol: what liquidations have added to ln(price)


@dataclass(frozen=True, slots=True)
class Prices:
    """What becomes of a batch's prices; each is > 0, or NaN."""

    mark: Floats  # a market; NaN: it goes by its factor
    factor: Floats  # a market
    coin: Floats  # an asset, a factor of its price


def prices_at(batch: Batch, table: MarketTable, shock: Shock, pushes: Pushes) -> Prices:
    """Return the prices of a step; `table` numbered the batch's markets and assets."""
    markets = [table.market_key(row) for row in range(len(batch.markets.mark))]
    push = np.array([math.exp(pushes.get(symbol, 0.0)) for _, symbol in markets])
    mark = np.array([shock.marks.get(symbol, math.nan) for _, symbol in markets])
    listed = batch.markets.table >= 0
    moved = [1.0 + shock.pct.get(symbol, math.nan) / 100.0 for _, symbol in markets]
    with_all = np.where(listed, 1.0 + shock.all_pct / 100.0, 1.0)
    factor = np.where(np.isnan(moved), with_all, moved)
    keys = [table.asset_key(number) for number in range(len(batch.asset_price))]
    coin_factor = partial(
        _coin_factor,
        leaders=_leaders(shock, pushes),
        pegged=table.pegged,
        before=dict(zip(markets, batch.markets.mark.tolist(), strict=True)),
        shock=shock,
        pushes=pushes,
    )
    coin = list(map(coin_factor, keys))
    return Prices(mark * push, factor * push, np.array(coin))


def _leaders(shock: Shock, pushes: Pushes) -> dict[str, str]:
    """Return by coin the symbol that it goes with."""
    named: Iterable[str] = {*shock.pct, *shock.marks, *pushes}
    return {base_of(symbol): symbol for symbol in sorted(named, reverse=True)}


def _coin_factor(
    key: Key,
    *,
    leaders: Mapping[str, str],
    pegged: Collection[str],
    before: Mapping[Key, float],
    shock: Shock,
    pushes: Pushes,
) -> float:
    """Return what a coin's price is times; 1 where the mark it goes with was not known before."""
    venue, name = key
    symbol = leaders.get(name)
    stands = name in pegged or name in STABLE_QUOTES
    factor = 1.0 if stands else 1.0 + shock.all_pct / 100.0
    if symbol is None:
        return factor
    if symbol in shock.marks:
        mark = before.get((venue, symbol), math.nan)
        factor = 1.0 if math.isnan(mark) else shock.marks[symbol] / mark
    elif symbol in shock.pct:
        factor = 1.0 + shock.pct[symbol] / 100.0
    return factor * math.exp(pushes.get(symbol, 0.0))


def at_prices(batch: Batch, prices: Prices) -> Batch:
    """Return the batch at these prices."""
    markets, legs, holdings = batch.markets, batch.legs, batch.holdings
    given = np.isnan(prices.mark)
    mark = np.where(given, markets.mark * prices.factor, prices.mark)
    own = np.where(
        given[legs.market], legs.mark * prices.factor[legs.market], prices.mark[legs.market]
    )
    return replace(
        batch,
        markets=replace(markets, mark=mark),
        legs=replace(legs, mark=np.where(np.isnan(legs.mark), np.nan, own)),
        holdings=replace(holdings, price=holdings.price * prices.coin[holdings.asset]),
        asset_price=batch.asset_price * prices.coin,
    )
