"""Every set of lines that accounts are judged by, once each: accounts mostly share them."""

import numpy as np

from service.risk.columns import Ints, Pools
from service.risk.model import Thresholds
from service.risk.rows import Records

LINES = np.dtype(
    [
        ("warning", np.float64),
        ("margin_call", np.float64),
        ("hysteresis", np.float64),
        ("ease_after_ms", np.int64),
        ("repeat_every_ms", np.int64),
        ("repeat_until_acknowledged", np.bool_),
    ],
    align=True,
)


class Lines:
    """Numbers for sets of lines; `columns` has a row a number."""

    def __init__(self) -> None:
        self.columns: Records = np.zeros(4, LINES)
        self._numbers: dict[tuple[float | int | bool, ...], int] = {}

    def numbers(self, pools: Pools) -> Ints:
        """Return the number of the lines of each of these pools."""
        given = np.zeros(len(pools.warning), LINES)
        for name in LINES.names or ():
            given[name] = getattr(pools, name)
        distinct, which = np.unique(given, return_inverse=True)
        numbers: Ints = np.array([self._number(*row) for row in distinct.tolist()], np.int64)
        return numbers[which]

    def thresholds(self, number: int) -> Thresholds:
        """Return the lines that have this number."""
        return Thresholds(*self.columns[number].item())

    def _number(self, *key: float | int | bool) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._numbers)
            if number >= len(self.columns):
                self.columns = np.concatenate([self.columns, np.zeros(number, LINES)])
            self.columns[number] = key
        return number
