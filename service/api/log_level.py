"""`/v1/log-level`: how much all processes of the service say, switched while they run."""

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.api.bodies import BodyReader
from service.api.documents import BODY_ERRORS, answer, json_body, operation
from service.api.entrance import Entrance
from service.api.queries import Query
from service.api.replies import json_reply
from service.contract.decoding import decode
from service.contract.log_level import LogLevelDocument, LogLevelView
from service.errors import InvalidInput, StoreUnavailable
from service.store.log_level import LogLevels

_decoder = msgspec.json.Decoder(LogLevelDocument)


def build_log_level_router(
    entrance: Entrance, levels: LogLevels, bodies: BodyReader, *, route_class: type[APIRoute]
) -> APIRouter:
    """Build the routes; every process looks once a second."""
    router = APIRouter(prefix="/v1", tags=["health"], route_class=route_class)

    @router.put("/log-level", response_class=Response, openapi_extra=_PUT)
    async def put_log_level(request: Request) -> Response:
        await entrance.admit(request, "admin")
        Query(request)
        body, _ = await bodies.read(request)
        wanted = decode(body, _decoder)
        if wanted.level is None:
            await levels.drop()
        else:
            await levels.put(wanted.level, int(wanted.for_s * 1e3))
        return json_reply(await _view(levels))

    @router.get("/log-level", response_class=Response, openapi_extra=_GET)
    async def get_log_level(request: Request) -> Response:
        await entrance.admit(request, "admin")
        Query(request)
        return json_reply(await _view(levels))

    return router


async def _view(levels: LogLevels) -> LogLevelView:
    level, left_ms = await levels.get()
    return msgspec.convert({"level": level, "forS": left_ms / 1e3 if level else None}, LogLevelView)


_WANTED = {"level": "debug", "forS": 600.0}
_PUT = operation(
    "putLogLevel",
    "Say more, or less, for a while",
    {200: answer("Every process follows within a second or two.", LogLevelView, _WANTED)},
    body=json_body(LogLevelDocument, _WANTED),
    errors=(*BODY_ERRORS, StoreUnavailable),
    access="admin",
    once=True,
)
_GET = operation(
    "getLogLevel",
    "How much the service says now",
    {200: answer("`level` is `null` where nothing was switched.", LogLevelView, _WANTED)},
    errors=(InvalidInput, StoreUnavailable),
    access="admin",
)
