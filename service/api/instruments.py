"""`/v1/instruments`: contract terms and tiers in, each by itself; stored ones out."""

import hashlib

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.api import checkup_examples
from service.api.bodies import BodyReader
from service.api.documents import (
    BODY_ERRORS,
    IF_NONE_MATCH,
    UNCHANGED,
    answer,
    json_body,
    operation,
    with_etag,
)
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.queries import MARKET_PARAMETERS, asked_market
from service.api.replies import json_reply, results_reply, unchanged
from service.contract.decoding import split_list
from service.contract.instruments import InstrumentDocument, decode_instrument, encode_instrument
from service.contract.problems import ItemResult, refused
from service.contract.results import BatchResult, InstrumentsView
from service.errors import Fault, InvalidInput, StoreUnavailable, TooManyItems
from service.risk.model import Instrument
from service.store.market_stream import MarketStream

_TAKEN = {"accepted": 1, "refused": 0, "results": [{"index": 0, "status": "ok", "marketId": 7}]}


def build_instruments_router(
    entrance: Entrance,
    stream: MarketStream,
    follower: MarketFollower,
    bodies: BodyReader,
    limits: Limits,
    *,
    route_class: type[APIRoute],
) -> APIRouter:
    """Build the routes that take and show instruments."""
    router = APIRouter(prefix="/v1", tags=["markets"], route_class=route_class)

    @router.put("/instruments", response_class=Response, openapi_extra=_PUT)
    async def put_instruments(request: Request) -> Response:
        caller = await entrance.admit_list(request, "admin")
        body, _ = await bodies.read(request)
        results, good = _read_instruments(body, limits.accounts_max)
        await entrance.charge(request, caller, len(results) + len(good))
        if good:
            places, instruments = list(good), list(good.values())
            ids = await stream.append_instruments([_stored(one) for one in instruments])
            for place, market_id in zip(places, ids, strict=True):
                results[place] = ItemResult(place, "ok", market_id=market_id or None)
            await follower.reached(max(ids), limits.reach_s)
        return results_reply(results.values())

    @router.get("/instruments", response_class=Response, openapi_extra=_GET)
    async def get_instruments(request: Request) -> Response:
        await entrance.admit(request)
        found = await stream.instruments(*asked_market(request))
        raw = [msgspec.Raw(doc) for _venue, _symbol, doc in found]
        reply = json_reply({"instruments": raw})
        reply.headers["etag"] = f'"{hashlib.sha256(reply.body).hexdigest()[:32]}"'
        return unchanged(request, {"etag": reply.headers["etag"]}) or reply

    return router


def _read_instruments(
    body: bytes, items_max: int
) -> tuple[dict[int, ItemResult], dict[int, Instrument]]:
    """Return what is refused and what is good, by place; two of one market are both refused."""
    pieces = split_list(body, items_max, "instruments")
    results: dict[int, ItemResult] = {}
    good: dict[int, Instrument] = {}
    first: dict[tuple[str, str], int] = {}
    for index, piece in enumerate(pieces):
        try:
            instrument = decode_instrument(piece, f"/{index}")
        except InvalidInput as error:
            results[index] = refused(index, error.faults)
            continue
        other = first.setdefault((instrument.venue, instrument.symbol), index)
        if other == index:
            good[index] = instrument
            continue
        good.pop(other, None)
        for place in (other, index):
            fault = Fault(f"/{place}/symbol", "duplicate_instrument", "listed more than once")
            results[place] = refused(place, (fault,))
    return results, good


def _stored(instrument: Instrument) -> tuple[str, str, bytes]:
    return instrument.venue, instrument.symbol, encode_instrument(instrument)


_PUT = operation(
    "putInstruments",
    "Store contract terms and margin tiers",
    {200: answer("What became of each.", BatchResult, _TAKEN)},
    body=json_body(list[InstrumentDocument], [checkup_examples.INSTRUMENT]),
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable),
    access="admin",
    once=True,
)
_GET = operation(
    "getInstruments",
    "Stored instruments",
    {
        200: with_etag(
            answer(
                "Those asked for.", InstrumentsView, {"instruments": [checkup_examples.INSTRUMENT]}
            )
        ),
        304: UNCHANGED,
    },
    parameters=[*MARKET_PARAMETERS, IF_NONE_MATCH],
    errors=(InvalidInput, StoreUnavailable),
    access="key",
)
