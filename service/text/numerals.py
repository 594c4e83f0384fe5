"""Compiled: the number nearest to a decimal, as JSON writes it.

Short ones are exact in one operation (W. Clinger, 1990), others go by the upper bits of a product
with a power of ten (D. Lemire, "Number parsing at a gigabyte per second", 2021). What has more than
18 digits, is next to 0 or next to infinity is left to somebody else.
"""

import numpy as np

from service.risk.columns import Bytes
from service.risk.compiled import called, inlined
from service.text.machine import leading_zeros, multiply
from service.text.powers import LEAST_POWER, LOWER_READ, UPPER_READ, floor_log2_of_power

NOT_READ = -1
_DIGITS_BELOW = 10**17  # one more may follow
_EXACT_BELOW, _EXACT_POWER = 2**53, 22
_POWER_LEAST, _POWER_MOST = -300, 280
_TIES_LEAST, _TIES_MOST = -4, 23  # powers of ten with which a product can be halfway
_EXACT_TENS = np.array([float(10**power) for power in range(_EXACT_POWER + 1)])
_ZERO, _NINE, _MINUS, _PLUS, _POINT = map(ord, "09-+.")
_UPPER_E, _LOWER_E = map(ord, "Ee")

_log2_of_power = inlined(floor_log2_of_power)


@called
def read_number(text: Bytes, at: int) -> tuple[float, int]:
    """Return the number that begins there, and where it ends; NOT_READ where it is not ours."""
    negative = text[at] == _MINUS
    begin = at = at + 1 if negative else at
    digits, power = 0, 0
    while _is_digit(text[at]) and digits < _DIGITS_BELOW:
        digits = 10 * digits + (text[at] - _ZERO)
        at += 1
    if at == begin or (at > begin + 1 and text[begin] == _ZERO):
        return 0.0, NOT_READ
    if text[at] == _POINT:
        begin = at = at + 1
        while _is_digit(text[at]) and digits < _DIGITS_BELOW:
            digits = 10 * digits + (text[at] - _ZERO)
            at += 1
        power = begin - at
        if power == 0:
            return 0.0, NOT_READ
    if _is_digit(text[at]):
        return 0.0, NOT_READ
    if text[at] == _LOWER_E or text[at] == _UPPER_E:
        exponent, at = _exponent(text, at + 1)
        power += exponent
    if digits == 0:
        return -0.0 if negative else 0.0, at
    value = _value(digits, power)
    if np.isnan(value):
        return 0.0, NOT_READ
    return -value if negative else value, at


@inlined
def _is_digit(letter: int) -> bool:
    return _ZERO <= letter <= _NINE


@called
def _exponent(text: Bytes, at: int) -> tuple[int, int]:
    """Return a power of ten and where it ends; a large one is as good as any other."""
    negative = text[at] == _MINUS
    if negative or text[at] == _PLUS:
        at += 1
    if not _is_digit(text[at]):
        return 0, NOT_READ
    exponent = 0
    while _is_digit(text[at]):
        exponent = min(10 * exponent + (text[at] - _ZERO), 10_000)
        at += 1
    return -exponent if negative else exponent, at


@called
def _value(digits: int, power: int) -> float:
    """Return digits x 10 ** power; NaN where it is not ours."""
    if digits < _EXACT_BELOW and abs(power) <= _EXACT_POWER:
        if power < 0:
            return float(float(digits) / _EXACT_TENS[-power])
        return float(float(digits) * _EXACT_TENS[power])
    if not _POWER_LEAST <= power <= _POWER_MOST:
        return np.nan
    zeros = leading_zeros(digits)
    upper, lower = multiply(
        UPPER_READ[power - LEAST_POWER], LOWER_READ[power - LEAST_POWER], digits << zeros
    )
    if lower == -1:  # all ones: what is not known of the power might carry
        return np.nan
    above = 1 if upper < 0 else 0  # the uppermost bit
    mantissa = (upper >> (above + 9)) & ((1 << (55 - above)) - 1)
    mantissa &= (1 << 54) - 1
    exponent = _log2_of_power(power) + 63 + above - zeros + 1_023
    tie = 0 <= lower <= 1 and _TIES_LEAST <= power <= _TIES_MOST and mantissa & 3 == 1
    if tie and mantissa << (above + 9) == upper:
        mantissa -= 1
    mantissa = (mantissa + (mantissa & 1)) >> 1
    return float(np.ldexp(float(mantissa), exponent - 1_075))
