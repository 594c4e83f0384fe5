"""Which of an account's symbols nobody listed."""

from service.contract.accounts import AccountDocument
from service.errors import Fault
from service.risk.markets import MarketTable
from service.risk.model import Account

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
