"""`POST /v1/size`: the largest position, and the most leverage, for what a stop may lose."""

import time
from typing import NoReturn

from fastapi import APIRouter, Request, Response

from service.api import checkup_examples as examples
from service.api.bodies import BodyReader
from service.api.documents import BODY_ERRORS, answer, json_body, operation
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.load import EngineQueue
from service.api.replies import json_reply
from service.contract.instruments import to_instrument
from service.contract.sizing import SizeAnswer, SizeRequest, decode_size
from service.errors import Fault, InvalidInput, StoreUnavailable
from service.risk.markets import MarketTable
from service.risk.model import GENERIC_VENUE
from service.risk.sizing import SizeQuestion, size_position

SIZE_UNITS = 100  # some thousand positions are tried: as much work as a hundred accounts
_DEFAULTS = SizeQuestion("", "long", 1.0, 1.0, 1.0, 1.0)


def build_size_router(
    entrance: Entrance, follower: MarketFollower, bodies: BodyReader, *, queue: EngineQueue
) -> APIRouter:
    """Build the route that sizes a position; nothing is kept."""
    router = APIRouter(prefix="/v1", tags=["evaluate"])

    @router.post("/size", response_class=Response, openapi_extra=_SIZE)
    async def size(request: Request) -> Response:
        caller = await entrance.admit_list(request, "evaluate")
        queue.check()
        body, _ = await bodies.read(request)
        async with queue.turn(len(body)):
            asked = decode_size(body)
            await entrance.charge(request, caller, SIZE_UNITS)
            return json_reply(_sized(asked, follower))

    return router


def _sized(asked: SizeRequest, follower: MarketFollower) -> SizeAnswer:
    table = MarketTable(follower.table)
    for index, document in enumerate(asked.instruments or ()):
        table.put_instrument(to_instrument(document, f"/instruments/{index}"))
    venue = asked.venue or GENERIC_VENUE
    instrument = table.find_instrument(venue, asked.symbol)
    if instrument is None:
        if not follower.known:
            raise StoreUnavailable("the instruments are not known yet: give them in the body")
        detail = "no instrument of this symbol at the venue, nor a generic one"
        _refuse("/symbol", "unknown_symbol", detail)
    question = _question(asked, table, venue)
    found = size_position(table, question)
    if found.reason == "stop_on_wrong_side":
        detail = "the stop of a long is below its entry, of a short above"
        _refuse("/stopPrice", "stop_on_wrong_side", detail)
    if found.bound_by is None or not found.contracts > 0.0:
        _refuse("", "out_of_range", "no position that is a number keeps to these")
    return SizeAnswer(
        timestamp=int(time.time() * 1_000),
        symbol=asked.symbol,
        side=asked.side,
        venue=venue,
        instrument_venue=instrument.venue,
        settle=instrument.settle,
        entry_price=question.entry_price,
        stop_price=question.stop_price,
        bound_by=found.bound_by,
        contracts=found.contracts,
        leverage=found.leverage,
        margin=found.margin,
        loss_at_stop=found.loss_at_stop,
        liquidation_price=found.liquidation_price,
    )


def _question(asked: SizeRequest, table: MarketTable, venue: str) -> SizeQuestion:
    entry_price = asked.entry_price
    if entry_price is None:
        market = table.market(venue, asked.symbol)
        entry_price = float(table.columns().mark[market])
    if not entry_price > 0.0:
        _refuse("/entryPrice", "missing_field", "there is no streamed mark to enter at")
    return SizeQuestion(
        asked.symbol,
        asked.side,
        entry_price,
        asked.stop_price,
        asked.budget,
        asked.capital,
        venue,
        _DEFAULTS.leverage_max if asked.leverage_max is None else asked.leverage_max,
        _DEFAULTS.clearance if asked.clearance is None else asked.clearance,
    )


def _refuse(pointer: str, code: str, detail: str) -> NoReturn:
    raise InvalidInput.of(Fault(pointer, code, detail))


_SIZE = operation(
    "size",
    "Size a position by what its stop may lose: contracts, leverage, margin",
    {200: answer("The largest that keeps to budget and capital.", SizeAnswer, examples.SIZED)},
    body=json_body(SizeRequest, examples.SIZE),
    errors=(*BODY_ERRORS, StoreUnavailable),
    access="evaluate",
)
