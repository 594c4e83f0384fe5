"""`/v1/silences`: which alerts are passed over for a while, at every door but the log itself."""

import secrets

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.api.bodies import JSON, BodyReader
from service.api.documents import (
    BODY_ERRORS,
    answer,
    json_body,
    operation,
    path_parameter,
    with_links,
)
from service.api.entrance import Entrance
from service.api.queries import Query
from service.api.replies import json_reply
from service.contract.decoding import decode
from service.contract.silences import (
    SILENCE_ID_PATTERN,
    SilenceDocument,
    SilencesView,
    SilenceView,
    begun,
    ended,
    in_order,
    read_silence,
)
from service.errors import InvalidInput, StoreUnavailable, TooManyItems, UnknownSilence
from service.store.api_keys import Scope
from service.store.silences import Silences

SILENCES_MAX = 1_000  # of a tenant, with those that are over and whose alerts are still in the log
READING: tuple[Scope, ...] = ("alerts:read",)
# Whoever keeps others from hearing of an account could as well change the account.
WRITING: tuple[Scope, ...] = ("accounts:write", "alerts:read")

_decoder = msgspec.json.Decoder(SilenceDocument)


def build_silences_router(
    entrance: Entrance,
    silences: Silences,
    bodies: BodyReader,
    log_retention_s: float,
    *,
    route_class: type[APIRoute],
) -> APIRouter:
    """Build the routes; a silence is kept as long as alerts of its time are in the log."""
    router = APIRouter(prefix="/v1", tags=["silences"], route_class=route_class)

    @router.post("/silences", response_class=Response, openapi_extra=_POST)
    async def create_silence(request: Request) -> Response:
        caller = await entrance.admit(request, *WRITING)
        Query(request)
        body, _ = await bodies.read(request)
        now_ms = await silences.now_ms()
        silence = begun(secrets.token_hex(8), decode(body, _decoder), now_ms)
        there = await silences.of(caller.tenant)
        oldest_ms = now_ms - log_retention_s * 1e3
        over = [each for each, doc in there.items() if read_silence(doc).until < oldest_ms]
        if len(there) - len(over) >= SILENCES_MAX:
            raise TooManyItems(f"more than {SILENCES_MAX} silences")
        await silences.put(caller.tenant, silence.id, msgspec.json.encode(silence), over)
        return Response(msgspec.json.encode(silence), 201, None, JSON)

    @router.get("/silences", response_class=Response, openapi_extra=_LIST)
    async def get_silences(request: Request) -> Response:
        caller = await entrance.admit(request, *READING)
        Query(request)
        there = map(read_silence, (await silences.of(caller.tenant)).values())
        return json_reply(SilencesView(list(in_order(there, await silences.now_ms()))))

    @router.delete("/silences/{silence_id}", response_class=Response, openapi_extra=_DELETE)
    async def end_silence(request: Request, silence_id: str) -> Response:
        caller = await entrance.admit(request, *WRITING)
        Query(request)
        doc = (await silences.of(caller.tenant)).get(silence_id)
        now_ms = await silences.now_ms()
        if doc is None or read_silence(doc).until <= now_ms:
            raise UnknownSilence("there is no such silence, or it is over")
        silence = ended(read_silence(doc), now_ms)
        await silences.put(caller.tenant, silence_id, msgspec.json.encode(silence))
        return Response(status_code=204)

    return router


_WANTED = {
    "accounts": ["desk-7.*"],
    "levels": ["WARNING", "HEALTHY"],
    "until": 1_760_137_200_000,
    "comment": "rolling over, known to the desk",
}
_ID = "5f2b0c9e4d7a1836"
_VIEW = {"id": _ID, **_WANTED, "startsAt": 1_760_130_002_000}
_POST = operation(
    "createSilence",
    "Pass over alerts of some accounts for a while",
    {
        201: with_links(
            answer(
                "It holds from `startsAt` on, in two seconds. Its alerts are in the log and in "
                "`GET /v1/alerts` as ever; streams and webhooks pass them over, now and whenever "
                "somebody resumes, unless they ask for `silenced` ones too. It ends by itself.",
                SilenceView,
                _VIEW,
            ),
            "silence_id",
            "endSilence",
        )
    },
    body=json_body(SilenceDocument, _WANTED),
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable),
    access=WRITING,
    once=True,
)
_LIST = operation(
    "getSilences",
    "The silences that are not over",
    {200: answer("The first to end first.", SilencesView, {"silences": [_VIEW]})},
    errors=(InvalidInput, StoreUnavailable),
    access=READING,
)
_DELETE = operation(
    "endSilence",
    "End a silence in two seconds",
    {204: answer("It ends.")},
    parameters=[path_parameter("silence_id", "The silence's `id`.", SILENCE_ID_PATTERN, _ID)],
    errors=(InvalidInput, UnknownSilence, StoreUnavailable),
    access=WRITING,
    once=True,
)
