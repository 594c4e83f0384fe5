"""`/v1/funds`: insurance funds, put by the operator, shown with what is asked of them now."""

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.api.bodies import BodyReader
from service.api.documents import (
    BODY_ERRORS,
    answer,
    header_parameter,
    json_body,
    operation,
    path_parameter,
    with_etag,
)
from service.api.entrance import Entrance
from service.api.queries import Query
from service.api.replies import etag, json_reply, wanted_versions
from service.contract.decoding import decode
from service.contract.funds import (
    FundDocument,
    FundsView,
    FundView,
    ShardSaid,
    WrittenFund,
    encode_fund,
    fund_view,
    read_asked,
    read_fund,
)
from service.contract.names import ASSET_PATTERN, VENUES, Venue, check_asset, check_venue
from service.errors import (
    InvalidInput,
    StoreUnavailable,
    TooManyItems,
    UnknownFund,
    VersionMismatch,
)
from service.store.funds import Funds, Name, ShardClaims, StoredFund

_decoder = msgspec.json.Decoder(FundDocument, strict=False)


def build_funds_router(
    entrance: Entrance, funds: Funds, bodies: BodyReader, *, route_class: type[APIRoute]
) -> APIRouter:
    """Build the routes; funds are the operator's, to write and to see."""
    router = APIRouter(prefix="/v1", tags=["funds"], route_class=route_class)

    @router.put("/funds/{venue}/{asset}", response_class=Response, openapi_extra=_PUT)
    async def put_fund(request: Request) -> Response:
        await entrance.admit(request, "admin")
        Query(request)
        venue, asset = _venue(request), _asset(request)
        body, _ = await bodies.read(request)
        fund = decode(body, _decoder)
        doc = encode_fund(fund, await funds.now_ms())
        version = await funds.put((venue, asset), doc, wanted_versions(request))
        return json_reply(WrittenFund(venue, asset, version), etag(version))

    @router.get("/funds", response_class=Response, openapi_extra=_LIST)
    async def list_funds(request: Request) -> Response:
        await entrance.admit(request, "admin")
        Query(request)
        return json_reply(FundsView(await fund_views(funds)))

    @router.get("/funds/{venue}/{asset}", response_class=Response, openapi_extra=_GET)
    async def get_fund(request: Request) -> Response:
        await entrance.admit(request, "admin")
        Query(request)
        name = (_venue(request), _asset(request))
        (view,) = await _views(funds, {name: await funds.get(name)})
        return json_reply(view, etag(view.version))

    return router


async def fund_views(funds: Funds) -> list[FundView]:
    """Return every fund with what is asked of it, by venue and asset."""
    there = await funds.all()
    return await _views(funds, there) if there else []


async def _views(funds: Funds, there: dict[Name, StoredFund]) -> list[FundView]:
    now_ms, claims = await funds.claims()
    try:
        said = [None if one is None else _said(one) for one in claims]
        return [
            fund_view(name, fund.version, read_fund(fund.doc), said, now_ms)
            for name, fund in there.items()
        ]
    except msgspec.DecodeError as error:
        raise StoreUnavailable("another version of the service wrote this") from error


def _said(claims: ShardClaims) -> ShardSaid:
    return ShardSaid(claims.market_id, claims.at_ms, read_asked(claims.told))


def _venue(request: Request) -> Venue:
    return check_venue(request.path_params["venue"])


def _asset(request: Request) -> str:
    return check_asset(request.path_params["asset"])


_WANTED = {"balance": 250_000.0, "eventLimit": 50_000.0}
_VIEW = {
    "venue": "binance",
    "asset": "USDT",
    "version": 3,
    "updatedAt": 1_760_130_000_000,
    **_WANTED,
    "claimed": 12_400.0,
    "free": 237_600.0,
    "missing": 0.0,
    "overLimit": 0.0,
    "expectedContribution": 310.5,
    "claims": 4,
    "liquidations": 9,
    "unpriced": 0,
    "marketId": 4_211,
    "asOf": 1_760_130_002_000,
    "reason": None,
}
_NAMED = (
    path_parameter("venue", "The fund's venue.", f"^({'|'.join(VENUES)})$", "binance"),
    path_parameter("asset", "What it holds: the settle asset of pools.", ASSET_PATTERN, "USDT"),
)
_PUT = operation(
    "putFund",
    "Say what an insurance fund holds",
    {
        200: with_etag(
            answer(
                "Stored. What is asked of it is known within two seconds.",
                WrittenFund,
                {"venue": "binance", "asset": "USDT", "version": 3},
            )
        )
    },
    body=json_body(FundDocument, _WANTED),
    parameters=[
        *_NAMED,
        header_parameter("If-Match", "Only when the fund has this version (its ETag).", '"2"'),
        header_parameter("If-None-Match", "`*`: only when there is no such fund.", "*"),
    ],
    errors=(*BODY_ERRORS, TooManyItems, VersionMismatch, StoreUnavailable),
    access="admin",
    once=True,
)
_LIST = operation(
    "listFunds",
    "All insurance funds, with what is asked of them now",
    {200: answer("By venue and asset.", FundsView, {"funds": [_VIEW]})},
    errors=(InvalidInput, StoreUnavailable),
    access="admin",
)
_GET = operation(
    "getFund",
    "An insurance fund, with what is asked of it now",
    {200: with_etag(answer("The ETag is its version, for `If-Match`.", FundView, _VIEW))},
    parameters=_NAMED,
    errors=(InvalidInput, UnknownFund, StoreUnavailable),
    access="admin",
)
