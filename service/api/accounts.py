"""`/v1/accounts`: what accounts hold, one or many at a time; each version is an ETag."""

import math
from functools import partial

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.access.door import Caller
from service.api.account_documents import ADJUST, BATCH, DELETE, GET, PUT
from service.api.bodies import JSON, NDJSON, BodyReader, media_type_of
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.once import outcome_of
from service.api.queries import Query
from service.api.replies import batch_reply, etag, json_reply, unchanged, wanted_versions
from service.api.symbols import unknown_symbols, unlisted_by_now
from service.api.uploads import Upload
from service.contract.accounts import (
    AccountDocument,
    BalanceDocument,
    decode_document,
    document_faults,
    encode_document,
)
from service.contract.decoding import decode
from service.contract.names import check_account_id
from service.contract.results import AdjustedAccount, Adjustment, WrittenAccount
from service.errors import (
    Fault,
    InvalidInput,
    UnknownAccount,
    VersionMismatch,
)
from service.store.accounts import Accounts
from service.store.keys import tenant_key

ADJUST_TRIES = 20  # others may write the same account meanwhile

_adjustment_decoder = msgspec.json.Decoder(Adjustment, strict=False)


def build_accounts_router(
    entrance: Entrance,
    accounts: Accounts,
    follower: MarketFollower,
    bodies: BodyReader,
    limits: Limits,
    *,
    route_class: type[APIRoute],
) -> APIRouter:
    """Build the routes that write and read accounts."""
    desk = _Desk(entrance, accounts, follower, bodies, limits)
    router = APIRouter(
        prefix="/v1", tags=["accounts"], route_class=route_class, default_response_class=Response
    )
    one = "/accounts/{account_id}"
    router.add_api_route(one, desk.put, methods=["PUT"], openapi_extra=PUT)
    router.add_api_route(one, desk.get, methods=["GET"], openapi_extra=GET)
    router.add_api_route(
        one, desk.delete, methods=["DELETE"], status_code=204, openapi_extra=DELETE
    )
    router.add_api_route(f"{one}/adjust", desk.adjust, methods=["POST"], openapi_extra=ADJUST)
    router.add_api_route("/accounts:batch", desk.put_many, methods=["POST"], openapi_extra=BATCH)
    return router


class _Desk:
    """The five calls, over what they need."""

    def __init__(
        self,
        entrance: Entrance,
        accounts: Accounts,
        follower: MarketFollower,
        bodies: BodyReader,
        limits: Limits,
    ) -> None:
        self._entrance = entrance
        self._accounts = accounts
        self._follower = follower
        self._bodies = bodies
        self._limits = limits

    async def put(self, request: Request) -> Response:
        caller = await self._entrance.admit(request, "accounts:write")
        name, key = _named(request, caller)
        body, _ = await self._bodies.read(request)
        document = decode_document(body)
        self._limits.check_positions([document])
        await self._check(document)
        expected = await self._expected(key, wanted_versions(request))
        version = await self._accounts.put(key, encode_document(document), if_version=expected)
        return json_reply(WrittenAccount(name, version), etag(version))

    async def get(self, request: Request) -> Response:
        caller = await self._entrance.admit(request, "accounts:read")
        Query(request)
        name, key = _named(request, caller)
        doc, version = await self._stored(key)
        if (same := unchanged(request, etag(version))) is not None:
            return same
        # The stored form is canonical and never empty: id and version go in front, unread.
        front = b'{"id":"%b","version":%d,' % (name.encode(), version)
        return Response(front + doc[1:], 200, etag(version), JSON)

    async def delete(self, request: Request) -> Response:
        caller = await self._entrance.admit(request, "accounts:write")
        _name, key = _named(request, caller)
        expected = await self._expected(key, wanted_versions(request))
        version = await self._accounts.delete(key, if_version=expected)
        return Response(None, 204, etag(version))

    async def put_many(self, request: Request) -> Response:
        caller = await self._entrance.admit_list(request, "accounts:write")
        upload = Upload(self._accounts, self._follower, self._limits, caller.tenant)
        if media_type_of(request, JSON, NDJSON) == NDJSON:
            wait_for = partial(self._entrance.wait_for, caller)
            await upload.take_lines(self._bodies.lines(request), wait_for)
        else:
            body, _ = await self._bodies.read(request)
            await upload.take_list(body, partial(self._entrance.charge, request, caller))
        return batch_reply(upload.results.told())

    async def adjust(self, request: Request) -> Response:
        caller = await self._entrance.admit(request, "accounts:write")
        name, key = _named(request, caller)
        body, _ = await self._bodies.read(request)
        adjustment = decode(body, _adjustment_decoder)
        wanted = wanted_versions(request)
        for _ in range(ADJUST_TRIES):
            doc, before = await self._stored(key)
            if wanted and before not in wanted:
                break
            document = decode_document(doc)
            amount = _adjust(document, adjustment)
            adjusted = AdjustedAccount(name, before + 1, adjustment.asset, amount)
            reply = json_reply(adjusted, etag(before + 1))
            changed, outcome = encode_document(document), outcome_of(request, reply)
            try:
                await self._accounts.put(key, changed, adjustment.reason, before, outcome)
            except VersionMismatch:
                continue
            return reply
        raise VersionMismatch("the account has another version by now")

    async def _check(self, document: AccountDocument) -> None:
        """Raise InvalidInput for what is wrong with an account, an unlisted symbol included."""
        if faults := document_faults(document, own_marks=False):
            raise InvalidInput.of(*faults)
        missing = await unlisted_by_now([document], self._follower, self._limits.reach_s)
        if faults := unknown_symbols(document, missing, ""):
            raise InvalidInput.of(*faults)

    async def _stored(self, key: str) -> tuple[bytes, int]:
        found = await self._accounts.get(key)
        if found is None:
            raise UnknownAccount("there is no such account")
        return found

    async def _expected(self, key: str, wanted: set[int] | None) -> int | None:
        """Return the one version a write may replace; None: any."""
        if wanted is None:
            return None
        if len(wanted) == 1:
            return next(iter(wanted))
        found = await self._accounts.get(key)
        if found is None or (wanted and found[1] not in wanted):
            raise VersionMismatch("the account has another version by now")
        return found[1]


def _named(request: Request, caller: Caller) -> tuple[str, str]:
    """Return the account id in the path and its key, which is in the caller's tenant."""
    name = check_account_id(request.path_params["account_id"])
    return name, tenant_key(caller.tenant, name)


def _adjust(document: AccountDocument, adjustment: Adjustment) -> float:
    """Change a balance in place and return its new amount."""
    balances = document.balances = document.balances or []
    for balance in balances:
        if balance.asset == adjustment.asset:
            break
    else:
        balance = BalanceDocument(adjustment.asset, 0.0)
        balances.append(balance)
    amount = balance.amount + adjustment.delta
    if not math.isfinite(amount):
        raise InvalidInput.of(Fault("/delta", "out_of_range", "the balance would be too large"))
    balance.amount = amount
    return amount
