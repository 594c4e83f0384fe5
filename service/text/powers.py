"""Powers of ten as 128 bits each: what numbers and their texts go by."""

from collections.abc import Callable

import numpy as np

from service.risk.columns import Ints

LEAST_POWER, MOST_POWER = -342, 324


def floor_log2_of_power(power: int) -> int:
    """Return floor(log2(10 ** power)), for |power| <= 1,233."""
    return (power * 1_741_647) >> 19


def _bits(power: int, *, up: bool) -> int:
    """Return 10 ** power scaled to 128 bits, rounded down or up."""
    shift = 127 - floor_log2_of_power(power)
    above, below = 10 ** max(power, 0) << max(shift, 0), 10 ** max(-power, 0) << max(-shift, 0)
    bits: int = -(-above // below) if up else above // below
    return bits


def _halves(up: Callable[[int], bool]) -> tuple[Ints, Ints]:
    """Return the upper and lower halves of all powers; unsigned, whatever their type says."""
    powers = range(LEAST_POWER, MOST_POWER + 1)
    wide = [_bits(power, up=up(power)) for power in powers]
    upper = np.array([bits >> 64 for bits in wide], np.uint64)
    lower = np.array([bits & (2**64 - 1) for bits in wide], np.uint64)
    return upper.view(np.int64), lower.view(np.int64)


UPPER_WRITTEN, LOWER_WRITTEN = _halves(lambda _: True)
# Reading rounds up where the product of a short number may be halfway between two others.
UPPER_READ, LOWER_READ = _halves(lambda power: -27 <= power < 0)
