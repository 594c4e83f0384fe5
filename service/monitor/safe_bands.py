"""Compiled: how far each mark may go before anything that decides a pool's level can change.

Inside one tier equity and maintenance are straight lines in x (the price, or 1 / price of an
inverse contract), one term a market. So is g = ratio x equity - maintenance for each line of the
level table, and a level can only change where one of four g changes its sign: the lines that rise
above the level, those that hold it less the hysteresis, and equity itself. The slack |g| is shared
out over the pool's markets so that all may move by the same fraction at once, each against us;
moves the other way are free. A band also ends where the tier does, so jumps of a table, given
deductions and kinks need no care of their own. A guard far above any rounding and far below any
price step keeps evaluation and band from disagreeing: near a line a pool has no band and is due at
every mark.
"""

import numpy as np

from service.monitor.compiled import (
    EQUITY,
    FIRST,
    HIGH,
    LOW,
    MAINTENANCE,
    Columns,
    X,
)
from service.risk.columns import Floats
from service.risk.compiled import inlined
from service.risk.holders import BLOCK
from service.risk.levels import LIQUIDATION, MARGIN_CALL, WARNING
from service.risk.market_rows import LINEAR
from service.risk.rows import REPEATED

GUARD = 1e-10  # of the pool's gross size; rounding is below 1e-13 of it
EDGE = 1e-12  # relative distance kept from the border of a band


@inlined
def _gather(columns: Columns, slot: int) -> None:
    """Let legs of one market move together: the first of them stands for all."""
    pool, scratch = columns.pools[slot], columns.scratch
    for index in range(1, pool.legs):
        market = columns.legs[pool.leg + index].market
        for first in range(index):
            if columns.legs[pool.leg + first].market == market:
                scratch[first, EQUITY] += scratch[index, EQUITY]
                scratch[first, MAINTENANCE] += scratch[index, MAINTENANCE]
                scratch[first, LOW] = max(scratch[first, LOW], scratch[index, LOW])
                scratch[first, HIGH] = min(scratch[first, HIGH], scratch[index, HIGH])
                scratch[index, FIRST] = first
                scratch[index, EQUITY], scratch[index, MAINTENANCE] = 0.0, 0.0
                break


@inlined
def _room(g: float, weight: float, guard: float) -> float:
    """Return the fraction that all marks may move by at once while g keeps its sign."""
    return (abs(g) - guard) / weight


@inlined
def _narrower(
    room: tuple[float, float], slope: float, g: float, share: float
) -> tuple[float, float]:
    """Return how far x may fall and rise, as fractions, when g must keep its sign as well."""
    down, up = room
    if slope != 0.0:
        if (slope > 0.0) == (g > 0.0):
            down = min(down, share)
        else:
            up = min(up, share)
    return down, up


@inlined
def _share_out(
    scratch: Floats, legs: int, lines: tuple[float, float, float], sums: tuple[float, float, float]
) -> bool:
    """Narrow every leg's interval to where each line's g keeps its sign; False: none is proven.

    `lines` are three ratios, the fourth line is equity itself; `sums` are equity, maintenance and
    the guard.
    """
    first, second, third = lines
    equity, maintenance, guard = sums
    weight0, weight1, weight2, weight3 = 0.0, 0.0, 0.0, 0.0
    for index in range(legs):
        x, rise, more = scratch[index, X], scratch[index, EQUITY], scratch[index, MAINTENANCE]
        weight0 += abs(first * rise - more) * x
        weight1 += abs(second * rise - more) * x
        weight2 += abs(third * rise - more) * x
        weight3 += abs(rise) * x
    g0, g1 = first * equity - maintenance, second * equity - maintenance
    g2, g3 = third * equity - maintenance, equity
    share0, share1 = _room(g0, weight0, guard), _room(g1, weight1, guard)
    share2, share3 = _room(g2, weight2, guard), _room(g3, weight3, guard)
    if not (share0 > 0.0 and share1 > 0.0 and share2 > 0.0 and share3 > 0.0):
        return False
    for index in range(legs):
        x, rise, more = scratch[index, X], scratch[index, EQUITY], scratch[index, MAINTENANCE]
        room = _narrower((np.inf, np.inf), first * rise - more, g0, share0)
        room = _narrower(room, second * rise - more, g1, share1)
        room = _narrower(room, third * rise - more, g2, share2)
        down, up = _narrower(room, rise, g3, share3)
        scratch[index, LOW] = max(scratch[index, LOW], x * (1.0 - down))
        scratch[index, HIGH] = min(scratch[index, HIGH], x * (1.0 + up))
    return True


@inlined
def write_bands(
    columns: Columns, slot: int, level: int, figures: tuple[float, float, float]
) -> None:
    """Write how far the marks of the pool's legs may go while its level stays.

    `figures` are its equity, maintenance and gross size, `scratch` is as they left it.
    """
    equity, maintenance, gross = figures
    pool, scratch = columns.pools[slot], columns.scratch
    lines, legs = columns.lines[pool.lines], pool.legs
    if pool.traits & REPEATED:
        _gather(columns, slot)
    ratios = (
        lines.warning - (lines.hysteresis if level >= WARNING else 0.0),
        lines.margin_call - (lines.hysteresis if level >= MARGIN_CALL else 0.0),
        1.0 - (lines.hysteresis if level >= LIQUIDATION else 0.0),
    )
    guard = GUARD * (gross + abs(equity) + abs(maintenance))
    proven = _share_out(scratch, legs, ratios, (equity, maintenance, guard))
    for index in range(legs):
        leg, first = columns.legs[pool.leg + index], int(scratch[index, FIRST])
        low, high = scratch[first, LOW] * (1.0 + EDGE), scratch[first, HIGH] * (1.0 - EDGE)
        if not columns.markets[leg.market].traits & LINEAR:
            low, high = 1.0 / high, 1.0 / low
        if not proven:
            low, high = np.inf, -np.inf
        columns.low[leg.place], columns.high[leg.place] = low, high
        block = leg.place // BLOCK
        columns.block_low[block] = max(columns.block_low[block], low)
        columns.block_high[block] = min(columns.block_high[block], high)
