"""`POST /v1/evaluate`: accounts in, every figure of the contract out; nothing is kept.

Marks and instruments of the body are laid over the worker's picture for this one call. An account
with a fault is named and left out; the others are answered. When none is left, the call is refused.
"""

import time
from collections import Counter
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from service.api import examples
from service.api.answers import answer_accounts
from service.api.bodies import BodyReader
from service.api.checkup import Examiner, question_of
from service.api.documents import BODY_ERRORS, answer, json_body, operation
from service.api.entrance import Entrance
from service.api.figures import Supposed
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.load import EngineQueue
from service.api.metrics import Metrics
from service.api.overlay import check_prices, overlaid, unread_marks, venues_of
from service.api.replies import text_reply, with_accounts
from service.api.symbols import Name, unknown_symbols, unlisted
from service.contract.accounts import NamedAccountDocument, document_faults, to_account
from service.contract.decoding import pointer_to
from service.contract.evaluate_request import EvaluateRequest, decode_request
from service.contract.evaluation import EvaluateAnswer
from service.contract.problems import fault_answers
from service.contract.stated import state
from service.errors import Fault, InvalidInput, StoreUnavailable, TooManyItems
from service.risk.columns import Bools, Statements
from service.risk.markets import MarketTable
from service.risk.model import Account


@dataclass(slots=True)
class _Sorted:
    """The accounts to evaluate with their places in the body, and what was wrong with others."""

    documents: list[NamedAccountDocument]
    given: Statements
    places: list[int]
    faults: list[Fault]

    @property
    def names(self) -> list[str]:
        return [document.id for document in self.documents]

    def records(self) -> list[Account]:
        """Return them one by one, for who looks at more of them than the figures go by."""
        return [to_account(document, document.id) for document in self.documents]


def build_evaluate_router(
    entrance: Entrance,
    follower: MarketFollower,
    bodies: BodyReader,
    limits: Limits,
    *,
    queue: EngineQueue,
    metrics: Metrics,
    examiner: Examiner,
) -> APIRouter:
    """Build the route that evaluates; it needs nobody but the worker's own picture."""
    router = APIRouter(prefix="/v1", tags=["evaluate"])

    @router.post("/evaluate", response_class=Response, openapi_extra=_EVALUATE)
    async def evaluate(request: Request) -> Response:
        caller = await entrance.admit_list(request, "evaluate")
        queue.check()
        body, _ = await bodies.read(request)
        async with queue.turn(len(body)):
            asked, places, faults = decode_request(body, limits.accounts_max)
            positions = limits.check_positions(asked.accounts)
            check_prices(asked, len(venues_of(asked.accounts)), limits)
            await entrance.charge(request, caller, max(len(asked.accounts), positions))
            metrics.positions.observe(positions)
            return text_reply(evaluated(asked, places, faults, follower, examiner))

    return router


def evaluated(
    asked: EvaluateRequest,
    places: list[int],
    faults: list[Fault],
    follower: MarketFollower,
    examiner: Examiner,
) -> bytes:
    """Return the answer's JSON; `places` says where each account stands in the body."""
    venues = venues_of(asked.accounts)
    table = overlaid(asked, asked.instruments or (), venues, follower.table, asked.price_basis)
    found = _sort(asked, places, faults, table)
    if not follower.known and any(fault.code == "unknown_symbol" for fault in found.faults):
        raise StoreUnavailable("the instruments are not known yet: give them in the body")
    supposed = Supposed(asked.betas or {}, None if asked.gap is None else asked.gap.move_pct)
    answers = answer_accounts(
        found.names,
        found.given,
        table,
        follower.clock_ms(),
        supposed=supposed,
        examination=examiner.of(question_of(asked), found.records),
    )
    for index in answers.left_out:
        where = pointer_to("accounts", found.places[index])
        found.faults.append(Fault(where, "out_of_range", "a figure is too large for a number"))
    if len(answers.left_out) == len(found.names):
        raise InvalidInput.of(*found.faults)
    frame = EvaluateAnswer(int(time.time() * 1_000), [], fault_answers(found.faults))
    return with_accounts(frame, answers.joined())


def _sort(
    asked: EvaluateRequest, places: list[int], faults: list[Fault], table: MarketTable
) -> _Sorted:
    """Check every account; all of one id are refused when there are several."""
    documents, marked = asked.accounts, unread_marks(asked, asked.accounts)
    missing = unlisted(documents, table)
    names = [document.id for document in documents]
    stated = state(documents, marked)
    if not faults and not missing and len(set(names)) == len(names) and not stated.suspects.any():
        return _Sorted(documents, stated.statements, places, [])
    good, faults = _checked(asked, stated.suspects, places, list(faults), missing)
    kept = [documents[index] for index in good]
    places = [places[index] for index in good]
    return _Sorted(kept, state(kept, marked).statements, places, faults)


def _checked(
    asked: EvaluateRequest,
    suspects: Bools,
    places: list[int],
    faults: list[Fault],
    missing: set[Name],
) -> tuple[list[int], list[Fault]]:
    """Return which accounts are good, and what is wrong with the others beside known faults."""
    good: list[int] = []
    counts = Counter(document.id for document in asked.accounts)
    marked = unread_marks(asked, asked.accounts)
    rows = zip(asked.accounts, places, suspects.tolist(), strict=True)
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


_EVALUATE = operation(
    "evaluate",
    "Evaluate accounts: margin, levels, liquidation prices, what would restore them",
    {
        200: answer(
            "The accounts that could be evaluated.", EvaluateAnswer, examples.EVALUATE_ANSWER
        )
    },
    body=json_body(EvaluateRequest, examples.EVALUATE),
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable),
    access="evaluate",
)
