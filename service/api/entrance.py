"""The entrance of every REST call: who calls, and what the call costs of what the caller may ask.

A call costs one unit, one that carries a list as many as there are in it: accounts, marks or
instruments; an evaluation its accounts or its positions, whichever are more, a simulation as many
for each step of its scenarios. A list that is refused for what it is has been charged: it was work.
Answers say how the key stands in the fields of the
IETF's draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10).
"""

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.door import Caller, Door
from service.access.meter import Meter, Standing
from service.errors import RateLimited
from service.store.api_keys import Scope as KeyScope

POLICY = "RateLimit-Policy"
STANDING = "RateLimit"
_STANDING = "plimsoll.standing"  # in the scope of a request


class Entrance:
    """One a worker."""

    def __init__(self, door: Door, meter: Meter) -> None:
        self._door = door
        self._meter = meter

    async def admit(self, request: Request, *needed: KeyScope) -> Caller:
        """Return the caller of a call that costs one unit.

        Raises Unauthenticated, MissingScope, StoreUnavailable, RateLimited.
        """
        caller = await self._door.admit(request, *needed)
        await self.charge(request, caller, 1)
        return caller

    async def admit_list(self, request: Request, *needed: KeyScope) -> Caller:
        """Return the caller of a call that is charged once it is known what it carries.

        A key that has nothing left is refused before its list is read. Raises as `admit`.
        """
        caller = await self._door.admit(request, *needed)
        _note(request, self._meter.look(caller))
        return caller

    async def charge(self, request: Request, caller: Caller, units: int) -> None:
        """Take what a call costs; raises RateLimited."""
        _note(request, await self._meter.charge(caller, max(1, units)))

    async def wait_for(self, caller: Caller, units: int) -> None:
        """Take what a part of a call costs once it is there: who sends on is slowed down."""
        await self._meter.wait_for(caller, units)


def _note(request: Request, standing: Standing | None) -> None:
    """Let the answer say how the caller stands; raises RateLimited."""
    request.scope[_STANDING] = standing
    if standing is not None and standing.wait_s:
        detail = f"this key may ask again in {standing.wait_s} s"
        raise RateLimited(detail, standing.wait_s)


class LimitHeaders:
    """Adds to every answer how its key stands."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                standing = scope.get(_STANDING)
                if standing is not None:
                    _add(MutableHeaders(scope=message), standing)
            await send(message)

        await self._app(scope, receive, tell)


def _add(headers: MutableHeaders, standing: Standing) -> None:
    allowance = standing.allowance
    headers[POLICY] = f'"key";q={allowance.burst};w={max(1, round(allowance.burst_s))}'
    headers[STANDING] = f'"key";r={standing.left};t={standing.reset_s}'
