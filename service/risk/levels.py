"""The level of a pool: the lines, what a fall waits for, what a doubtful mark may not say.

Every comparison is maintenance >= line x equity, never a division, so nothing blows up at equity 0.
Functions work on columns, one row a pool, but for the table itself, which compiled code goes by;
levels are `model.Level` as int8.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Bools, Floats, Ints
from service.risk.compiled import Direct, compiled, inlined
from service.risk.model import Level

Levels = NDArray[np.int8]

HEALTHY, UNPRICED, WARNING, MARGIN_CALL, LIQUIDATION, BANKRUPT = map(int, Level)
NOT_PENDING = -1  # in `pending_since`: no fall is waiting


class LevelTable(NamedTuple):
    """The lines of one pool."""

    warning: float
    margin_call: float
    strict: bool  # liquidated at maintenance > equity, not at equality


@inlined
def table_level(
    equity: float, maintenance: float, open_: bool, unpriced: bool, table: LevelTable
) -> int:
    """Return a pool's level by the table: the first row that holds, from the top.

    No position, or nothing required and nothing lost: HEALTHY. Something missing: UNPRICED. Then
    equity below 0, the liquidation line (at equality unless `strict`), and the account's own lines.
    """
    if not open_ or (maintenance == 0.0 and equity >= 0.0):
        return HEALTHY
    if unpriced:
        return UNPRICED
    if equity < 0.0:
        return BANKRUPT
    if maintenance > equity or (maintenance == equity and not table.strict):
        return LIQUIDATION
    if maintenance >= table.margin_call * equity:
        return MARGIN_CALL
    return WARNING if maintenance >= table.warning * equity else HEALTHY


def _nothing_at_stake(equity: Floats, maintenance: Floats) -> Bools:
    nothing: Bools = (maintenance == 0.0) & (equity >= 0.0)
    return nothing


def next_level(
    table: Levels,
    current: Levels,
    equity: Floats,
    maintenance: Floats,
    *,
    open_: Bools,
    unpriced: Bools,
    warning: Floats,
    margin_call: Floats,
    hysteresis: Floats,
) -> Levels:
    """Return where a pool is heading: the table's level, or a lower line than that still held.

    A level not above the current one is held while the ratio is at or above its line less the
    hysteresis. BANKRUPT's line has none. An unpriced pool holds nothing: its ratio is unknown.
    """
    held = np.full(len(table), Level.HEALTHY, dtype=np.int8)
    lines = (
        (Level.WARNING, warning - hysteresis),
        (Level.MARGIN_CALL, margin_call - hysteresis),
        (Level.LIQUIDATION, 1.0 - hysteresis),
    )
    for level, line in lines:
        held[(current >= level) & (maintenance >= line * equity)] = level
    held[(current >= Level.BANKRUPT) & (equity < 0.0)] = Level.BANKRUPT
    held[~open_ | unpriced | _nothing_at_stake(equity, maintenance)] = Level.HEALTHY
    return np.maximum(table, held)


def held_back(level: Levels, current: Levels, most: Levels) -> Levels:
    """Return the level without a rise beyond `most`, which is all that the marks allow.

    Where a pool is it may stay. UNPRICED is no word of the marks: it is not held back.
    """
    if _least_allowed(most) == BANKRUPT:  # as nearly always: marks that allow everything
        return level.copy()
    standing = np.where(current == UNPRICED, np.int8(HEALTHY), current)
    allowed = np.minimum(level, np.maximum(standing, most))
    return np.where(level == UNPRICED, level, allowed)


@Direct
@compiled
def _least_allowed(most: Levels) -> int:
    least = BANKRUPT
    for allowed in most:
        least = min(least, allowed)
    return least


def step(
    current: Levels,
    pending_since: Ints,
    heading: Levels,
    *,
    ease_after_ms: Ints,
    event_time: int,
    open_: Bools | None = None,
) -> tuple[Levels, Ints]:
    """Return level and pending time after one evaluation at `event_time` (epoch ms).

    Rises happen now. A fall waits until `ease_after_ms` after the first evaluation that said so;
    one that says otherwise cancels it. A pool without positions (`open_` false) falls at once.
    """
    falling = heading < current
    since = np.where(pending_since == NOT_PENDING, event_time, pending_since)
    due = event_time - since >= ease_after_ms
    if open_ is not None:
        due |= ~open_
    level = np.where(falling & ~due, current, heading)
    pending = np.where(falling & ~due, since, NOT_PENDING)
    return level, pending
