"""An evaluate call as it was read: as columns where it is plain, else account by account.

The second way knows everything a call may have in it, and says what is wrong and where. The first
is for calls that have nothing of that; when it is not sure, the second reads the call again.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

from service.api.limits import Limits
from service.api.overlay import unread_marks, venues_of
from service.api.symbols import Name, unknown_symbols, unlisted
from service.api.weaving import Coded, each, quoted
from service.contract.accounts import NamedAccountDocument, document_faults, to_account
from service.contract.columns_request import in_columns, read_columns
from service.contract.evaluate_request import EvaluateRequest, decode_request
from service.contract.plain_columns import read_plain_columns
from service.contract.plain_request import PlainRequest, read_plain
from service.contract.stated import state
from service.contract.tabled import TabledRequest
from service.errors import Fault
from service.risk.columns import Bools, Statements
from service.risk.markets import MarketTable
from service.risk.model import Account

_COLUMNS, _ACCOUNTS = b'"columns"', b'"accounts"'  # a call has one of them
_BEGIN_BYTES = 4_096  # where that one mostly stands; to look for it in all takes time


@dataclass(frozen=True, slots=True)
class ListedRequest:
    """A call as records, with the places of the accounts that can be read, and other faults."""

    question: EvaluateRequest
    positions: int
    places: list[int]
    faults: list[Fault]

    @property
    def accounts(self) -> int:
        return len(self.question.accounts)

    @property
    def venues(self) -> set[str]:
        return venues_of(self.question.accounts)


Call: TypeAlias = PlainRequest | ListedRequest | TabledRequest


@dataclass(slots=True)
class Sorted:
    """The accounts to evaluate with their places in the body, and what was wrong with others."""

    documents: list[NamedAccountDocument]
    given: Statements
    places: list[int]
    faults: list[Fault]

    @property
    def ids(self) -> Coded:
        return each([document.id for document in self.documents])

    def records(self) -> list[Account]:
        """Return them one by one, for who looks at more of them than the figures go by."""
        return [to_account(document, document.id) for document in self.documents]


def read_call(body: bytes, limits: Limits) -> Call:
    """Return a call in the form it has; raises MalformedBody, InvalidInput, TooManyItems."""
    in_lists = _COLUMNS in body[:_BEGIN_BYTES] or _ACCOUNTS not in body
    read_most = read_plain_columns if in_lists else read_plain
    plain = read_most(body, limits.accounts_max, limits.positions_max)
    if plain is not None:
        return plain
    if in_columns(body):
        return read_columns(body, limits.accounts_max, limits.positions_max)
    return read_listed(body, limits)


def read_listed(body: bytes, limits: Limits) -> ListedRequest:
    """Return a call as records; raises MalformedBody, InvalidInput, TooManyItems."""
    asked, places, faults = decode_request(body, limits.accounts_max)
    return ListedRequest(asked, limits.check_positions(asked.accounts), places, faults)


def ids_of(call: PlainRequest) -> Coded:
    """Return the ids of a plain call's accounts as they stand in its text, with their quotes."""
    return quoted(call.letters, call.starts, call.ends)


def sort_accounts(call: ListedRequest, table: MarketTable) -> Sorted:
    """Check every account; all of one id are refused when there are several."""
    documents = call.question.accounts
    marked = unread_marks(call.question, documents)
    missing = unlisted(documents, table)
    names = [document.id for document in documents]
    stated = state(documents, marked)
    good_names = len(set(names)) == len(names)
    if not call.faults and not missing and good_names and not stated.suspects.any():
        return Sorted(documents, stated.statements, call.places, [])
    good, faults = _checked(call, stated.suspects, missing)
    kept = [documents[index] for index in good]
    places = [call.places[index] for index in good]
    return Sorted(kept, state(kept, marked).statements, places, faults)


def _checked(
    call: ListedRequest, suspects: Bools, missing: set[Name]
) -> tuple[list[int], list[Fault]]:
    """Return which accounts are good, and what is wrong with the others beside known faults."""
    good: list[int] = []
    faults, documents = list(call.faults), call.question.accounts
    counts = Counter(document.id for document in documents)
    marked = unread_marks(call.question, documents)
    rows = zip(documents, call.places, suspects.tolist(), strict=True)
    for index, (document, place, suspect) in enumerate(rows):
        pointer = f"/accounts/{place}"
        if counts[document.id] > 1:
            detail = "this id is listed more than once"
            faults.append(Fault(f"{pointer}/id", "duplicate_id", detail))
            continue
        found = document_faults(document, pointer, marked=marked) if suspect else []
        found = found or unknown_symbols(document, missing, pointer)
        faults.extend(found)
        if not found:
            good.append(index)
    return good, faults
