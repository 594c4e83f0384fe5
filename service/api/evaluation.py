"""`POST /v1/evaluate`: accounts in, every figure of the contract out; nothing is kept.

Marks and instruments of the body are laid over the worker's picture for this one call. An account
with a fault is named and left out; the others are answered. When none is left, the call is refused.

Only numbering the markets needs the worker's picture. What is before and behind it may be done
beside the event loop, and is for large bodies (see `load`).
"""

import time
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request, Response

from service.api import examples
from service.api.answers import Asking, Examination, Told, answer_batch, no_standing
from service.api.arrow_form import (
    TABLE_PARAMETER,
    answer_of,
    check_installed,
    read_stream,
    with_stream,
)
from service.api.bodies import ARROW, JSON, BodyReader
from service.api.calls import Call, ListedRequest, ids_of, read_call, read_listed, sort_accounts
from service.api.checkup import Examiner, question_of
from service.api.column_answers import PreparedTable, prepare_table
from service.api.direct import DirectRoute
from service.api.documents import BODY_ERRORS, answer, either, json_body, operation
from service.api.entrance import Entrance
from service.api.fields import FIELDS_PARAMETER, chosen_of
from service.api.figures import Supposed
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.load import EngineQueue
from service.api.metrics import Metrics
from service.api.overlay import check_prices, overlaid
from service.api.replies import Part, text_reply, with_accounts
from service.api.symbols import are_listed
from service.contract.chosen import EVERYTHING, Chosen
from service.contract.columns_answer import ColumnsAnswer
from service.contract.columns_request import ColumnsRequest
from service.contract.decoding import pointer_to
from service.contract.evaluate_request import EvaluateQuestion, EvaluateRequest
from service.contract.evaluation import EvaluateAnswer
from service.contract.plain_request import PlainRequest
from service.contract.problems import fault_answers
from service.contract.some_answer import SomeColumnsAnswer, SomeEvaluateAnswer
from service.contract.tabled import TabledRequest
from service.errors import Fault, InvalidInput, StoreUnavailable, TooManyItems
from service.risk.batch import batch_of
from service.risk.markets import MarketTable


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
    router = APIRouter(prefix="/v1", tags=["evaluate"], route_class=DirectRoute)

    @router.post("/evaluate", response_class=Response, openapi_extra=_EVALUATE)
    async def evaluate(request: Request) -> Response:
        caller = await entrance.admit_list(request, "evaluate")
        queue.check()
        check_installed(request)
        body, media_type = await bodies.read(request, JSON, ARROW)
        chosen, in_arrow, size = chosen_of(request), answer_of(request), len(body)
        read = read_stream if media_type == ARROW else read_call
        async with queue.turn(size):
            call: Call = await queue.work(size, partial(read, body, limits))
            check_prices(call.question, len(call.venues), limits)
            await entrance.charge(request, caller, max(call.accounts, call.positions))
            metrics.positions.observe(call.positions)
            prepared = prepare(call, follower, examiner, chosen)
            if prepared is None:
                listed = await queue.work(size, partial(read_listed, body, limits))
                prepared = prepare(listed, follower, examiner, chosen)
            assert prepared is not None
            if isinstance(prepared, PreparedTable) and in_arrow is not None:
                told = await queue.work(size, partial(in_arrow, prepared))
                return Response(told, media_type=ARROW)
            if isinstance(prepared, Prepared) and prepared.examination is not None:
                return text_reply(*prepared.answered())  # asks more of the worker's picture
            return text_reply(*await queue.work(size, prepared.answered))

    return router


