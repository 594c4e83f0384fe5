"""`POST /v1/evaluate:ccxt`: what ccxt returns of an account, unchanged; understood, then evaluated.

Venues mean different things by the same field: `docs/sync.md` has the table.
"""

from collections.abc import Mapping

import msgspec
from fastapi import APIRouter, Request, Response

from service.api.bodies import BodyReader
from service.api.ccxt_examples import ANSWER, REQUEST
from service.api.checkup import Examiner
from service.api.documents import BODY_ERRORS, answer, json_body, operation
from service.api.entrance import Entrance
from service.api.evaluation import evaluated
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.load import EngineQueue
from service.api.replies import text_reply
from service.contract.accounts import NamedAccountDocument
from service.contract.ccxt import (
    CcxtAnswer,
    CcxtReadAnswer,
    CcxtRequest,
    RemarkAnswer,
    decode_ccxt,
)
from service.contract.decoding import check_count
from service.contract.evaluate_request import EvaluateRequest
from service.contract.instruments import InstrumentDocument
from service.errors import Fault, InvalidInput, StoreUnavailable, TooManyItems
from service.imports.ccxt_tables import read_ccxt
from service.imports.listings import Json
from service.imports.records import Asked
from service.unified.account import placed, read_account
from service.unified.records import AccountReading, Remark, Terms
from service.unified.terms import terms_in_positions

_encoder = msgspec.json.Encoder()


def build_ccxt_router(
    entrance: Entrance,
    follower: MarketFollower,
    bodies: BodyReader,
    limits: Limits,
    *,
    queue: EngineQueue,
    examiner: Examiner,
) -> APIRouter:
    """Build the route; nothing is kept."""
    router = APIRouter(prefix="/v1", tags=["evaluate"])

    @router.post("/evaluate:ccxt", response_class=Response, openapi_extra=_EVALUATE_CCXT)
    async def evaluate_ccxt(request: Request) -> Response:
        caller = await entrance.admit_list(request, "evaluate")
        queue.check()
        body, _ = await bodies.read(request)
        async with queue.turn(len(body)):
            asked = decode_ccxt(body)
            check_count(len(asked.positions), limits.positions_max, "positions")
            await entrance.charge(request, caller, len(asked.positions))
            return text_reply(_read_and_evaluated(asked, follower, examiner))

    return router


def _read_and_evaluated(asked: CcxtRequest, follower: MarketFollower, examiner: Examiner) -> bytes:
    terms = Terms(asked.collateral_mode, asked.margin_mode, asked.weights or {})
    reading = read_account(asked.venue, asked.positions, asked.balance, terms)
    instruments = _instruments(asked, reading, follower)
    account = msgspec.structs.asdict(reading.document)
    request = EvaluateRequest(
        accounts=[NamedAccountDocument(id=asked.id, **account)],
        marks=asked.marks,
        instruments=instruments,
    )
    try:
        answered = evaluated(request, [0], [], follower, examiner)
    except InvalidInput as error:
        raise InvalidInput.of(*(_here(fault, reading) for fault in error.faults)) from None
    remarks = [RemarkAnswer(one.pointer, one.code, one.detail) for one in reading.remarks]
    read = CcxtReadAnswer(reading.document, instruments, remarks)
    return b'%b,"read":%b}' % (answered[:-1], _encoder.encode(read))


def _here(fault: Fault, reading: AccountReading) -> Fault:
    """Return a fault of the evaluation where it stands in this call's body."""
    own = fault.pointer.removeprefix("/accounts/0")
    return placed(Fault(own, fault.code, fault.detail), reading.places)


def _instruments(
    asked: CcxtRequest, reading: AccountReading, follower: MarketFollower
) -> list[InstrumentDocument]:
    """Return the tables of what is held: those given, else what `info` says of those not stored."""
    held = {row.symbol for row in reading.document.positions or ()}
    found: list[InstrumentDocument] = []
    if asked.leverage_tiers is not None and held:
        markets: Mapping[str, object] = asked.markets or _sizes(asked)
        tables: Json = {
            key: asked.leverage_tiers[key] for key in held & asked.leverage_tiers.keys()
        }
        given = read_ccxt(tables, markets, asked.venue, Asked())
        if given.refusals:
            raise InvalidInput.of(
                *(Fault("/leverageTiers", one.code, one.detail) for one in given.refusals[:10])
            )
        found = given.documents
        remarks = [Remark("/leverageTiers", "table", one) for one in given.remarks]
        reading.remarks.extend(remarks)
    missing = held - {one.symbol for one in found}
    unlisted = {
        symbol for symbol in missing if follower.table.find_instrument(asked.venue, symbol) is None
    }
    made, said = terms_in_positions(asked.venue, asked.positions, unlisted)
    reading.remarks.extend(said)
    return [*found, *made]


def _sizes(asked: CcxtRequest) -> dict[str, object]:
    """Return the contract sizes that positions carry, in the form of ccxt's markets."""
    return {
        str(row.get("symbol")): {"contractSize": row.get("contractSize")} for row in asked.positions
    }


_EVALUATE_CCXT = operation(
    "evaluateCcxt",
    "Evaluate an account as ccxt's methods return it, unchanged",
    {200: answer("The evaluation, and how the objects were understood.", CcxtAnswer, ANSWER)},
    body=json_body(CcxtRequest, REQUEST),
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable),
    access="evaluate",
)
