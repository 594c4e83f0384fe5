"""`POST /v1/evaluate`: accounts in, every figure of the contract out; nothing is kept.

Marks and instruments of the body are laid over the worker's picture for this one call. An account
with a fault is named and left out; the others are answered. When none is left, the call is refused.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

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
from service.api.overlay import check_prices, drop_marks, overlaid, venues_of
from service.api.replies import json_reply
from service.api.symbols import unknown_symbols, unlisted
from service.contract.accounts import to_account
from service.contract.decoding import pointer_to
from service.contract.evaluate_request import EvaluateRequest, decode_request
from service.contract.evaluation import EvaluateAnswer
from service.contract.problems import fault_answers
from service.errors import Fault, InvalidInput, StoreUnavailable, TooManyItems
from service.risk.markets import MarketTable
from service.risk.model import Account


@dataclass(slots=True)
class _Sorted:
    """The accounts to evaluate with their places in the body, and what was wrong with others."""

    accounts: list[Account] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


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
            return json_reply(_evaluated(asked, places, faults, follower, examiner))

    return router


def _evaluated(
    asked: EvaluateRequest,
    places: list[int],
    faults: list[Fault],
    follower: MarketFollower,
    examiner: Examiner,
) -> EvaluateAnswer:
    venues = venues_of(asked.accounts)
    table = overlaid(asked, asked.instruments or (), venues, follower.table, asked.price_basis)
    found = _sort(asked, places, faults, table)
    if not follower.known and any(fault.code == "unknown_symbol" for fault in found.faults):
        raise StoreUnavailable("the instruments are not known yet: give them in the body")
    supposed = Supposed(asked.betas or {}, None if asked.gap is None else asked.gap.move_pct)
    answers, overflown = answer_accounts(
        found.accounts,
        table,
        follower.clock_ms(),
        supposed=supposed,
        examination=examiner.of(question_of(asked), found.accounts),
    )
    for index in overflown:
        where = pointer_to("accounts", found.places[index])
        found.faults.append(Fault(where, "out_of_range", "a figure is too large for a number"))
    if not answers:
        raise InvalidInput.of(*found.faults)
    return EvaluateAnswer(int(time.time() * 1_000), answers, fault_answers(found.faults))


def _sort(
    asked: EvaluateRequest, places: list[int], faults: list[Fault], table: MarketTable
) -> _Sorted:
    """Check every account; all of one id are refused when there are several."""
    found = _Sorted(faults=list(faults))
    counts = Counter(document.id for document in asked.accounts)
    missing = unlisted(asked.accounts, table)
    for place, document in zip(places, asked.accounts, strict=True):
        pointer = f"/accounts/{place}"
        if counts[document.id] > 1:
            detail = "this id is listed more than once"
            found.faults.append(Fault(f"{pointer}/id", "duplicate_id", detail))
            continue
        try:
            priced = drop_marks(document, asked, asked.price_basis)
            account = to_account(priced, document.id, pointer)
            unknown = unknown_symbols(document, missing, pointer)
        except InvalidInput as error:
            unknown = list(error.faults)
        if unknown:
            found.faults.extend(unknown)
            continue
        found.accounts.append(account)
        found.places.append(place)
    return found


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
