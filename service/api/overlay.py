"""A call's own prices and instruments over the worker's picture, for this one call."""

import math
from collections.abc import Collection, Iterable

from msgspec.structs import replace

from service.api.answer_parts import FROM_REQUEST_MS
from service.api.limits import Limits
from service.contract.accounts import NamedAccountDocument
from service.contract.decoding import check_count
from service.contract.evaluate_request import Prices
from service.contract.instruments import InstrumentDocument, to_instrument
from service.risk.markets import MarketTable
from service.risk.model import GENERIC_VENUE, Mark
from service.risk.reports import Basis


def overlaid(
    asked: Prices,
    instruments: Iterable[InstrumentDocument],
    venues: Iterable[str],
    stored: MarketTable,
    basis: Basis,
) -> MarketTable:
    """Return the stored picture with a body's instruments and prices over it, on one basis."""
    table = MarketTable(stored, basis=basis)
    for index, document in enumerate(instruments):
        table.put_instrument(to_instrument(document, f"/instruments/{index}"))
    marks, last, of_index = asked.marks or {}, asked.last_prices or {}, asked.index_prices or {}
    more = dict.fromkeys((*last, *of_index))
    plain = {name: mark for name, mark in marks.items() if name not in more} if more else marks
    for venue in venues if marks or more else ():
        table.quote(venue, plain, FROM_REQUEST_MS)
        for symbol in more:
            price, worth, newest = marks.get(symbol), of_index.get(symbol), last.get(symbol)
            if price is None:
                before = _known(stored, venue, symbol)
                price = before.mark_price
                worth = before.index_price if worth is None else worth
                newest = before.last_price if newest is None else newest
            table.put_mark(Mark(symbol, price, venue, worth, newest), FROM_REQUEST_MS)
    return table


def _known(stored: MarketTable, venue: str, symbol: str) -> Mark:
    """Return the newest prices that are known of a symbol."""
    found = stored.find_report(venue, symbol)
    return Mark(symbol, math.nan) if found is None else found[1].mark


def venues_of(accounts: Iterable[NamedAccountDocument]) -> set[str]:
    """Return the venues whose markets a body's accounts see."""
    return {account.venue or GENERIC_VENUE for account in accounts}


def check_prices(asked: Prices, venues: int, limits: Limits) -> None:
    """Raise TooManyItems: each price of the body counts at each venue."""
    given = sum(map(len, (asked.marks or (), asked.last_prices or (), asked.index_prices or ())))
    check_count(given * venues, limits.positions_max, "prices (at each venue)")


def unread_marks(asked: Prices, accounts: Iterable[NamedAccountDocument]) -> Collection[str]:
    """Return the symbols whose positions' own marks are not read: others go first, or no mark."""
    if asked.price_basis == "mark":
        return asked.marks or ()
    return {row.symbol for account in accounts for row in account.positions or ()}


def drop_marks(document: NamedAccountDocument, asked: Prices, basis: Basis) -> NamedAccountDocument:
    """Return an account without marks that the body has others for, or that are not asked for."""
    marked = asked.marks or {}
    if not marked and basis == "mark":
        return document
    positions = [
        replace(position, mark_price=None)
        if basis != "mark" or position.symbol in marked
        else position
        for position in document.positions or ()
    ]
    return replace(document, positions=positions)
