"""The price that a position is closed at, over the mark, by how large it is."""

import math
from dataclasses import dataclass

import numpy as np

from service.risk.columns import Batch, Floats, Ints
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.simulate.scenario import Depth, Impact, Slippage


@dataclass(frozen=True, slots=True)
class Fills:
    """A row a leg; NaN where it is unpriced."""

    factor: Floats  # the price of the fill over the mark
    beyond: Floats  # notional that the depth does not have, in the settle asset


def fills_of(batch: Batch, assessment: Assessment, table: MarketTable, slippage: Slippage) -> Fills:
    """Return what closing each leg, all of it and alone, fills at."""
    notional, long = assessment.legs.notional, assessment.legs.size > 0.0
    fills = Fills(np.ones(len(notional)), np.zeros(len(notional)))
    if slippage == Slippage():
        return fills
    side = batch.legs.market * 2 + long
    for key in np.unique(side).tolist():
        market, is_long = divmod(key, 2)
        rows = np.flatnonzero(side == key)
        _, symbol = table.market_key(market)
        depth = (slippage.bids if is_long else slippage.asks).get(symbol)
        impact = slippage.impacts.get(symbol, slippage.others)
        if depth is not None:
            _through(depth, notional, -1.0 if is_long else 1.0, rows, fills)
        elif impact is not None:
            moved = moved_by(impact, notional[rows])
            fills.factor[rows] = np.exp(-moved if is_long else moved)
    return fills


def _through(depth: Depth, notional: Floats, direction: float, rows: Ints, fills: Fills) -> None:
    """Fill level by level: the average price of what was sold (bought) for a notional at the mark.

    The cost against the mark is a broken line in the notional, its slopes the levels' distances.
    """
    wanted = notional[rows]
    sizes = np.diff(depth.notional, prepend=0.0)
    ends = np.concatenate(([0.0], depth.notional))
    costs = np.concatenate(([0.0], np.cumsum(sizes * depth.pct / 100.0)))
    beyond = np.maximum(0.0, wanted - depth.notional[-1])
    cost = np.interp(wanted, ends, costs) + beyond * depth.pct[-1] / 100.0
    average = np.divide(cost, wanted, out=np.zeros(len(rows)), where=wanted > 0.0)
    fills.factor[rows] = 1.0 + direction * average
    fills.beyond[rows] = beyond


def moved_by(impact: Impact, notional: Floats) -> Floats:
    """Return by how much ln(price) moves for a notional >= 0."""
    moved: Floats = impact.coefficient * np.sqrt(notional / impact.daily_volume)
    return moved


def push_of(impact: Impact | None, net: float) -> float:
    """Return what a net notional closed (longs > 0) does to ln(price)."""
    if impact is None or net == 0.0:
        return 0.0
    moved = impact.coefficient * math.sqrt(abs(net) / impact.daily_volume)
    return -math.copysign(moved, net)
