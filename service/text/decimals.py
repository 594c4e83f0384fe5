"""Compiled: the shortest decimal that is read back as the same number, as orjson writes it.

The digits are found by R. Giulietti's "The Schubfach way to render doubles" (2020). They are
written eight at a time, so up to SLACK bytes behind a number's end are written over. What of two
values it is, where a processor could only guess, is chosen once both are known, without a branch.
"""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Bytes
from service.risk.compiled import called, inlined
from service.text.machine import divide, leading_zeros, multiply_to_odd, put_word, word_at
from service.text.powers import LEAST_POWER, LOWER_WRITTEN, UPPER_WRITTEN, floor_log2_of_power

FIGURE_BYTES_MAX = 24  # -1.2345678901234567e-300
SLACK = 24
_MANTISSA = (1 << 52) - 1
_EXPONENT = 0x7FF
_DIGITS = 17  # no number needs more
_TENS = np.array([10**power for power in range(18)], np.int64)
# Where the decimal point stands written out, counted from the first digit; else with an exponent.
_POINT_LEAST, _POINT_MOST = -4, 16
_ZERO, _MINUS, _PLUS, _POINT, _E = map(ord, "0-+.e")
ZEROS = int.from_bytes(b"00000000", "little")
_NULL = int.from_bytes(b"null", "little")
_SMALL = int.from_bytes(b"0.000000", "little")
_WHOLE = int.from_bytes(b".0", "little")

_log2_of_power = inlined(floor_log2_of_power)


@called
def put_number(out: Bytes, at: int, bits: int) -> int:
    """Write the number that has these bits, null where it is not finite; return where it ends."""
    if (bits >> 52) & _EXPONENT == _EXPONENT:
        put_word(out, at, _NULL)
        return at + 4
    out[at] = _MINUS  # written over where there is none
    digits, power = _shortest(bits & ((1 << 63) - 1))
    return _put(out, at - (bits >> 63), digits, power)


@inlined
def _shortest(bits: int) -> tuple[int, int]:
    """Return digits and power of ten of the shortest decimal, the nearest of those."""
    mantissa, exponent = bits & _MANTISSA, (bits >> 52) & _EXPONENT
    if exponent:
        mantissa |= _MANTISSA + 1
        exponent -= 1_075
    elif mantissa:
        exponent = -1_074
    whole = -53 < exponent <= 0 and not mantissa & ((1 << -exponent) - 1)
    if whole or not mantissa:
        digits, power = mantissa >> (-exponent if whole else 0), 0
    else:
        # Below a power of two numbers are twice as near to each other.
        near = mantissa == _MANTISSA + 1 and exponent > -1_074
        power = (exponent * 1_262_611 - (524_031 if near else 0)) >> 22
        shift = exponent + _log2_of_power(-power) + 1
        index = -power - LEAST_POWER
        upper, lower = UPPER_WRITTEN[index], LOWER_WRITTEN[index]
        low = multiply_to_odd(upper, lower, (4 * mantissa - (1 if near else 2)) << shift)
        middle = multiply_to_odd(upper, lower, (4 * mantissa) << shift)
        high = multiply_to_odd(upper, lower, (4 * mantissa + 2) << shift)
        odd = mantissa & 1
        digits, fewer = _rounded(low + odd, middle, high - odd)
        power += fewer
    return digits, power


@inlined
def _rounded(low: int, middle: int, high: int) -> tuple[int, int]:
    """Return the decimal between two bounds with the fewest digits, and how many fewer (0 or 1).

    All are counted in quarters.
    """
    digits = middle >> 2
    fewer = divide(digits, 10)
    fewer_down, fewer_up = low <= 40 * fewer, 40 * fewer + 40 <= high
    down, up = low <= 4 * digits, 4 * digits + 4 <= high
    half = 4 * digits + 2
    nearest = (middle > half) | ((middle == half) & (digits & 1 == 1))
    is_fewer = (fewer_down != fewer_up) & (digits >= 10)
    all_digits = digits + (up if down != up else nearest)
    return (fewer + fewer_up) if is_fewer else all_digits, 1 if is_fewer else 0


