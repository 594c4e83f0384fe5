"""`/v1/targets`: chats, mailboxes and pagers that are told of alerts, and how each fares."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.api.bodies import JSON, BodyReader
from service.api.entrance import Entrance
from service.api.queries import Query
from service.api.receivers import check_room, key_of, letters_of, progress_from_now, replay
from service.api.replies import json_reply
from service.api.target_documents import (
    DELETE,
    GET,
    LETTERS,
    LIST,
    PUT,
    READING,
    REPLAY,
    TEST,
    WRITING,
)
from service.contract.decoding import decode
from service.contract.targets import (
    Notification,
    TargetDocument,
    TargetView,
    TestSent,
    read_target,
    service_of,
)
from service.contract.webhooks import DeadLetter, read_progress, write
from service.errors import TargetsOff
from service.store.alert_log import AlertLog
from service.store.keys import split_tenant_key
from service.store.receivers import StoredReceiver, Targets

TARGETS_MAX = 50  # of a tenant; each may hold a thread
_TEST = Notification("info", "Plimsoll: a test", "This target is told of alerts.", 0)

_decoder = msgspec.json.Decoder(TargetDocument)


@dataclass(frozen=True, slots=True)
class TargetRules:
    """Whether anybody tells targets, and where they may be."""

    on: bool
    allow_http: bool
    allow_private: bool


def build_targets_router(
    entrance: Entrance,
    targets: Targets,
    log: AlertLog,
    settle: Callable[[], Awaitable[str]],
    *,
    bodies: BodyReader,
    rules: TargetRules,
    route_class: type[APIRoute],
) -> APIRouter:
    """Build the routes; `settle` returns the log's epoch."""
    router = APIRouter(prefix="/v1", tags=["targets"], route_class=route_class)

    @router.put("/targets/{target_id}", response_class=Response, openapi_extra=PUT)
    async def put_target(request: Request, target_id: str) -> Response:
        caller = await entrance.admit(request, *WRITING)
        key = key_of(caller, target_id)
        body, _ = await bodies.read(request)
        wanted = decode(body, _decoder)
        _check_on(rules)
        service = service_of(
            wanted.url, allow_http=rules.allow_http, allow_private=rules.allow_private
        )
        await check_room(targets, caller.tenant, key, TARGETS_MAX, "targets")
        begun = write(await progress_from_now(log, settle))
        doc = write(wanted.stored(service))
        created = await targets.put(key, doc, wanted.url, begun, replace_secret=True)
        view = _view(key, await targets.get(key))
        return Response(msgspec.json.encode(view), 201 if created else 200, None, JSON)

    @router.post("/targets/{target_id}/test", response_class=Response, openapi_extra=TEST)
    async def test_target(request: Request, target_id: str) -> Response:
        key = key_of(await entrance.admit(request, *WRITING), target_id)
        Query(request)
        _check_on(rules)
        await targets.get(key)
        named = f"msg_{secrets.token_hex(16)}"
        letter = DeadLetter(named, 0, 0, "", msgspec.Raw(write(_TEST)))
        await targets.send(key, write(letter))
        return Response(msgspec.json.encode(TestSent(named)), 202, None, JSON)

    _add_the_rest(router, entrance, targets)
    _add_letters(router, entrance, targets)
    return router


def _add_the_rest(router: APIRouter, entrance: Entrance, targets: Targets) -> None:
    """Add the routes that show and remove."""

    @router.get("/targets", response_class=Response, openapi_extra=LIST)
    async def get_targets(request: Request) -> Response:
        caller = await entrance.admit(request, *READING)
        Query(request)
        found = await targets.get_many(await targets.keys_of(caller.tenant))
        return json_reply({"targets": [_view(key, stored) for key, stored in found.items()]})

    @router.get("/targets/{target_id}", response_class=Response, openapi_extra=GET)
    async def get_target(request: Request, target_id: str) -> Response:
        key = key_of(await entrance.admit(request, *READING), target_id)
        Query(request)
        return json_reply(_view(key, await targets.get(key)))

    @router.delete("/targets/{target_id}", response_class=Response, openapi_extra=DELETE)
    async def delete_target(request: Request, target_id: str) -> Response:
        await targets.delete(key_of(await entrance.admit(request, *WRITING), target_id))
        return Response(status_code=204)


def _add_letters(router: APIRouter, entrance: Entrance, targets: Targets) -> None:
    """Add the routes of what could not be delivered."""
    path = "/targets/{target_id}/dead-letters"

    @router.get(path, response_class=Response, openapi_extra=LETTERS)
    async def get_target_letters(request: Request, target_id: str) -> Response:
        key = key_of(await entrance.admit(request, *READING), target_id)
        Query(request)
        return await letters_of(targets, key)

    @router.post(f"{path}:replay", response_class=Response, openapi_extra=REPLAY)
    async def replay_target_letters(request: Request, target_id: str) -> Response:
        key = key_of(await entrance.admit(request, *WRITING), target_id)
        return await replay(targets, key, request)


def _check_on(rules: TargetRules) -> None:
    if not rules.on:
        raise TargetsOff("this service tells no targets: PLIMSOLL_TARGETS is not set")


def _view(key: str, stored: StoredReceiver) -> TargetView:
    wanted, progress = read_target(stored.doc), read_progress(stored.progress)
    pending = progress.pending
    failed = pending is not None and pending.attempts > 0
    return TargetView(
        id=split_tenant_key(key)[1],
        service=wanted.service,
        accounts=list(wanted.accounts),
        levels=wanted.levels,
        silenced=wanted.silenced,
        window_s=wanted.window_s,
        created_at=progress.created_at,
        cursor=progress.cursor,
        delivered_at=progress.delivered_at,
        attempts=pending.attempts if pending else 0,
        next_attempt_at=pending.next_at if pending and failed else None,
        last_error=pending.error if pending and failed else None,
        dead_letters=stored.letters,
    )