def evaluated(
    asked: EvaluateRequest,
    places: list[int],
    faults: list[Fault],
    follower: MarketFollower,
    examiner: Examiner,
) -> bytes:
    """Return the answer's JSON; `places` says where each account stands in the body."""
    positions = sum(len(account.positions or ()) for account in asked.accounts)
    prepared = prepare(ListedRequest(asked, positions, places, faults), follower, examiner)
    assert isinstance(prepared, Prepared)
    return b"".join(prepared.answered())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call whose markets have their numbers: nothing else is needed to answer it."""

    question: EvaluateQuestion
    told: Told
    table: MarketTable
    now_ms: int
    places: list[int] | range  # of the accounts in the body
    faults: list[Fault]
    examination: Examination | None = None
    chosen: Chosen = EVERYTHING

    def answered(self) -> tuple[Part, ...]:
        """Return the whole answer in parts; raises InvalidInput where it has no account."""
        gap = self.question.gap
        supposed = Supposed(self.question.betas or {}, None if gap is None else gap.move_pct)
        standing = no_standing(self.told.batch)
        asking = Asking(standing, supposed, self.examination, self.chosen)
        answers = answer_batch(self.told, self.table, self.now_ms, asking)
        faults = list(self.faults)
        for index in answers.left_out:
            where = pointer_to("accounts", self.places[index])
            faults.append(Fault(where, "out_of_range", "a figure is too large for a number"))
        if len(answers.left_out) == len(self.places):
            raise InvalidInput.of(*faults)
        frame = EvaluateAnswer(int(time.time() * 1_000), [], fault_answers(faults))
        return with_accounts(frame, answers.joined())


def prepare(
    call: Call, follower: MarketFollower, examiner: Examiner, chosen: Chosen = EVERYTHING
) -> Prepared | PreparedTable | None:
    """Number a call's markets by the worker's picture; None: read it account by account.

    Raises InvalidInput, StoreUnavailable, TooManyItems.
    """
    if isinstance(call, TabledRequest):
        return prepare_table(call, follower, chosen)
    question, stored = call.question, follower.table
    instruments = question.instruments or ()
    table = overlaid(question, instruments, call.venues, stored, question.price_basis)
    now_ms = follower.clock_ms()
    if isinstance(call, PlainRequest):
        if not are_listed(call.given, table):
            return None
        told = Told(ids_of(call), call.given, batch_of(call.given, table))
        return Prepared(question, told, table, now_ms, range(call.accounts), [], None, chosen)
    return _prepared(call, table, follower, examiner, chosen)


def _prepared(
    call: ListedRequest,
    table: MarketTable,
    follower: MarketFollower,
    examiner: Examiner,
    chosen: Chosen,
) -> Prepared:
    found = sort_accounts(call, table)
    if not follower.known and any(fault.code == "unknown_symbol" for fault in found.faults):
        raise StoreUnavailable("the instruments are not known yet: give them in the body")
    told = Told(found.ids, found.given, batch_of(found.given, table))
    examination = examiner.of(question_of(call.question), found.records)
    places, now_ms = found.places, follower.clock_ms()
    return Prepared(call.question, told, table, now_ms, places, found.faults, examination, chosen)


_STREAM_ANSWER = "Of a call in columns: tables as Arrow IPC streams, one behind the other."
_STREAM_BODY = (
    "Arrow IPC streams, one behind the other, not compressed: positions, balances and accounts "
    "where there are some, with the columns of the JSON form. All else of the call is JSON in the "
    "schema metadata of one of them, as `plimsoll`."
)
_ANSWER = answer("The accounts that could be evaluated.", EvaluateAnswer, examples.EVALUATE_ANSWER)
_ANSWERS = (EvaluateAnswer, ColumnsAnswer, SomeEvaluateAnswer, SomeColumnsAnswer)
_BODY = json_body(EvaluateRequest, examples.EVALUATE)
_EVALUATE = operation(
    "evaluate",
    "Evaluate accounts: margin, levels, liquidation prices, what would restore them",
    {200: with_stream(either(_ANSWER, *_ANSWERS), _STREAM_ANSWER)},
    body=with_stream(either(_BODY, EvaluateRequest, ColumnsRequest), _STREAM_BODY),
    parameters=(TABLE_PARAMETER, FIELDS_PARAMETER),
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable),
    access="evaluate",
)
