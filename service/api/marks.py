"""`/v1/marks`: prices in, each by itself and in order; newest out, with age and quality."""

from collections.abc import Mapping

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.api.bodies import BodyReader
from service.api.documents import BODY_ERRORS, answer, json_body, operation
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.queries import MARKET_PARAMETERS, asked_market
from service.api.replies import json_reply, results_reply
from service.api.traced import followed, marked
from service.contract.mark_lists import newest_of, read_marks
from service.contract.marks import MarkDocument
from service.contract.quality import QUALITY_NAMES, allowed_name
from service.contract.results import BatchResult, MarksRequest, MarksView, MarkView
from service.errors import InvalidInput, StoreUnavailable, TooManyItems
from service.risk.reports import Key
from service.store.market_stream import MarketStream, NewestMark
from service.store.refusals import MarkRefusals
from service.tracing import Tracer

_EXAMPLE = {"marks": [{"venue": "binance", "symbol": "BTC/USDT:USDT", "markPrice": 61_000.5}]}
_TAKEN = {
    "accepted": 1,
    "refused": 0,
    "results": [{"index": 0, "status": "ok", "marketId": 42}],
}
_NEWEST = _EXAMPLE["marks"][0] | {
    "marketId": 42,
    "eventTime": 1_760_000_000_000,
    "ageMs": 120,
    "stale": False,
    "quality": "good",
    "allows": "liquidate",
    "refused": {"stale_timestamp": 2},
}


_mark_decoder = msgspec.json.Decoder(MarkDocument, strict=False)


def build_marks_router(
    entrance: Entrance,
    stream: MarketStream,
    follower: MarketFollower,
    bodies: BodyReader,
    limits: Limits,
    *,
    route_class: type[APIRoute],
    tracer: Tracer | None = None,
) -> APIRouter:
    """Build the routes that take marks and show the newest ones."""
    router = APIRouter(prefix="/v1", tags=["markets"], route_class=route_class)

    @router.post("/marks", response_class=Response, openapi_extra=_TAKE)
    async def take_marks(request: Request) -> Response:
        caller = await entrance.admit_list(request, "marks:write")
        body, _ = await bodies.read(request)
        with followed(tracer, request) as span:
            given = read_marks(body, limits.positions_max)
            await entrance.charge(request, caller, given.count)
            taken = await stream.append_marks(marked(given.marks, span))
            if given.unread:
                await stream.refusals.add(given.unread)
            if newest := newest_of(taken):
                await follower.reached(newest, limits.reach_s)
        return results_reply(given.results(taken))

    @router.get("/marks", response_class=Response, openapi_extra=_SHOW)
    async def show_marks(request: Request) -> Response:
        await entrance.admit(request)
        venue, symbol = asked_market(request)
        if not follower.known:
            raise StoreUnavailable("the markets are not known yet")
        now_ms = follower.clock_ms()
        found = [
            mark
            for key, mark in sorted(follower.newest.items())
            if venue in (None, key[0]) and symbol in (None, key[1])
        ]
        told = await _refused(stream.refusals)
        return json_reply(MarksView([_view(mark, now_ms, told) for mark in found]))

    return router


def _view(mark: NewestMark, now_ms: int, refused: Mapping[Key, dict[str, int]]) -> MarkView:
    document = _mark_decoder.decode(mark.payload)
    age_ms = max(0, now_ms - mark.event_time_ms)
    return MarkView(
        symbol=document.symbol,
        mark_price=document.mark_price,
        venue=document.venue,
        index_price=document.index_price,
        last_price=document.last_price,
        funding_rate=document.funding_rate,
        funding_interval_h=document.funding_interval_h,
        timestamp=document.timestamp,
        source=document.source,
        open_interest=document.open_interest,
        day_volume=document.day_volume,
        market_id=mark.market_id,
        event_time=mark.event_time_ms,
        age_ms=age_ms,
        stale=mark.stale,
        quality=QUALITY_NAMES[mark.verdict.quality],
        allows=allowed_name(mark.verdict.most),
        refused=refused.get((mark.venue, mark.symbol), {}),
    )


async def _refused(refusals: MarkRefusals) -> dict[Key, dict[str, int]]:
    """Return by market how many of its marks were refused, by reason; nothing while Redis is away:
    the marks are shown all the same."""
    found: dict[Key, dict[str, int]] = {}
    try:
        counts = await refusals.read()
    except StoreUnavailable:
        return found
    for each in counts:
        found.setdefault((each.venue, each.symbol), {})[each.reason] = each.count
    return found


_TAKE = operation(
    "postMarks",
    "Take mark prices, in order",
    {200: answer("What became of each.", BatchResult, _TAKEN)},
    body=json_body(MarksRequest, _EXAMPLE),
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable),
    access="marks:write",
    once=True,
)
_SHOW = operation(
    "getMarks",
    "Newest marks with their ages and quality",
    {200: answer("The newest mark of every symbol asked for.", MarksView, {"marks": [_NEWEST]})},
    parameters=MARKET_PARAMETERS,
    errors=(InvalidInput, StoreUnavailable),
    access="key",
)
