"""Price reports: whose serves an account, and which of its prices is asked for."""

import math
from dataclasses import dataclass
from typing import Literal

from service.risk.model import GENERIC_VENUE, Mark

Key = tuple[str, str]  # venue, symbol
Basis = Literal["mark", "last", "index"]


@dataclass(frozen=True, slots=True)
class Report:
    """The newest mark of one (venue, symbol)."""

    mark: Mark  # its mark price is NaN where only others of its prices are known
    event_time_ms: int


def lookups(venue: str, symbol: str) -> tuple[Key, ...]:
    """Return who may serve an account of a venue, the best first."""
    return ((venue, symbol), (GENERIC_VENUE, symbol))


def price_on(mark: Mark, basis: Basis) -> float:
    """Return the price that positions are valued at; NaN where the report has none of its kind."""
    price = {"mark": mark.mark_price, "last": mark.last_price, "index": mark.index_price}[basis]
    return math.nan if price is None else price


def worth_of(mark: Mark) -> float | None:
    """Return the price that collateral is valued at: the index, else the mark."""
    price = mark.mark_price if mark.index_price is None else mark.index_price
    return None if math.isnan(price) else price
