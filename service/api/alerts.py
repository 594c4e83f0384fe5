"""`GET /v1/alerts`: the alert log as pages, resumed by cursor; alerts travel as logged.

Shards have a log each. A page merges them by market id, so that what happened first stands first as
far as a page can know.
"""

import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
from fastapi import APIRouter, Request, Response

from service.api.bodies import JSON
from service.api.documents import answer, operation, query_parameter
from service.api.queries import Query
from service.api.tenants import tenant_of
from service.contract.cursor import decode_cursor, encode_cursor
from service.contract.names import check_account_id
from service.contract.results import AlertsPage
from service.errors import InvalidCursor, InvalidInput, StoreUnavailable
from service.store.alert_log import AlertLog
from service.store.keys import account_key, shard_of
from service.store.log_entries import LogEntry, split_alerts

ENTRIES_A_READ = 16
SCANNED_MAX = 50_000  # alerts looked at for one page, wanted or not
LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000


class _Place(msgspec.Struct, rename="camel", gc=False):
    market_id: int


_place_decoder = msgspec.json.Decoder(_Place)


@dataclass(slots=True)
class _ShardReader:
    """One shard's log from `offset` on.

    `waiting` are (offset, market id, alert or None where unwanted).
    """

    shard: int
    offset: int  # of the last alert that was passed on or passed over
    read_to: int
    end: int  # the log's end when the page began
    waiting: deque[tuple[int, int, bytes | None]] = field(default_factory=deque)

    @property
    def dry(self) -> bool:
        return not self.waiting and self.read_to < self.end

    def take(self, entries: list[LogEntry], wanted: str, exact: bool) -> None:
        """Queue what was read; entries hold several alerts and may begin before where we stand."""
        if not entries:
            self.read_to = self.end
        for entry in entries:
            alerts = split_alerts(entry.alerts)
            for index, key in enumerate(entry.account_keys):
                offset = entry.offset_first + index
                if not self.read_to < offset <= self.end:
                    continue
                mine = key == wanted if exact else key.startswith(wanted)
                place = _place_decoder.decode(alerts[index]).market_id
                self.waiting.append((offset, place, alerts[index] if mine else None))
            self.read_to = max(self.read_to, min(entry.offset_last, self.end))


def build_alerts_router(
    log: AlertLog, settle: Callable[[], Awaitable[str]], shards: int
) -> APIRouter:
    """Build the route that reads the alert log; `settle` returns the log's epoch."""
    router = APIRouter(prefix="/v1", tags=["alerts"])

    @router.get("/alerts", response_class=Response, openapi_extra=_GET)
    async def get_alerts(request: Request) -> Response:
        query = Query(request, "since", "accountId", "limit")
        limit = query.whole("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        name = query.text("accountId")
        wanted = account_key(tenant_of(request), check_account_id(name) if name else "")
        current = await settle()
        readers, recovered = await _start(log, query.text("since"), current, shards)
        mine = [shard_of(wanted, shards)] if name else range(shards)
        alerts = await _page(log, [readers[shard] for shard in mine], wanted, bool(name), limit)
        more = any(readers[shard].offset < readers[shard].end for shard in mine)
        cursor = encode_cursor(current, [reader.offset for reader in readers])
        return Response(_page_bytes(alerts, cursor, recovered, more), 200, None, JSON)

    return router


async def _start(
    log: AlertLog, since: str | None, epoch: str, shards: int
) -> tuple[list[_ShardReader], bool]:
    """Return a reader a shard, and whether everything after `since` is still there."""
    given = None if since is None else decode_cursor(since)
    tails = await log.tails()
    recovered = given is None or (given.epoch == epoch and len(given.offsets) == shards)
    offsets = given.offsets if given is not None and recovered else (0,) * shards
    readers = []
    for tail, offset in zip(tails, offsets, strict=True):
        there = tail.trimmed <= offset <= tail.offset
        recovered = recovered and (there or given is None)
        start = offset if there else tail.trimmed
        readers.append(_ShardReader(tail.shard, start, start, tail.offset))
    return readers, recovered


async def _page(
    log: AlertLog, readers: list[_ShardReader], wanted: str, exact: bool, limit: int
) -> list[bytes]:
    alerts: list[bytes] = []
    scanned = 0
    while len(alerts) < limit and scanned < SCANNED_MAX:
        dry = [reader for reader in readers if reader.dry]
        if dry:
            positions = [(reader.shard, reader.read_to) for reader in dry]
            found = await log.read_many(positions, ENTRIES_A_READ)
            for reader, entries in zip(dry, found, strict=True):
                reader.take(entries, wanted, exact)
            continue
        scanned += _merge(readers, alerts, limit)
        if not any(reader.waiting or reader.dry for reader in readers):
            break
    return alerts


def _merge(readers: list[_ShardReader], alerts: list[bytes], limit: int) -> int:
    """Pass on by market id until the page is full or a shard is dry; return how many were seen."""
    heap = [(r.waiting[0][1], r.shard, r) for r in readers if r.waiting]
    heapq.heapify(heap)
    looked_at = 0
    while heap and len(alerts) < limit:
        reader = heap[0][2]
        reader.offset, _, alert = reader.waiting.popleft()
        looked_at += 1
        if alert is not None:
            alerts.append(alert)
        if reader.waiting:
            heapq.heapreplace(heap, (reader.waiting[0][1], reader.shard, reader))
            continue
        heapq.heappop(heap)
        if reader.dry:
            break
    return looked_at


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
)
