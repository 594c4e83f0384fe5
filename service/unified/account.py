"""A whole account out of ccxt's `fetch_positions()` and `fetch_balance()`, or why there is none.

All or nothing: a part of what an account holds would be an account that nobody has.
"""

from collections.abc import Sequence

from service.contract.accounts import FAULTS_MAX, AccountDocument, document_faults
from service.contract.names import Venue
from service.errors import Fault, InvalidInput
from service.unified.balances import READERS, read_balances
from service.unified.figures import Json
from service.unified.positions import is_open, read_position
from service.unified.records import AccountReading, NotRead, Remark, Terms

UNDERSTOOD = tuple(READERS)


def read_account(
    venue: Venue, positions: Sequence[Json], balance: Json, terms: Terms
) -> AccountReading:
    """Return the account; raises InvalidInput with where and why each thing is not understood.

    Pointers are those of `{"positions": [...], "balance": {...}}`.
    """
    if venue not in UNDERSTOOD:
        known = ", ".join(UNDERSTOOD)
        detail = f"what {venue} means by ccxt's numbers is not known here; known are: {known}"
        raise InvalidInput.of(Fault("/venue", "venue_not_understood", detail))
    faults: list[Fault] = []
    remarks: list[Remark] = []
    rows = []
    for place, position in enumerate(positions):
        if not is_open(position):
            continue
        pointer = f"/positions/{place}"
        try:
            row, said = read_position(venue, position, terms)
        except NotRead as why:
            faults.append(why.fault(pointer))
            continue
        rows.append(row)
        remarks += [Remark(pointer + one.pointer, one.code, one.detail) for one in said]
    if not faults:
        try:
            balances, mode, said = read_balances(venue, balance, rows, terms)
        except NotRead as why:
            faults.append(why.fault("/balance"))
    if faults:
        raise InvalidInput.of(*faults[:FAULTS_MAX])
    remarks += [Remark(f"/balance{one.pointer}", one.code, one.detail) for one in said]
    document = AccountDocument(venue=venue, collateral_mode=mode, balances=balances, positions=rows)
    if found := document_faults(document):
        raise InvalidInput.of(*found)
    return AccountReading(document, remarks)
