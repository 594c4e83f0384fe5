"""Where a pool stands after one evaluation, by the rules for levels written again for one pool.

The table first (the lines, from the top), then what is held by the hysteresis, what marks in
doubt may not raise, and what a fall waits for.
"""

from dataclasses import dataclass, replace

from service.audit.sums import PoolSum
from service.risk.model import Level, Thresholds


@dataclass(frozen=True, slots=True)
class Standing:
    """A pool's level, and the event time since which a fall waits; None: none does."""

    level: Level
    pending_since_ms: int | None = None
    waited: bool = False  # it fell just now, because the wait was over


def table_level(found: PoolSum, lines: Thresholds) -> Level:
    """Return the level of the first line that is reached, from the top."""
    equity, maintenance = found.equity, found.maintenance
    if not found.is_open or (maintenance == 0.0 and equity >= 0.0):
        return Level.HEALTHY
    if found.unpriced:
        return Level.UNPRICED
    if equity < 0.0:
        return Level.BANKRUPT
    if maintenance > equity or (maintenance == equity and not found.rule.strict):
        return Level.LIQUIDATION
    if maintenance >= lines.margin_call * equity:
        return Level.MARGIN_CALL
    return Level.WARNING if maintenance >= lines.warning * equity else Level.HEALTHY


def held_level(found: PoolSum, lines: Thresholds, current: Level) -> Level:
    """Return the highest level, not above the current one, whose line less the hysteresis holds."""
    equity, maintenance = found.equity, found.maintenance
    nothing_at_stake = maintenance == 0.0 and equity >= 0.0
    if not found.is_open or found.unpriced or nothing_at_stake:
        return Level.HEALTHY
    held = [
        level
        for level, line in (
            (Level.WARNING, lines.warning),
            (Level.MARGIN_CALL, lines.margin_call),
            (Level.LIQUIDATION, 1.0),
        )
        if current >= level and maintenance >= (line - lines.hysteresis) * equity
    ]
    if current is Level.BANKRUPT and equity < 0.0:
        held.append(Level.BANKRUPT)
    return max(held, default=Level.HEALTHY)


def heading(found: PoolSum, lines: Thresholds, current: Level) -> Level:
    """Return where a pool is going; marks in doubt raise it no further than they allow."""
    going = max(table_level(found, lines), held_level(found, lines, current))
    if going is Level.UNPRICED:  # that is no word of the marks
        return going
    standing = Level.HEALTHY if current is Level.UNPRICED else current
    return min(going, max(standing, found.verdict.most))


def after(standing: Standing, found: PoolSum, lines: Thresholds, event_time_ms: int) -> Standing:
    """Return where a pool stands after an evaluation at that event time."""
    going = heading(found, lines, standing.level)
    if going >= standing.level:
        return Standing(going)
    since = standing.pending_since_ms
    started = event_time_ms if since is None else since
    if event_time_ms - started >= lines.ease_after_ms or not found.is_open:
        waited = since is not None and lines.ease_after_ms > 0 and found.is_open
        return Standing(going, None, waited)
    return replace(standing, pending_since_ms=started, waited=False)
