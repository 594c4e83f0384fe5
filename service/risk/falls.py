"""How far a pool's equity can fall, whatever the prices of its symbols become.

With each symbol's price equity moves along a line, so the worst is at an end of it: at nothing, or
without bound. Compiled, pool by pool and group by group (see `groups`).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from service.risk.columns import Batch, Bools, Floats
from service.risk.compiled import called, compiled, inlined
from service.risk.groups import begin, gather, look_into_coins, rest_of
from service.risk.margin import Assessment
from service.risk.rows import Records
from service.risk.searches import HELD, Columns, Scratch, columns_of, scratch_of


@dataclass(slots=True)
class Falls:
    """From the marks, a row a pool, in its money; 0 where it is unpriced."""

    most: Floats  # inf: without bound
    unsolved: Bools  # one symbol's worth hangs on the price of another


class FallColumns(NamedTuple):
    """The columns of `Falls`, as compiled code writes them."""

    most: Floats
    unsolved: Bools


def worst_falls(batch: Batch, assessment: Assessment) -> Falls:
    """Return how far the equity of every pool can fall."""
    found = no_falls(len(batch.pools.rule))
    find_falls(columns_of(batch, assessment), scratch_of(batch), found)
    return Falls(*found)


def no_falls(pools: int) -> FallColumns:
    """Return room for so many pools, each without a fall."""
    return FallColumns(np.zeros(pools), np.zeros(pools, np.bool_))


@compiled
def find_falls(columns: Columns, scratch: Scratch, found: FallColumns) -> None:
    begin(columns, scratch)
    for pool in range(len(columns.wallet)):
        if not columns.unpriced[pool]:
            put_fall(columns, scratch, found, pool, gather(columns, scratch, pool))


@inlined
def put_fall(columns: Columns, scratch: Scratch, found: FallColumns, pool: int, count: int) -> None:
    """Fill in how far a priced pool that stands in so many groups can fall."""
    if columns.multi[pool]:
        look_into_coins(columns, scratch, pool, count)
        found.unsolved[pool] = _entangled(columns, scratch, count)
    for index in range(count):
        group = scratch.groups[index]
        found.most[pool] += _fall(group, scratch.members[group.first : group.end])
        found.unsolved[pool] |= group.unsolved


@called
def _fall(group: Any, legs: Records) -> float:
    """Return what is lost at the worse end of a group's price; 0 or less is a gain."""
    moving = rest_of(group, 0.0, group.pnl_moving).moving
    slope = 0.0
    for index in range(len(legs)):
        slope += legs[index].side * legs[index].notional * legs[index].weight
    # In its coin a line in 1 / price; times the coin's price a line in the price.
    if group.coin:
        slope = group.pnl - slope
    if group.coin or not group.inverse:
        slope += moving
    return np.inf if slope < 0.0 else slope


@inlined
def _entangled(columns: Columns, scratch: Scratch, count: int) -> bool:
    """Whether another symbol of the pool has one's base, or the base that it settles in."""
    groups, in_asset = scratch.groups, scratch.in_asset
    for index in range(count):
        in_asset[columns.base[groups[index].market], HELD] += 1.0
    entangled = False
    for index in range(count):
        base, settle = columns.base[groups[index].market], columns.settle[groups[index].market]
        entangled |= in_asset[base, HELD] != 1.0
        entangled |= settle != base and in_asset[settle, HELD] > 0.0
    for index in range(count):
        in_asset[columns.base[groups[index].market], HELD] = 0.0
    return entangled
