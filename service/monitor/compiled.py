"""What the monitor's compiled code shares: its columns and where results go."""

from typing import NamedTuple

from service.risk.columns import Bools, Floats, Ints
from service.risk.rows import Int8s, Int32s, Records

# Columns of `scratch`, a row a leg of the pool at hand.
X, EQUITY, MAINTENANCE, LOW, HIGH, FIRST = range(6)
SCRATCH_COLUMNS = 6


class Columns(NamedTuple):
    """What compiled code reads and writes: the book's columns, the market table's, and scratch."""

    pools: Records
    legs: Records
    contracts: Floats
    low: Floats  # of the holders' arena
    high: Floats
    row: Int32s
    block_low: Floats
    block_high: Floats
    segments: Records
    markets: Records
    floor: Floats
    rate: Floats
    deduction: Floats
    rebate: Floats
    lines: Records
    scratch: Floats  # (longest pool, SCRATCH_COLUMNS)


class Found(NamedTuple):
    """Where results go: a row a pool that changed, a row a pool that is to be judged elsewhere.

    `due` and `blocks` are a tick's own notes.
    """

    slot: Int32s
    before: Int8s
    waited: Bools  # it fell because its wait was over
    elsewhere: Int32s
    counts: Ints  # (CHANGED, ELSEWHERE, JUDGED, BLOCKS), added to
    due: Int32s  # leg rows, then their pools
    blocks: Int32s


CHANGED, ELSEWHERE, JUDGED, BLOCKS = range(4)
