"""Price reports: whose serves an account, and which of its prices is asked for."""

import math
from collections.abc import Callable, Collection
from typing import Literal, NamedTuple

from service.risk.model import GENERIC_VENUE, Mark
from service.risk.symbols import direct, quoted, settle_of

Key = tuple[str, str]  # venue, symbol
Basis = Literal["mark", "last", "index"]


class Report(NamedTuple):
    """The newest mark of one (venue, symbol)."""

    mark: Mark  # its mark price is NaN where only others of its prices are known
    event_time_ms: int


def lookups(venue: str, symbol: str) -> tuple[Key, ...]:
    """Return who may serve an account of a venue, the best first."""
    return ((venue, symbol), (GENERIC_VENUE, symbol))


def price_on(mark: Mark, basis: Basis) -> float:
    """Return the price that positions are valued at; NaN where the report has none of its kind."""
    if basis == "mark":
        return mark.mark_price
    price = mark.last_price if basis == "last" else mark.index_price
    return math.nan if price is None else price


def worth_of(mark: Mark) -> float | None:
    """Return the price that collateral is valued at: the index, else the mark."""
    price = mark.mark_price if mark.index_price is None else mark.index_price
    return None if math.isnan(price) else price


def price_in_usd(
    asset: str, pegged: Collection[str], reported: Callable[[str], float | None]
) -> float:
    """Return what one of an asset is worth, NaN where nobody says: pegged, in USD, or in a stable.

    `reported` gives what a symbol says collateral is valued at.
    """
    price = _direct_price(asset, pegged, reported)
    for symbol in quoted(asset):
        if price is None and (in_quote := reported(symbol)) is not None:
            quote = _direct_price(settle_of(symbol), pegged, reported)
            price = None if quote is None else in_quote * quote
    return math.nan if price is None else price


def _direct_price(
    asset: str, pegged: Collection[str], reported: Callable[[str], float | None]
) -> float | None:
    if asset in pegged:
        return 1.0
    found = (reported(symbol) for symbol in direct(asset))
    return next((price for price in found if price is not None), None)
