"""Compiled: which pools each of some marks makes due, mark after mark.

A mark looks at the summaries of its market's blocks, then at the bands of the blocks that do not
hold it, and judges the pools of the legs that came out of theirs, and those whose time has come
(`kernels`). One pass, no temporary, and nothing of Python between two marks: a calm mark moves so
few pools that anything else would cost many times what they do.
"""

import numpy as np

from service.monitor.compiled import (
    BLOCKS,
    CHANGED,
    ELSEWHERE,
    JUDGED,
    MOVED,
    REMINDED,
    TOLD_AGAIN,
    WORN,
    Columns,
    Found,
    Marks,
)
from service.monitor.kernels import judge_pool
from service.monitor.waits import pop
from service.risk.compiled import Direct, compiled, fetch, inlined
from service.risk.holders import BLOCK

AHEAD = 4  # pools
WASTE_MAX = 4  # times a segment's blocks may be looked at for nothing before it is arranged anew
MANY_CHANGED = 1_000  # pools: they are told of before more marks are judged
MANY_JUDGED = 2_000  # pools: about two milliseconds, that the first to be told of wait
MANY_WORN = 2  # markets: to arrange one of 10,000 pools anew takes some milliseconds


@Direct
@compiled
def tick(columns: Columns, found: Found, marks: Marks, rows: int) -> int:
    """Judge the pools that do not hold these marks, entry by entry; return how many rows that were.

    It ends with an entry that leaves something for others to do before the next, or when there is
    much to tell.
    """
    for row in range(rows):
        if row == 0 or marks.last[row - 1]:
            _put_marks(columns, marks, row)
        market, now_ms = marks.market[row], marks.event_time_ms[row]
        looked_at, due = 0, 0
        if 0 <= market < len(columns.segments):
            looked_at, due = _look_up(columns, found, market)
        wasted = looked_at - 2 * due
        if marks.last[row]:
            due = _wake(columns, found, now_ms, due)
        for index in range(min(2 * AHEAD, due)):
            _fetch_legs(columns, found, index, due)
        for index in range(due):
            _fetch_legs(columns, found, index + 2 * AHEAD, due)
            _fetch_bands(columns, found, index + AHEAD, due)
            judge_pool(columns, found, found.due[index], now_ms, True)
        marks.worn[row] = False
        if looked_at:
            _sum_up(columns, found, market, looked_at)
            marks.worn[row] = _wear(columns, market, wasted)
        found.counts[WORN] += marks.worn[row]
        found.counts[BLOCKS] += looked_at
        marks.moved[row], marks.judged[row] = found.counts[MOVED], found.counts[JUDGED]
        marks.blocks[row] = found.counts[BLOCKS]
        if marks.last[row] and _is_enough(found):
            return row + 1
    return rows


@inlined
def _put_marks(columns: Columns, marks: Marks, row: int) -> None:
    """Let all markets of an entry show its mark."""
    while True:
        if marks.market[row] >= 0:
            columns.markets[marks.market[row]].mark = marks.mark[row]
        if marks.last[row]:
            break
        row += 1


@inlined
def _is_enough(found: Found) -> bool:
    counts = found.counts
    left = counts[ELSEWHERE] + counts[REMINDED] + counts[TOLD_AGAIN]
    return bool(
        left
        or counts[CHANGED] >= MANY_CHANGED
        or counts[JUDGED] >= MANY_JUDGED
        or counts[WORN] >= MANY_WORN
    )


@inlined
def _look_up(columns: Columns, found: Found, market: int) -> tuple[int, int]:
    """Note the pools with a leg whose band does not hold the mark, and the blocks they are in.

    Pools that come due together are all over memory. What each is judged by is fetched while those
    before it are judged: first the leg, then its pool, then all legs of that, then their bands.
    """
    segment, mark = columns.segments[market], columns.markets[market].mark
    first, last = segment.start, segment.start + segment.count
    looked_at, due = 0, 0
    for block in range(first // BLOCK, (last + BLOCK - 1) // BLOCK):
        if columns.block_low[block] <= mark <= columns.block_high[block]:
            continue
        found.blocks[looked_at] = block
        looked_at += 1
        for place in range(block * BLOCK, min(last, block * BLOCK + BLOCK)):
            if not columns.low[place] <= mark <= columns.high[place]:
                found.due[due] = columns.row[place]
                fetch(columns.legs, columns.row[place])
                due += 1
    for index in range(due):
        slot = columns.legs[found.due[index]].pool
        fetch(columns.pools, slot)
        found.due[index] = slot
    return looked_at, due


@inlined
def _wake(columns: Columns, found: Found, now_ms: int, due: int) -> int:
    """Add the pools whose time has come; return how many there are now."""
    waits = columns.waits
    while waits.used[0] > 0 and waits.heap[0].due_ms <= now_ms:
        slot = pop(waits)
        if waits.account[slot] >= 0:
            found.due[due] = slot
            due += 1
            if columns.lines[columns.pools[slot].lines].repeat_every_ms > 0:
                found.reminded[found.counts[REMINDED]] = slot
                found.counts[REMINDED] += 1
    return due


@inlined
def _fetch_legs(columns: Columns, found: Found, index: int, due: int) -> None:
    if index < due:
        pool = columns.pools[found.due[index]]
        fetch(columns.legs, pool.leg)
        fetch(columns.legs, pool.leg + pool.legs - 1)


@inlined
def _fetch_bands(columns: Columns, found: Found, index: int, due: int) -> None:
    if index < due:
        pool = columns.pools[found.due[index]]
        for row in range(pool.leg, pool.leg + pool.legs):
            fetch(columns.low, columns.legs[row].place)
            fetch(columns.high, columns.legs[row].place)


@inlined
def _sum_up(columns: Columns, found: Found, market: int, looked_at: int) -> None:
    """Make the summaries of the blocks that were looked at exact."""
    end = columns.segments[market].start + columns.segments[market].count
    for index in range(looked_at):
        block = found.blocks[index]
        low, high = -np.inf, np.inf
        for place in range(block * BLOCK, min(end, block * BLOCK + BLOCK)):
            low, high = max(low, columns.low[place]), min(high, columns.high[place])
        columns.block_low[block], columns.block_high[block] = low, high


@inlined
def _wear(columns: Columns, market: int, wasted: int) -> bool:
    """Count blocks that were looked at for nothing; whether arranging them anew would pay."""
    segment = columns.segments[market]
    segment.wasted = max(0, segment.wasted + wasted)
    return bool(segment.wasted * BLOCK > WASTE_MAX * segment.count + BLOCK)
