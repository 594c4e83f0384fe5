"""Compiled: rows in the order of their pools, whatever order they stand in."""

from service.risk.columns import Ints
from service.risk.compiled import inlined


@inlined
def order_by_pool(pool: Ints, rows: Ints, first: Ints) -> None:
    """List the rows of each pool one after the other, in their order.

    `pool` is each row's, `first` (one more than there are pools) where each pool's rows begin.
    """
    first[:] = 0
    for row in range(len(pool)):
        first[pool[row] + 1] += 1
    for index in range(1, len(first)):
        first[index] += first[index - 1]
    for row in range(len(pool)):
        rows[first[pool[row]]] = row
        first[pool[row]] += 1
    for index in range(len(first) - 1, 0, -1):
        first[index] = first[index - 1]
    first[0] = 0
