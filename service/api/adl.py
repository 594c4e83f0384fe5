"""`/v1/adl/{symbol}`: a market's queue of auto-deleveraging, ranked over all monitors."""

import msgspec
import numpy as np
from fastapi import APIRouter, Request, Response

from service.api.documents import answer, operation, path_parameter, query_parameter
from service.api.entrance import Entrance
from service.api.limits import Limits
from service.api.queries import Query
from service.api.replies import json_reply
from service.contract.adl import (
    AHEAD,
    PLACE_DECODER,
    QUEUE,
    AdlPosition,
    AdlView,
    AheadQuestion,
    QueuedPosition,
    QueueName,
    QueuePlace,
    QueueQuestion,
    ShardQueue,
    encode,
    read_ahead,
    read_positions,
)
from service.contract.alerts import Side
from service.contract.names import SYMBOL_PATTERN, VENUES, check_symbol, check_venue
from service.contract.questions import decode_cursor, encode_cursor
from service.errors import (
    Fault,
    InvalidCursor,
    InvalidInput,
    MonitorUnavailable,
    StoreUnavailable,
)
from service.risk.adl import lights_at
from service.risk.model import GENERIC_VENUE
from service.store.keys import split_tenant_key
from service.store.questions import Questions

LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000


def build_adl_router(entrance: Entrance, questions: Questions, limits: Limits) -> APIRouter:
    """Build the route: a tenant sees its own accounts' places, `admin` everybody's."""
    router = APIRouter(prefix="/v1", tags=["funds"])

    @router.get("/adl/{symbol:path}", response_class=Response, openapi_extra=_GET)
    async def get_queue(request: Request) -> Response:
        caller = await entrance.admit(request, "accounts:read")
        query = Query(request, "venue", "side", "limit", "cursor")
        symbol = check_symbol(request.path_params["symbol"])
        venue = check_venue(query.one_of("venue", VENUES) or GENERIC_VENUE)
        side = query.one_of("side", ("long", "short"))
        if side is None:
            fault = Fault("?side", "missing_field", "a queue is of one side: long or short")
            raise InvalidInput.of(fault)
        limit = query.whole("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        cursor = query.text("cursor")
        after = None if cursor is None else decode_cursor(cursor, PLACE_DECODER)
        tenant = None if caller.may("admin") else caller.tenant
        asked = QueueQuestion(QueueName(venue, symbol, side == "long"), limit + 1, tenant, after)
        return json_reply(await _page(questions, asked, limits.ask_s))

    return router


async def _page(questions: Questions, asked: QueueQuestion, timeout_s: float) -> AdlView:
    """Merge what the monitors say; one position more than the page tells of a next one."""
    name, limit = asked.queue, asked.limit - 1
    found = await questions.ask(QUEUE, encode(asked), timeout_s)
    try:
        # By position: a shard that changes hands just now may be answered for twice.
        by_position = {
            (one.place.account_key, one.place.isolated): one
            for each in found
            for one in read_positions(each)
        }
        queued = sorted(by_position.values(), key=lambda one: one.place.order())
        page = queued[:limit]
        wanted = AheadQuestion(name, [one.place for one in page])
        answers = [
            read_ahead(each) for each in await questions.ask(AHEAD, encode(wanted), timeout_s)
        ]
    except msgspec.DecodeError as error:
        raise StoreUnavailable("a monitor of another version answered") from error
    shards = list({one.shard: one for each in answers for one in each.shards}.values())
    side: Side = "long" if name.long else "short"
    return AdlView(
        venue=check_venue(name.venue),
        symbol=name.symbol,
        side=side,
        positions=sum(one.positions for one in shards),
        size=sum(one.size for one in shards),
        unpriced=sum(one.unpriced for one in shards),
        market_id=min((each.market_id for each in answers), default=0),
        queue=_ranked(page, shards, show_tenants=asked.tenant is None),
        cursor=encode_cursor(page[-1].place) if len(queued) > limit else None,
    )


def _ranked(
    page: list[QueuedPosition], shards: list[ShardQueue], *, show_tenants: bool
) -> list[AdlPosition]:
    """Return the positions of a page with what all shards have ahead of each."""
    ahead = np.array([one.ahead for one in shards], np.int64).sum(axis=0)
    ahead_size = np.array([one.ahead_size for one in shards]).sum(axis=0)
    whole = sum(one.size for one in shards) or 1.0  # 0: all have left since the first question
    lights = lights_at(ahead_size, whole)
    ranked = []
    for place, one in enumerate(page):
        tenant, account_id = split_tenant_key(one.place.account_key)
        ranked.append(
            AdlPosition(
                rank=int(ahead[place]) + 1,
                lights=int(lights[place]),
                account_id=account_id,
                margin_mode="isolated" if one.place.isolated else "cross",
                score=one.place.score,
                size=one.size,
                tenant=tenant if show_tenants else None,
            )
        )
    return ranked


_PLACE = encode_cursor(QueuePlace(0.82, "default/a1", isolated=False))
_VIEW = {
    "venue": "binance",
    "symbol": "BTC/USDT:USDT",
    "side": "long",
    "positions": 4_120,
    "size": 812.4,
    "unpriced": 0,
    "marketId": 4_211,
    "queue": [
        {
            "rank": 17,
            "lights": 5,
            "accountId": "a1",
            "marginMode": "cross",
            "score": 0.82,
            "size": 1.5,
        }
    ],
    "cursor": None,
}
_GET = operation(
    "getAdlQueue",
    "Who is deleveraged first: the queue of a symbol's side, ranked by the venue's rule",
    {
        200: answer(
            "A page; no cursor: these were all. The caller's own accounts, for `admin` all.",
            AdlView,
            _VIEW,
        )
    },
    parameters=[
        path_parameter("symbol", "The market's symbol.", SYMBOL_PATTERN, "BTC/USDT:USDT"),
        query_parameter(
            "venue",
            "The market's venue; `generic` where absent.",
            "binance",
            type="string",
            enum=list(VENUES),
        ),
        query_parameter(
            "side", "Whose queue: required.", "long", type="string", enum=["long", "short"]
        ),
        query_parameter("limit", "Most positions.", 100, type="integer", minimum=1, maximum=1_000),
        query_parameter("cursor", "Where the last page ended.", _PLACE, type="string"),
    ],
    errors=(InvalidInput, InvalidCursor, MonitorUnavailable, StoreUnavailable),
    access="accounts:read",
)
