"""Which of an account's symbols nobody listed."""

from collections.abc import Iterable

from service.contract.accounts import AccountDocument
from service.errors import Fault
from service.risk.markets import MarketTable
from service.risk.model import GENERIC_VENUE, Account

FAULTS_MAX = 10


def unknown_symbols(
    account: Account, document: AccountDocument, table: MarketTable, pointer: str
) -> list[Fault]:
    """Return a fault for each position whose symbol has no instrument, its venue's or generic's."""
    missing = {
        position.symbol
        for position in account.positions
        if table.find_instrument(account.venue, position.symbol) is None
    }
    if not missing:
        return []
    return [
        Fault(
            f"{pointer}/positions/{index}/symbol",
            "unknown_symbol",
            "no instrument of this symbol at the account's venue, nor a generic one",
        )
        for index, row in enumerate(document.positions or ())
        if row.symbol in missing and row.contracts != 0.0
    ][:FAULTS_MAX]


def any_unknown(documents: Iterable[AccountDocument], table: MarketTable) -> bool:
    """Say whether any open position of these has a symbol without an instrument."""
    names = {
        (document.venue or GENERIC_VENUE, row.symbol)
        for document in documents
        for row in document.positions or ()
        if row.contracts != 0.0
    }
    return any(table.find_instrument(venue, symbol) is None for venue, symbol in names)
