"""`/v1/accounts`: what accounts hold, one at a time and in batches; every write has a version, every version an ETag."""

import math
from collections.abc import Iterator

import msgspec
from fastapi import APIRouter, Request, Response

from service.api.account_documents import ADJUST, BATCH, DELETE, GET, PUT
from service.api.bodies import JSON, NDJSON, BodyReader
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.queries import Query
from service.api.replies import etag, json_reply, refused, results_reply, wanted_versions
from service.api.symbols import unknown_symbols
from service.api.tenants import tenant_of
from service.contract.accounts import (
    AccountDocument,
    BalanceDocument,
    NamedAccountDocument,
    decode_document,
    decode_named,
    encode_document,
    to_account,
)
from service.contract.decoding import check_count, decode, split_list
from service.contract.names import check_account_id
from service.contract.problems import ItemResult
from service.contract.results import AdjustedAccount, Adjustment, WrittenAccount
from service.errors import (
    Fault,
    InvalidInput,
    MalformedBody,
    StoreUnavailable,
    UnknownAccount,
    VersionMismatch,
)
from service.store.accounts import Accounts
from service.store.keys import account_key

ADJUST_TRIES = 20  # others may write the same account meanwhile

_adjustment_decoder = msgspec.json.Decoder(Adjustment, strict=False)


def build_accounts_router(
    accounts: Accounts, follower: MarketFollower, bodies: BodyReader, limits: Limits
) -> APIRouter:
    """Build the routes that write and read accounts."""
    router = APIRouter(prefix="/v1", tags=["accounts"])

    @router.put("/accounts/{account_id}", response_class=Response, openapi_extra=PUT)
    async def put_account(request: Request) -> Response:
        name, key = _named(request)
        body, _ = await bodies.read(request)
        document = decode_document(body)
        _check_positions([document], limits.positions_max)
        _check(document, name, follower)
        expected = await _expected(accounts, key, wanted_versions(request))
        version = await accounts.put(key, encode_document(document), if_version=expected)
        return json_reply(WrittenAccount(name, version), etag(version))

    @router.get("/accounts/{account_id}", response_class=Response, openapi_extra=GET)
    async def get_account(request: Request) -> Response:
        Query(request)
        name, key = _named(request)
        doc, version = await _stored(accounts, key)
        # The stored form is canonical and never empty: id and version go in front, nothing is read.
        front = b'{"id":"%b","version":%d,' % (name.encode(), version)
        return Response(front + doc[1:], 200, etag(version), JSON)

    @router.delete(
        "/accounts/{account_id}", response_class=Response, status_code=204, openapi_extra=DELETE
    )
    async def delete_account(request: Request) -> Response:
        _name, key = _named(request)
        expected = await _expected(accounts, key, wanted_versions(request))
        version = await accounts.delete(key, if_version=expected)
        return Response(None, 204, etag(version))

    @router.post("/accounts:batch", response_class=Response, openapi_extra=BATCH)
    async def put_accounts(request: Request) -> Response:
        body, media_type = await bodies.read(request, JSON, NDJSON)
        pieces = _pieces(body, media_type, limits.accounts_max)
        results, good = _read_batch(pieces, follower, limits.positions_max)
        if good:
            tenant = tenant_of(request)
            rows = [(account_key(tenant, d.id), encode_document(d)) for d in good.values()]
            versions = await accounts.put_many(rows)
            for (index, document), version in zip(good.items(), versions, strict=True):
                results[index] = ItemResult(index, "ok", id=document.id, version=version)
        return results_reply([results[index] for index in sorted(results)])

    @router.post("/accounts/{account_id}/adjust", response_class=Response, openapi_extra=ADJUST)
    async def adjust_account(request: Request) -> Response:
        name, key = _named(request)
        body, _ = await bodies.read(request)
        adjustment = decode(body, _adjustment_decoder)
        wanted = wanted_versions(request)
        for _ in range(ADJUST_TRIES):
            doc, before = await _stored(accounts, key)
            if wanted and before not in wanted:
                break
            document = decode_document(doc)
            amount = _adjust(document, adjustment)
            try:
                version = await accounts.put(
                    key, encode_document(document), adjustment.reason, before
                )
            except VersionMismatch:
                continue
            adjusted = AdjustedAccount(name, version, adjustment.asset, amount)
            return json_reply(adjusted, etag(version))
        raise VersionMismatch("the account has another version by now")

    return router


