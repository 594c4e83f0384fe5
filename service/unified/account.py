"""A whole account out of ccxt's `fetch_positions()` and `fetch_balance()`, or why there is none.

All or nothing: a part of what an account holds would be an account that nobody has.
"""

import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from service.contract.accounts import (
    FAULTS_MAX,
    AccountDocument,
    BalanceDocument,
    document_faults,
)
from service.contract.decoding import decode
from service.contract.names import Venue
from service.contract.positions import PositionDocument
from service.errors import Fault, InvalidInput
from service.unified.balances import READERS, read_balances
from service.unified.figures import Json
from service.unified.positions import is_open, read_position
from service.unified.records import AccountReading, NotRead, Remark, Terms

UNDERSTOOD = tuple(READERS)

Document = TypeVar("Document")

_positions = msgspec.json.Decoder(PositionDocument)
_balances = msgspec.json.Decoder(BalanceDocument)
_POSITION = re.compile(r"^/positions/(\d+)")


def read_account(
    venue: Venue, positions: Sequence[Json], balance: Json, terms: Terms
) -> AccountReading:
    """Return the account; raises InvalidInput with where and why each thing is not understood.

    Pointers are those of `{"positions": [...], "balance": {...}}`.
    """
    if venue not in UNDERSTOOD:
        known = ", ".join(UNDERSTOOD)
        detail = f"what this venue means by ccxt's numbers is not known here; known are: {known}"
        raise InvalidInput.of(Fault("/venue", "venue_not_understood", detail))
    remarks: list[Remark] = []
    rows, places = _rows(venue, positions, terms, remarks)
    try:
        balances, mode, said = read_balances(venue, balance, rows, terms)
    except NotRead as why:
        raise InvalidInput.of(why.fault("/balance")) from None
    balances = [_checked(one, _balances, "/balance") for one in balances]
    remarks += [_below("/balance", one) for one in said]
    document = AccountDocument(venue=venue, collateral_mode=mode, balances=balances, positions=rows)
    if found := document_faults(document):
        raise InvalidInput.of(*(placed(fault, places) for fault in found))
    return AccountReading(document, remarks, places)


def _rows(
    venue: Venue, positions: Sequence[Json], terms: Terms, remarks: list[Remark]
) -> tuple[list[PositionDocument], list[int]]:
    """Return the open positions and where each stands; raises InvalidInput for all that fail."""
    rows, places = list[PositionDocument](), list[int]()
    faults: list[Fault] = []
    for place, position in enumerate(positions):
        if not is_open(position):
            continue
        pointer = f"/positions/{place}"
        try:
            row, said = read_position(venue, position, terms)
            rows.append(_checked(row, _positions, pointer))
        except NotRead as why:
            faults.append(why.fault(pointer))
        except InvalidInput as error:
            faults += error.faults
        else:
            places.append(place)
            remarks += [_below(pointer, one) for one in said]
        if len(faults) >= FAULTS_MAX:
            break
    if faults:
        raise InvalidInput.of(*faults[:FAULTS_MAX])
    return rows, places


def _checked(
    document: Document, decoder: "msgspec.json.Decoder[Document]", pointer: str
) -> Document:
    """Hold what was read to the contract's types: bounds, lengths, characters of names."""
    return decode(msgspec.json.encode(document), decoder, pointer)


def _below(pointer: str, remark: Remark) -> Remark:
    return Remark(pointer + remark.pointer, remark.code, remark.detail)


def placed(fault: Fault, places: Sequence[int]) -> Fault:
    """Return a fault of the document where it stands in what was given."""
    pointer = _POSITION.sub(lambda found: f"/positions/{places[int(found[1])]}", fault.pointer)
    return Fault(pointer.replace("/balances", "/balance", 1), fault.code, fault.detail)
