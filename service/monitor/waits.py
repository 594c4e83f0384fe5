"""Compiled: a heap of (event time, pool), and the time each pool stands in it for.

A pool stands there once for one time. That it has no reason to be looked at any more does not take
it out: it is looked at once for nothing.
"""

import numpy as np

from service.monitor.compiled import Waits
from service.risk.columns import Ints
from service.risk.compiled import Direct, compiled, inlined

WAIT = np.dtype([("due_ms", np.int64), ("slot", np.int64)])


@inlined
def push(waits: Waits, due_ms: int, slot: int) -> None:
    """Have a pool looked at then; there must be room in the heap."""
    heap, at = waits.heap, waits.used[0]
    if waits.queued[slot] != due_ms:
        waits.queued[slot] = due_ms
        waits.used[0] = at + 1
        while at > 0 and heap[(at - 1) >> 1].due_ms > due_ms:
            parent = (at - 1) >> 1
            heap[at].due_ms, heap[at].slot = heap[parent].due_ms, heap[parent].slot
            at = parent
        heap[at].due_ms, heap[at].slot = due_ms, slot


@inlined
def pop(waits: Waits) -> int:
    """Take the pool that is due first out of a heap that is not empty."""
    heap, last = waits.heap, waits.used[0] - 1
    due_ms, slot = heap[0].due_ms, heap[0].slot
    waits.used[0] = last
    moved_ms, moved, at = heap[last].due_ms, heap[last].slot, 0
    while 2 * at + 1 < last:
        child = 2 * at + 1
        if child + 1 < last and heap[child + 1].due_ms < heap[child].due_ms:
            child += 1
        if heap[child].due_ms >= moved_ms:
            break
        heap[at].due_ms, heap[at].slot = heap[child].due_ms, heap[child].slot
        at = child
    heap[at].due_ms, heap[at].slot = moved_ms, moved
    if waits.queued[slot] == due_ms:
        waits.queued[slot] = 0
    return int(slot)


@Direct
@compiled
def push_all(waits: Waits, due_ms: Ints, slots: Ints) -> None:
    """Have each of these pools looked at at its time."""
    for index in range(len(slots)):
        push(waits, due_ms[index], slots[index])
