"""Exact rationals by GMP: the arithmetic of `fractions.Fraction`, several times as fast.

The type checker sees the standard library's class; what runs is gmpy2's `mpq`, exact for floats.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction
else:
    import gmpy2

    Fraction = gmpy2.mpq

__all__ = ["Fraction"]
