"""The level of one pool over time: rising at once, falling after a wait, as the contract says."""

from dataclasses import dataclass
from fractions import Fraction

from service.risk.model import Level
from tests.reference.pools import Figures, Pool


@dataclass(frozen=True, slots=True)
class Standing:
    """A pool's level, and since when (event time, ms) it wants to fall; None: it does not."""

    level: Level = Level.HEALTHY
    falling_since_ms: int | None = None


def still_holds(pool: Pool, level: Level, worth: Figures) -> bool:
    """Whether the ratio is at or above a level's line less the hysteresis."""
    if level is Level.BANKRUPT:
        return worth.equity < 0
    lines = {
        Level.LIQUIDATION: 1.0,
        Level.MARGIN_CALL: pool.thresholds.margin_call,
        Level.WARNING: pool.thresholds.warning,
    }
    if level not in lines or worth.maintenance == 0:
        return False
    line = Fraction(lines[level]) - Fraction(pool.thresholds.hysteresis)
    return worth.maintenance >= line * worth.equity


def next_level(pool: Pool, table: Level, current: Level, worth: Figures | None) -> Level:
    """The higher of the table's and the highest level not above the current that still holds."""
    if worth is None or not pool.legs:
        return table
    held = (level for level in Level if level <= current and still_holds(pool, level, worth))
    return max(table, max(held, default=Level.HEALTHY))


def capped(level: Level, current: Level, stale: bool) -> Level:
    """A pool on stale marks is not raised to LIQUIDATION or BANKRUPT; what it is, it may stay."""
    return min(level, max(Level.MARGIN_CALL, current)) if stale else level


def step(standing: Standing, following: Level, is_open: bool, wait_ms: int, now: int) -> Standing:
    """The standing after one evaluation at event time `now`."""
    if following >= standing.level or not is_open or wait_ms == 0:
        return Standing(following)
    since = now if standing.falling_since_ms is None else standing.falling_since_ms
    if now - since >= wait_ms:
        return Standing(following)
    return Standing(standing.level, since)
