"""`GET /v1/alerts`: the alert log as pages, resumed by cursor; alerts travel as logged.

Shards have a log each; pages give them as one, in the order that the stream has.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from fastapi import APIRouter, Request, Response

from service.access.door import Door
from service.api.bodies import JSON
from service.api.documents import answer, operation, query_parameter
from service.api.queries import Query
from service.contract.cursor import decode_cursor, encode_cursor
from service.contract.names import check_account_id
from service.contract.results import AlertsPage
from service.errors import InvalidCursor, InvalidInput, StoreUnavailable
from service.store.alert_log import AlertLog, LogTail
from service.store.keys import account_key, shard_of
from service.store.log_order import LogGap, LogOrder

SCANNED_MAX = 50_000  # alerts looked at for one page, wanted or not
LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000


def build_alerts_router(
    door: Door, log: AlertLog, settle: Callable[[], Awaitable[str]], shards: int
) -> APIRouter:
    """Build the route that reads the alert log; `settle` returns the log's epoch."""
    router = APIRouter(prefix="/v1", tags=["alerts"])

    @router.get("/alerts", response_class=Response, openapi_extra=_GET)
    async def get_alerts(request: Request) -> Response:
        caller = await door.admit(request, "alerts:read")
        query = Query(request, "since", "accountId", "limit")
        limit = query.whole("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        name = query.text("accountId")
        wanted = account_key(caller.tenant, check_account_id(name) if name else "")
        current = await settle()
        tails = await log.tails()
        starts, recovered = _start(tails, query.text("since"), current, shards)
        mine = shard_of(wanted, shards) if name else None
        ends = tuple(
            tail.offset if mine in (None, tail.shard) else start
            for tail, start in zip(tails, starts, strict=True)
        )

        def is_wanted(key: str) -> bool:
            return key == wanted if name else key.startswith(wanted)

        alerts, offsets = await _page(log, starts, ends, is_wanted, limit)
        cursor = encode_cursor(current, offsets)
        return Response(_page_bytes(alerts, cursor, recovered, offsets != ends), 200, None, JSON)

    return router


def _start(
    tails: Sequence[LogTail], since: str | None, epoch: str, shards: int
) -> tuple[tuple[int, ...], bool]:
    """Return the offset a shard to read after, and whether everything after `since` is there."""
    given = None if since is None else decode_cursor(since)
    recovered = given is None or (given.epoch == epoch and len(given.offsets) == shards)
    offsets = given.offsets if given is not None and recovered else (0,) * shards
    there = list(map(LogTail.reaches, tails, offsets))
    starts = tuple(
        offset if still else tail.trimmed
        for tail, offset, still in zip(tails, offsets, there, strict=True)
    )
    return starts, recovered and (given is None or all(there))


async def _page(
    log: AlertLog,
    starts: Sequence[int],
    ends: tuple[int, ...],
    is_wanted: Callable[[str], bool],
    limit: int,
) -> tuple[list[bytes], tuple[int, ...]]:
    """Return the next wanted alerts, and the offsets by shard up to which was looked."""
    alerts: list[bytes] = []
    order, scanned = LogOrder(starts), 0
    while order.offsets != ends and scanned < SCANNED_MAX:
        try:
            if await order.read(log, ends):
                break
        except LogGap:
            break  # trimmed meanwhile: who goes on from here is told
        part = order.take(ends)
        for index, key in enumerate(part.keys):
            if is_wanted(key):
                alerts.append(part.alerts[index])
                if len(alerts) == limit:
                    return alerts, part.offsets(index + 1)
        scanned += len(part.keys)
    return alerts, order.offsets


def _page_bytes(alerts: list[bytes], cursor: str, recovered: bool, more: bool) -> bytes:
    flags = b"%b" % msgspec.json.encode({"cursor": cursor, "recovered": recovered, "more": more})
    return b'{"alerts":[' + b",".join(alerts) + b"]," + flags[1:]


_EXAMPLE = {
    "alerts": [],
    "cursor": "AQg2ZjFhMmIzY0ABAgMEBQYHCAkKCwwNDg8Q",
    "recovered": True,
    "more": False,
}
_GET = operation(
    "getAlerts",
    "The alert log, from a cursor on",
    {200: answer("A page, in the order things happened.", AlertsPage, _EXAMPLE)},
    parameters=[
        query_parameter("since", "A cursor; the log's beginning where absent.", type="string"),
        query_parameter("accountId", "Only this account's.", type="string"),
        query_parameter("limit", "Most alerts.", type="integer", minimum=1, maximum=LIMIT_MAX),
    ],
    errors=(InvalidInput, InvalidCursor, StoreUnavailable),
    access="alerts:read",
)
