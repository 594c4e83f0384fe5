"""Which of an account's symbols nobody listed."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import TypeAlias

import numpy as np

from service.api.follower import MarketFollower
from service.contract.accounts import AccountDocument
from service.errors import Fault, StoreUnavailable
from service.risk.columns import Statements
from service.risk.markets import MarketTable
from service.risk.model import GENERIC_VENUE

FAULTS_MAX = 10

Name: TypeAlias = tuple[str, str]  # venue, symbol


def unlisted(documents: Iterable[AccountDocument], table: MarketTable) -> set[Name]:
    """Return which symbols of open positions have no instrument, their venue's or generic's."""
    names: dict[str, set[str]] = defaultdict(set)  # by venue
    for document in documents:
        names[document.venue or GENERIC_VENUE].update(
            [row.symbol for row in document.positions or () if row.contracts != 0.0]
        )
    return {
        (venue, symbol)
        for venue, symbols in names.items()
        for symbol in symbols
        if table.find_instrument(venue, symbol) is None
    }


def are_listed(given: Statements, table: MarketTable) -> bool:
    """Return whether every symbol has an instrument, its account's venue's or generic's."""
    venues = sorted(set(given.venue))
    if len(venues) == 1:
        return all(table.lists(venues[0], symbol) for symbol in given.symbol.words)
    venue = np.array([venues.index(each) for each in given.venue])
    pairs = np.repeat(venue, given.positions) * len(given.symbol.words) + given.symbol.code
    named = (divmod(pair, len(given.symbol.words)) for pair in np.unique(pairs).tolist())
    return all(table.lists(venues[at], given.symbol.words[code]) for at, code in named)


async def unlisted_by_now(
    documents: Collection[AccountDocument], follower: MarketFollower, reach_s: float
) -> set[Name]:
    """Return what is unlisted, also in what other workers have taken; it may be on its way to us.

    Raises StoreUnavailable when there is something, but nothing is known yet.
    """
    missing = unlisted(documents, follower.table)
    if missing:
        await follower.catch_up(reach_s)
        missing = unlisted(documents, follower.table)
    if missing and not follower.known:
        raise StoreUnavailable("the instruments are not known yet")
    return missing


def unknown_symbols(
    document: AccountDocument, missing: Collection[Name], pointer: str
) -> list[Fault]:
    """Return a fault for each open position of a symbol that is `missing`."""
    if not missing:
        return []
    venue = document.venue or GENERIC_VENUE
    return [
        Fault(
            f"{pointer}/positions/{index}/symbol",
            "unknown_symbol",
            "no instrument of this symbol at the account's venue, nor a generic one",
        )
        for index, row in enumerate(document.positions or ())
        if row.contracts != 0.0 and (venue, row.symbol) in missing
    ][:FAULTS_MAX]