def _named(request: Request) -> tuple[str, str]:
    """Return the account id in the path and its key."""
    name = check_account_id(request.path_params["account_id"])
    return name, account_key(tenant_of(request), name)


async def _stored(accounts: Accounts, key: str) -> tuple[bytes, int]:
    found = await accounts.get(key)
    if found is None:
        raise UnknownAccount("there is no such account")
    return found


async def _expected(accounts: Accounts, key: str, wanted: set[int] | None) -> int | None:
    """Return the one version a write may replace; None: any."""
    if wanted is None:
        return None
    if len(wanted) == 1:
        return next(iter(wanted))
    found = await accounts.get(key)
    if found is None or (wanted and found[1] not in wanted):
        raise VersionMismatch("the account has another version by now")
    return found[1]


def _check(
    document: AccountDocument, name: str, follower: MarketFollower, pointer: str = ""
) -> None:
    """Raise InvalidInput for what is wrong with an account, an unlisted symbol included."""
    account = to_account(document, name, pointer, own_marks=False)
    faults = unknown_symbols(account, document, follower.table, pointer)
    if not faults:
        return
    if not follower.known:
        raise StoreUnavailable("the instruments are not known yet")
    raise InvalidInput(faults[0].detail, tuple(faults))


def _check_positions(documents: list[AccountDocument], positions_max: int) -> None:
    positions = sum(len(document.positions or ()) for document in documents)
    check_count(positions, positions_max, "positions")


def _pieces(body: bytes, media_type: str, items_max: int) -> list[bytes]:
    """Return the accounts of a batch as they are: the items of a list, or the lines that are not empty."""
    if media_type != NDJSON:
        return split_list(body, items_max, "accounts")
    pieces = [line for line in body.splitlines() if line.strip()]
    check_count(len(pieces), items_max, "accounts")
    return pieces


def _read_batch(
    pieces: list[bytes], follower: MarketFollower, positions_max: int
) -> tuple[dict[int, ItemResult], dict[int, NamedAccountDocument]]:
    """Return what is refused and what is good, by place; two of one id are both refused."""
    results: dict[int, ItemResult] = {}
    good: dict[int, NamedAccountDocument] = {}
    first: dict[str, int] = {}
    for index, document in _decoded(pieces, results):
        try:
            _check(document, document.id, follower, f"/{index}")
        except InvalidInput as error:
            results[index] = refused(index, error.faults, document.id)
            continue
        good[index] = document
    _check_positions(list(good.values()), positions_max)
    for index, document in list(good.items()):
        other = first.setdefault(document.id, index)
        if other != index:
            for place in (other, index):
                good.pop(place, None)
                fault = Fault(f"/{place}/id", "duplicate_id", "this id is listed more than once")
                results[place] = refused(place, (fault,), document.id)
    return results, good


def _decoded(
    pieces: list[bytes], results: dict[int, ItemResult]
) -> Iterator[tuple[int, NamedAccountDocument]]:
    for index, piece in enumerate(pieces):
        try:
            yield index, decode_named(piece, f"/{index}")
        except InvalidInput as error:
            results[index] = refused(index, error.faults)
        except MalformedBody as error:  # of a line; a list has been read as a whole
            results[index] = refused(index, (Fault(f"/{index}", error.code, error.detail),))


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
        fault = Fault("/delta", "out_of_range", "the balance would be too large")
        raise InvalidInput(fault.detail, (fault,))
    balance.amount = amount
    return amount
