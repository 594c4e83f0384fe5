"""Compiled: where a pool stands. Its figures at the present marks, its level, and new bands.

Figures are those of `risk.margin` and levels those of `risk.levels`, operation by operation, so the
last bit is the same; tests hold them against each other, and the monitor's audit does so while it
runs. What this file cannot judge (see SIMPLE and KNOWN) it names instead.
"""

from typing import Any

import numpy as np

from service.monitor.compiled import (
    CHANGED,
    ELSEWHERE,
    EQUITY,
    FIRST,
    HIGH,
    JUDGED,
    LOW,
    MAINTENANCE,
    MOVED,
    TOLD_AGAIN,
    Columns,
    Found,
    X,
)
from service.monitor.safe_bands import EDGE, write_bands
from service.monitor.waits import push
from service.risk.columns import Ints
from service.risk.compiled import Direct, compiled, inlined
from service.risk.legs import tier_of
from service.risk.levels import (
    BANKRUPT,
    HEALTHY,
    LIQUIDATION,
    MARGIN_CALL,
    NOT_PENDING,
    UNPRICED,
    WARNING,
    LevelTable,
    table_level,
)
from service.risk.market_rows import (
    BY_CONTRACTS,
    CROSS_ON_ENTRY,
    ISOLATED_ON_ENTRY,
    KNOWN,
    LINEAR,
)
from service.risk.rows import ISOLATED, SIMPLE, STRICT

REACH = 4.0  # no band is wider than a quarter to four times the mark, so the guard covers all of it


@Direct
@compiled
def settle(columns: Columns, found: Found, slots: Ints, event_time_ms: int, write: bool) -> None:
    """Judge these pools; without `write` their levels stay and what would change is told."""
    for index in range(len(slots)):
        judge_pool(columns, found, slots[index], event_time_ms, write)


@inlined
def judge_pool(columns: Columns, found: Found, slot: int, event_time_ms: int, write: bool) -> None:
    """Bring one pool up to date, or name it as one to be judged elsewhere."""
    counts, pool = found.counts, columns.pools[slot]
    counts[JUDGED] += 1
    equity, maintenance, gross, most, known = _figures(columns, slot)
    if not (known and pool.traits & SIMPLE):
        found.elsewhere[counts[ELSEWHERE]] = slot
        counts[ELSEWHERE] += 1
        return
    before, since = pool.level, pool.pending_since
    lines = columns.lines[pool.lines]
    heading = HEALTHY
    if pool.legs and not (maintenance == 0.0 and equity >= 0.0):
        heading = heading_of(lines, before, equity, maintenance, pool.traits & STRICT)
    if heading > most:
        standing = before if before != UNPRICED else HEALTHY
        heading = min(heading, max(standing, most))
    level, pending = heading, NOT_PENDING
    if heading < before and pool.legs:
        begun = event_time_ms if since == NOT_PENDING else since
        if event_time_ms - begun < lines.ease_after_ms:
            level, pending = before, begun
    if level != before or pending != since:
        waited = since != NOT_PENDING and lines.ease_after_ms > 0 and level < before
        found.slot[counts[CHANGED]], found.before[counts[CHANGED]] = slot, before
        found.waited[counts[CHANGED]] = waited and pool.legs > 0
        found.level[counts[CHANGED]] = level
        counts[CHANGED] += 1
        counts[MOVED] += level != before
        counts[TOLD_AGAIN] += lines.repeat_every_ms > 0
        if write:
            pool.level, pool.pending_since = level, pending
            if pending != NOT_PENDING:
                push(columns.waits, pending + lines.ease_after_ms, slot)
    write_bands(columns, slot, level, (equity, maintenance, gross))


@inlined
def heading_of(lines: Any, before: int, equity: float, maintenance: float, strict: int) -> int:
    """Return the level by the table, or a lower line than that still held."""
    warning, margin_call, held = lines.warning, lines.margin_call, HEALTHY
    table = LevelTable(warning, margin_call, strict != 0)
    level = table_level(equity, maintenance, True, False, table)
    if before >= WARNING and maintenance >= (warning - lines.hysteresis) * equity:
        held = WARNING
    if before >= MARGIN_CALL and maintenance >= (margin_call - lines.hysteresis) * equity:
        held = MARGIN_CALL
    if before >= LIQUIDATION and maintenance >= (1.0 - lines.hysteresis) * equity:
        held = LIQUIDATION
    if before >= BANKRUPT and equity < 0.0:
        held = BANKRUPT
    return max(level, held)


@inlined
def _figures(columns: Columns, slot: int) -> tuple[float, float, float, int, bool]:
    """Return equity, maintenance, gross size, the highest level that the marks raise it to, and
    whether all are known.

    Leaves in `scratch` each leg's x, what one unit of x does to equity and to maintenance, and the
    x at the borders of its tier.
    """
    pool, scratch = columns.pools[slot], columns.scratch
    isolated = (pool.traits & ISOLATED) != 0
    on_entry = ISOLATED_ON_ENTRY if isolated else CROSS_ON_ENTRY
    pnl, maintenance, gross, most = 0.0, 0.0, abs(pool.wallet), BANKRUPT
    for index in range(pool.legs):
        row = pool.leg + index
        leg = columns.legs[row]
        market = columns.markets[leg.market]
        mark, entry, size = market.mark, leg.entry_price, abs(leg.size)
        if not market.traits & KNOWN or np.isnan(mark):
            return 0.0, 0.0, 0.0, most, False
        most = min(most, market.most)
        moved = leg.size * (mark - entry)
        if market.traits & LINEAR:
            x, at_entry = mark, entry
            notional, entry_notional, sign = size * mark, size * entry, 1.0
        else:
            x, at_entry = 1.0 / mark, 1.0 / entry
            notional, entry_notional, sign = size / mark, size / entry, -1.0
            moved = moved / entry / mark
        fixed = (market.traits & on_entry) != 0
        by_contracts = (market.traits & BY_CONTRACTS) != 0
        basis = entry_notional if fixed else notional
        contracts = abs(columns.contracts[row]) if by_contracts else 0.0  # seldom read: far away
        tier = tier_of(columns.floor, market.table, contracts if by_contracts else basis)
        rate = market.isolated_fee if isolated else market.cross_fee
        if by_contracts:
            rate = rate - columns.rebate[market.table, tier] / contracts
        tier_rate = columns.rate[market.table, tier]
        required = basis * tier_rate - columns.deduction[market.table, tier]
        maintenance += required + basis * rate + leg.fixed_fee
        pnl += moved
        gross += size * (x + at_entry)
        scratch[index, X], scratch[index, EQUITY] = x, sign * leg.size
        scratch[index, MAINTENANCE] = 0.0 if fixed else size * (tier_rate + rate)
        low, high = x / REACH, x * REACH
        if not (fixed or by_contracts):
            low = max(low, columns.floor[market.table, tier] / size * (1.0 + EDGE))
            if tier + 1 < columns.floor.shape[1]:
                high = min(high, columns.floor[market.table, tier + 1] / size * (1.0 - EDGE))
        scratch[index, LOW], scratch[index, HIGH], scratch[index, FIRST] = low, high, index
    return pool.wallet + pnl, maintenance, gross, most, True
