"""Columns that grow: a dataclass of equally long arrays as one; row ranges as index arrays."""

from dataclasses import fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Ints

_Whole: TypeAlias = NDArray[np.signedinteger[Any]]


def grow(columns: Any, rows: int) -> None:
    """Make room for `rows` in every column of a dataclass; capacity doubles, new rows are zero."""
    for field in fields(columns):
        old = getattr(columns, field.name)
        if len(old) >= rows:
            return
        new = np.zeros(max(rows, 2 * len(old), 64), old.dtype)
        new[: len(old)] = old
        setattr(columns, field.name, new)


def keep(columns: Any, rows: Ints) -> None:
    """Keep only these rows of every column, in this order."""
    for field in fields(columns):
        setattr(columns, field.name, getattr(columns, field.name)[rows])


def spread(first: _Whole, count: _Whole) -> Ints:
    """Return the rows of all ranges [first, first + count), one range after the other."""
    ends = np.cumsum(count, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(first - (ends - count), count) + np.arange(total, dtype=np.int64)
