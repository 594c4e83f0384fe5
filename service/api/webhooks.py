"""`/v1/webhooks`: who is called with alerts, how each fares, and what could not be delivered."""

import time
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
from service.api.webhook_documents import (
    DELETE,
    GET,
    LETTERS,
    LIST,
    PUT,
    READING,
    REPLAY,
    ROTATE,
    WRITING,
)
from service.contract.decoding import decode
from service.contract.signing import new_secret
from service.contract.webhooks import (
    WebhookDocument,
    WebhookSecret,
    WebhookView,
    check_url,
    read_progress,
    read_webhook,
    write,
)
from service.store.alert_log import AlertLog
from service.store.keys import split_tenant_key
from service.store.receivers import StoredReceiver, Webhooks

WEBHOOKS_MAX = 100  # of a tenant
SECRET_OVERLAP_MS = 86_400_000  # a secret that was replaced is good for a day

_decoder = msgspec.json.Decoder(WebhookDocument)


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """Which addresses webhooks may have."""

    allow_http: bool
    allow_private: bool


def build_webhooks_router(
    entrance: Entrance,
    webhooks: Webhooks,
    log: AlertLog,
    settle: Callable[[], Awaitable[str]],
    *,
    bodies: BodyReader,
    rules: WebhookRules,
    route_class: type[APIRoute],
) -> APIRouter:
    """Build the routes; `settle` returns the log's epoch."""
    router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=route_class)

    @router.put("/webhooks/{webhook_id}", response_class=Response, openapi_extra=PUT)
    async def put_webhook(request: Request, webhook_id: str) -> Response:
        caller = await entrance.admit(request, *WRITING)
        key = key_of(caller, webhook_id)
        body, _ = await bodies.read(request)
        wanted = decode(body, _decoder)
        check_url(wanted.url, allow_http=rules.allow_http, allow_private=rules.allow_private)
        await check_room(webhooks, caller.tenant, key, WEBHOOKS_MAX, "webhooks")
        begun, secret = write(await progress_from_now(log, settle)), new_secret()
        created = await webhooks.put(key, write(wanted), secret, begun)
        view = _view(key, await webhooks.get(key), secret if created else None)
        return Response(msgspec.json.encode(view), 201 if created else 200, None, JSON)

    _add_the_rest(router, entrance, webhooks)
    _add_letters(router, entrance, webhooks)
    return router


def _add_the_rest(router: APIRouter, entrance: Entrance, webhooks: Webhooks) -> None:
    """Add the routes that show, remove and renew."""

    @router.get("/webhooks", response_class=Response, openapi_extra=LIST)
    async def get_webhooks(request: Request) -> Response:
        caller = await entrance.admit(request, *READING)
        Query(request)
        found = await webhooks.get_many(await webhooks.keys_of(caller.tenant))
        return json_reply({"webhooks": [_view(key, stored) for key, stored in found.items()]})

    @router.get("/webhooks/{webhook_id}", response_class=Response, openapi_extra=GET)
    async def get_webhook(request: Request, webhook_id: str) -> Response:
        key = key_of(await entrance.admit(request, *READING), webhook_id)
        Query(request)
        return json_reply(_view(key, await webhooks.get(key)))

    @router.delete("/webhooks/{webhook_id}", response_class=Response, openapi_extra=DELETE)
    async def delete_webhook(request: Request, webhook_id: str) -> Response:
        await webhooks.delete(key_of(await entrance.admit(request, *WRITING), webhook_id))
        return Response(status_code=204)

    @router.post("/webhooks/{webhook_id}/secret", response_class=Response, openapi_extra=ROTATE)
    async def rotate_secret(request: Request, webhook_id: str) -> Response:
        key = key_of(await entrance.admit(request, *WRITING), webhook_id)
        secret, good_until_ms = new_secret(), time.time_ns() // 1_000_000 + SECRET_OVERLAP_MS
        await webhooks.rotate(key, secret, good_until_ms)
        return json_reply(WebhookSecret(secret, good_until_ms))


def _add_letters(router: APIRouter, entrance: Entrance, webhooks: Webhooks) -> None:
    """Add the routes of what could not be delivered."""
    path = "/webhooks/{webhook_id}/dead-letters"

    @router.get(path, response_class=Response, openapi_extra=LETTERS)
    async def get_dead_letters(request: Request, webhook_id: str) -> Response:
        key = key_of(await entrance.admit(request, *READING), webhook_id)
        Query(request)
        return await letters_of(webhooks, key)

    @router.post(f"{path}:replay", response_class=Response, openapi_extra=REPLAY)
    async def replay_dead_letters(request: Request, webhook_id: str) -> Response:
        key = key_of(await entrance.admit(request, *WRITING), webhook_id)
        return await replay(webhooks, key, request)


def _view(key: str, stored: StoredReceiver, secret: str | None = None) -> WebhookView:
    wanted, progress = read_webhook(stored.doc), read_progress(stored.progress)
    pending = progress.pending
    failed = pending is not None and pending.attempts > 0
    return WebhookView(
        id=split_tenant_key(key)[1],
        url=wanted.url,
        accounts=list(wanted.accounts),
        levels=wanted.levels,
        silenced=wanted.silenced,
        created_at=progress.created_at,
        cursor=progress.cursor,
        delivered_at=progress.delivered_at,
        attempts=pending.attempts if pending else 0,
        next_attempt_at=pending.next_at if pending and failed else None,
        last_error=pending.error if pending and failed else None,
        dead_letters=stored.letters,
        secret=secret,
    )
