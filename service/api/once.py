"""`Idempotency-Key`: a write that is sent again with its key is not done again.

The rules are those of the IETF's draft (draft-ietf-httpapi-idempotency-key-header-07). The first
call is carried out and what it answered is kept; the same call again gets the same answer, another
call with its key 422, and one that comes while the first is being carried out 409. A call is known
by tenant, method, path and key, and is the same when query, conditions and body are. What was
refused was not done and is not kept. Kept answers take room, of which each key has so much: a call
for whose answer there is none is refused before it is carried out.

When a worker dies over a call, its claim runs out after a minute and the call can be made again.
`adjust` stores its answer in the step that writes, so it is done once whatever dies. Other writes
say what is to be, not what is to change: done twice they leave what they would have left once.
"""

import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from service.access.door import Caller
from service.access.kept import UNIT_BYTES, KeptRoom
from service.api.bodies import NDJSON, BodyReader
from service.api.entrance import Entrance
from service.errors import (
    InvalidIdempotencyKey,
    RateLimited,
    ServiceError,
    StoreUnavailable,
)
from service.store.api_keys import Scope
from service.store.claims import Claim, Claims, Outcome
from service.store.keys import tenant_key

HEADER = "Idempotency-Key"
KEY_MAX = 255
ANSWER_BYTES_MAX = 64 * 1_024  # a longer one is not kept: the call can be made again
_CLAIM = "plimsoll.claim"  # in the scope of a request
_CONDITIONS = ("if-match", "if-none-match", "content-type")
_Handle = Callable[[Request], Awaitable[Response]]


class _Answer(msgspec.Struct, array_like=True):
    """A response as it is kept."""

    status: int
    headers: dict[str, str]
    body: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Answer)


class Once:
    """What routes that write are made of: `APIRouter(route_class=once.route_class)`."""

    def __init__(
        self, entrance: Entrance, bodies: BodyReader, claims: Claims, room: KeptRoom
    ) -> None:
        self._entrance = entrance
        self._bodies = bodies
        self._claims = claims
        self._room = room
        once = self

        class Route(APIRoute):
            """A route that looks for the key first."""

            def get_route_handler(self) -> Callable[[Request], Any]:
                handle = super().get_route_handler()
                scopes = _scopes_of(self)

                async def answer(request: Request) -> Response:
                    if request.method == "GET" or HEADER not in request.headers:
                        return await handle(request)
                    return await once.answer(request, scopes, handle)

                return answer

        self.route_class = Route

    async def answer(
        self, request: Request, scopes: tuple[Scope, ...], handle: _Handle
    ) -> Response:
        """Answer a call that carries a key: as before, or by carrying it out."""
        caller = await self._entrance.admit_list(request, *scopes)
        key = _key_of(request)
        body = await self._bodies.collect(request)
        account = request.path_params.get("account_id")
        found = await self._claims.claim(
            _name(request, caller.tenant, key),
            _fingerprint(request, body),
            None if account is None else tenant_key(caller.tenant, account),
        )
        if isinstance(found, bytes):
            await self._entrance.charge(request, caller, 1)
            kept = _decoder.decode(found)
            return Response(kept.body, kept.status, kept.headers)
        request.scope[_CLAIM] = found
        return await self._carry_out(found, caller, _with_body(request, body), handle)

    async def _carry_out(
        self, claim: Claim, caller: Caller, request: Request, handle: _Handle
    ) -> Response:
        try:
            await self._take_room(caller)
            response = await handle(request)
        except ServiceError:
            await self._release(claim)
            raise
        if response.status_code >= 300 or len(response.body) > ANSWER_BYTES_MAX:
            await self._release(claim)
            return response
        answer = encode_answer(response)
        # Done is done: when the answer cannot be kept, its client has it all the same.
        with contextlib.suppress(StoreUnavailable):
            more_bytes = len(answer) - UNIT_BYTES
            if more_bytes > 0 and await self._room.wait_s(caller, more_bytes):
                await self._release(claim)
            else:
                await self._claims.keep(claim, answer)
        return response

    async def _take_room(self, caller: Caller) -> None:
        """Take the room of a short answer, before anything is done; raises RateLimited."""
        wait_s = await self._room.wait_s(caller, UNIT_BYTES)
        if wait_s:
            detail = f"this key's kept answers have no room for another; one goes in {wait_s} s"
            raise RateLimited(detail, wait_s)

    async def _release(self, claim: Claim) -> None:
        with contextlib.suppress(StoreUnavailable):  # it runs out
            await self._claims.release(claim)


def outcome_of(request: Request, response: Response) -> Outcome | None:
    """Return what a write is to keep in its own step; None where the call carries no key."""
    claim = request.scope.get(_CLAIM)
    return None if claim is None else Outcome(claim, encode_answer(response))


def encode_answer(response: Response) -> bytes:
    """Return a response as it is kept."""
    names = ("content-type", "etag")
    headers = {name: response.headers[name] for name in names if name in response.headers}
    return _encoder.encode(_Answer(response.status_code, headers, bytes(response.body)))


def _scopes_of(route: APIRoute) -> tuple[Scope, ...]:
    """Return the scopes that a route's document names, which are those that it asks for."""
    assert route.openapi_extra is not None
    return tuple(route.openapi_extra["security"][0]["apiKey"])


def _key_of(request: Request) -> str:
    """Return the client's key; the draft wants it in quotes, many send it without."""
    values = request.headers.getlist(HEADER)
    key = values[0].strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(values) > 1 or not 1 <= len(key) <= KEY_MAX or not key.isascii() or '"' in key:
        detail = f"one Idempotency-Key of 1 to {KEY_MAX} characters, in quotes"
        raise InvalidIdempotencyKey(detail)
    if request.headers.get("content-type", "").lower().startswith(NDJSON):
        detail = "lines take no Idempotency-Key: they may be sent again as they are"
        raise InvalidIdempotencyKey(detail)
    return key


def _name(request: Request, tenant: str, key: str) -> str:
    """Return the name of a call: hashed, so that it is short whatever the client's key is."""
    return _hash(tenant, request.method, request.url.path, key).decode()


def _fingerprint(request: Request, body: bytes) -> bytes:
    """Return what two calls have in common when they are the same."""
    conditions = [request.headers.get(name, "") for name in _CONDITIONS]
    return _hash(request.url.query, *conditions, hashlib.sha256(body).hexdigest())


def _hash(*parts: str) -> bytes:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32].encode()


def _with_body(request: Request, body: bytes) -> Request:
    """Return the request as if its body had not been read yet."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await request.receive()

    return Request(request.scope, receive)
