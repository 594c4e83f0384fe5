"""The level of one pool over time: rising at once, falling after a wait, as the contract says."""

from dataclasses import dataclass

from service.risk.model import Level, PoolKey, Thresholds
from tests.reference.rational import Fraction

Name = tuple[str, PoolKey]  # account key, pool


@dataclass(frozen=True, slots=True)
class Standing:
    """A pool's level, and since when (event time, ms) it wants to fall; None: it does not."""

    level: Level = Level.HEALTHY
    falling_since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one pool is by itself now; the numbers are None where it is unpriced."""

    name: Name
    table: Level
    is_open: bool
    most: Level  # that its marks raise it to
    thresholds: Thresholds
    equity: Fraction | float | None
    maintenance: Fraction | float | None


def still_holds(judged: Judgement, level: Level) -> bool:
    """Whether the ratio is at or above a level's line less the hysteresis."""
    equity, required = judged.equity, judged.maintenance
    assert equity is not None
    assert required is not None
    if level is Level.BANKRUPT:
        return equity < 0
    lines = {
        Level.LIQUIDATION: 1.0,
        Level.MARGIN_CALL: judged.thresholds.margin_call,
        Level.WARNING: judged.thresholds.warning,
    }
    if level not in lines or required == 0:
        return False
    exact = isinstance(equity, Fraction)
    line, gap = lines[level], judged.thresholds.hysteresis
    return required >= (Fraction(line) - Fraction(gap) if exact else line - gap) * equity


def next_level(judged: Judgement, current: Level) -> Level:
    """The higher of the table's and the highest level not above the current that still holds."""
    if judged.equity is None or not judged.is_open:
        return judged.table
    held = (level for level in Level if level <= current and still_holds(judged, level))
    return max(judged.table, max(held, default=Level.HEALTHY))


def capped(level: Level, current: Level, most: Level) -> Level:
    """A pool is not raised further than its marks allow; what it is, it may stay."""
    if level is Level.UNPRICED:
        return level
    standing = Level.HEALTHY if current is Level.UNPRICED else current
    return min(level, max(most, standing))


def step(standing: Standing, following: Level, is_open: bool, wait_ms: int, now: int) -> Standing:
    """The standing after one evaluation at event time `now`."""
    if following >= standing.level or not is_open or wait_ms == 0:
        return Standing(following)
    since = now if standing.falling_since_ms is None else standing.falling_since_ms
    if now - since >= wait_ms:
        return Standing(following)
    return Standing(standing.level, since)


def transition_of(previous: Level, level: Level) -> str:
    """What a change of level is called; none is a reminder of it."""
    if level is previous:
        return "repeat"
    if level is Level.UNPRICED:
        return "unpriced"
    if level is Level.HEALTHY:
        return "resolved"
    if level < previous:
        return "eased"
    return "escalated" if previous > Level.UNPRICED else "raised"