@inlined
def _put(out: Bytes, at: int, digits: int, power: int) -> int:
    """Write digits x 10 ** power."""
    count = _count(digits)
    point = count + power if digits else 1  # how many digits stand before the decimal point
    digits *= _TENS[_DIGITS - count]
    first = divide(digits, 10**16)
    digits -= first * 10**16
    upper = divide(digits, 10**8)
    early, late = eight_digits(upper), eight_digits(digits - upper * 10**8)
    needed = _needed(early, late)
    early, late, first = early + ZEROS, late + ZEROS, first + _ZERO
    if 0 < point < 8 and needed > point:
        # All stand one further, then the word they begin with: the point, and what is before it.
        put_word(out, at + 2, early)
        put_word(out, at + 10, late)
        before = (1 << 8 * point) - 1
        word = first | early << 8
        put_word(out, at, word & before | _POINT << 8 * point | (word & ~before) << 8)
        end = at + needed + 1
    else:
        end = _put_seldom(out, at, _Digits(first, early, late, needed), point)
    return end


class _Digits(NamedTuple):
    """Digits as they are written: the first, eight and eight more, and how many are needed."""

    first: int
    early: int
    late: int
    needed: int


@called
def _put_seldom(out: Bytes, at: int, digits: _Digits, point: int) -> int:
    """Write what is a whole number, has many digits before its point, or none."""
    first, early, late, needed = digits
    if 0 < point <= _POINT_MOST:
        out[at] = first
        put_word(out, at + 1, early)
        put_word(out, at + 9, late)
        if needed <= point:
            put_word(out, at + point, _WHOLE)
            return at + point + 2
        early, late = word_at(out, at + point), word_at(out, at + point + 8)
        out[at + point] = _POINT
        put_word(out, at + point + 1, early)
        put_word(out, at + point + 9, late)
        return at + needed + 1
    if _POINT_LEAST <= point <= 0:
        put_word(out, at, _SMALL)
        at += 2 - point
        out[at] = first
        put_word(out, at + 1, early)
        put_word(out, at + 9, late)
        return at + needed
    out[at], out[at + 1] = first, _POINT
    put_word(out, at + 2, early)
    put_word(out, at + 10, late)
    return _put_exponent(out, at + needed + (needed > 1), point - 1)


@inlined
def _count(digits: int) -> int:
    """Return how many digits a number less than 10 ** 17 has; most have all, or all but one."""
    count = _DIGITS - 1 if digits < _TENS[_DIGITS - 1] else _DIGITS
    if digits < _TENS[_DIGITS - 2]:
        while count > 1 and digits < _TENS[count - 1]:
            count -= 1
    return count


@inlined
def eight_digits(number: int) -> int:
    """Return the eight digits of a number, one a byte, the first the lowest: pairs of pairs."""
    upper = divide(number, 10_000)
    fours = upper | ((number - upper * 10_000) << 32)
    uppers = ((fours * 10_486) >> 20) & 0x7F_0000_007F
    twos = uppers | ((fours - uppers * 100) << 16)
    tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F
    return tens | ((twos - tens * 10) << 8)


@inlined
def _needed(early: int, late: int) -> int:
    """Return how many of the digits there are up to the last that is not 0, the first included."""
    if late:
        return _DIGITS - (leading_zeros(late) >> 3)
    return 9 - (leading_zeros(early) >> 3)


@inlined
def _put_exponent(out: Bytes, at: int, exponent: int) -> int:
    out[at], out[at + 1] = _E, _MINUS if exponent < 0 else _PLUS
    exponent = abs(exponent)
    at += 2
    if exponent >= 100:
        out[at] = _ZERO + divide(exponent, 100)
        at += 1
    if exponent >= 10:
        out[at] = _ZERO + divide(exponent, 10) % 10
        at += 1
    out[at] = _ZERO + exponent % 10
    return at + 1
