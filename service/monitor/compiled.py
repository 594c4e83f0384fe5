"""What the monitor's compiled code shares: its columns and where results go."""

from typing import NamedTuple

from service.risk.columns import Bools, Floats, Int8s, Ints
from service.risk.rows import Int32s, Records

# Columns of `scratch`, a row a leg of the pool at hand.
X, EQUITY, MAINTENANCE, LOW, HIGH, FIRST = range(6)
SCRATCH_COLUMNS = 6


class Waits(NamedTuple):
    """Which pool is to be looked at when: a heap of records, see `waits`."""

    heap: Records
    used: Ints  # (1,): rows of it
    queued: Ints  # by pool: the event time it stands in the heap for, 0: none
    account: Int32s  # by pool, -1: dead


class Columns(NamedTuple):
    """What compiled code reads and writes: the book's columns, the market table's, scratch."""

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
    waits: Waits


class Found(NamedTuple):
    """Where results go: a row a pool that changed, a row a pool that is to be judged elsewhere.

    `due` and `blocks` are a tick's own notes.
    """

    slot: Int32s
    before: Int8s
    level: Int8s
    waited: Bools  # it fell because its wait was over
    elsewhere: Int32s
    reminded: Int32s  # pools whose time has come, and that may have a reminder then
    counts: Ints  # in the order of their names below, added to
    due: Int32s  # leg rows, then their pools
    blocks: Int32s


# Of the changed pools MOVED are at another level, and TOLD_AGAIN have a rule by which they are told
# of again; WORN are the markets that it would pay to arrange anew.
CHANGED, ELSEWHERE, JUDGED, BLOCKS, MOVED, REMINDED, TOLD_AGAIN, WORN = range(8)
COUNTS = 8


class Marks(NamedTuple):
    """Marks in their order, a row a market that one moves, and after each what it has come to."""

    market: Ints  # NOWHERE: a mark that nobody sees, or no mark at all
    mark: Floats
    event_time_ms: Ints
    last: Bools  # of its entry
    moved: Ints  # counts of all so far
    judged: Ints
    blocks: Ints
    worn: Bools


NOWHERE = -1
