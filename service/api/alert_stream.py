"""`GET /v1/alerts/stream`: the alert log as Server-Sent Events, for browsers and for curl."""

import asyncio
from typing import Protocol, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response

from service.access.door import Caller
from service.api.documents import header_parameter, operation, query_parameter, text_answer
from service.api.entrance import Entrance
from service.api.protocol import transport_of
from service.api.queries import Query
from service.contract.alerts import LEVEL_NAMES, LevelName
from service.contract.cursor import Cursor, decode_cursor
from service.contract.decoding import explain
from service.contract.examples import ALERT, CURSOR
from service.contract.frames import AccountPattern, AlertsFrame, encode_frame
from service.contract.selection import Selection, select
from service.errors import InvalidCursor, InvalidInput, TooManyConnections

Item = TypeVar("Item")


class OpenStream(Protocol):
    """Returns the answer that goes on; `transport` is what it is written to."""

    def __call__(
        self,
        caller: Caller,
        selection: Selection,
        *,
        since: Cursor | None,
        transport: asyncio.Transport | None,
    ) -> Response: ...


def build_alert_stream_router(entrance: Entrance, open_stream: OpenStream) -> APIRouter:
    """Build the route that answers with a stream of events."""
    router = APIRouter(prefix="/v1", tags=["alerts"])

    @router.get("/alerts/stream", response_class=Response, openapi_extra=_GET)
    async def stream_alerts(request: Request) -> Response:
        caller = await entrance.admit(request, "alerts:read")
        query = Query(request, "since", "accountId", "levels", "silenced")
        accounts = _listed(query, "accountId", list[AccountPattern])
        levels = _listed(query, "levels", list[LevelName])
        # Who reconnects by itself says the same address again: its header is newer than that.
        given = request.headers.get("last-event-id") or query.text("since")
        since = decode_cursor(given) if given else None
        transport = transport_of(request)
        silenced = query.one_of("silenced", ("true", "false")) == "true"
        selection = select(caller.tenant, accounts or ["*"], levels, silenced)
        return open_stream(caller, selection, since=since, transport=transport)

    return router


def _listed(query: Query, name: str, kind: type[list[Item]]) -> list[Item] | None:
    """Return a parameter that is a list with commas, None where it is absent."""
    text = query.text(name)
    if text is None:
        return None
    try:
        return msgspec.convert(text.split(","), kind)
    except msgspec.ValidationError as error:
        raise InvalidInput.of(explain(str(error), f"?{name}")) from None


_ABOUT = """\
Events named as the frames of the WebSocket `/v1/stream`, each with that frame as its data: \
`subscribed`, then `snapshot` (the accounts that are not HEALTHY, unless everything since the \
cursor follows), then `alerts` as they are logged, `heartbeat` in silence, and `notice`, also \
ahead of a planned restart. The id of an event is a cursor: a client that sends it back as \
`Last-Event-ID` gets what came after it and nothing else. A client that does not read is cut off \
and can resume.\
"""
_EVENTS = (
    f"event: alerts\nid: {CURSOR}\ndata: {encode_frame(AlertsFrame('1', [ALERT], CURSOR))}\n\n"
)
_GET = operation(
    "streamAlerts",
    "The alert log as it is written (Server-Sent Events)",
    {200: text_answer(_ABOUT, _EVENTS, "text/event-stream")},
    parameters=[
        header_parameter("Last-Event-ID", "A cursor to go on from; comes before `since`.", CURSOR),
        query_parameter(
            "since",
            "A cursor to go on from; the state now where absent.",
            CURSOR,
            type="string",
        ),
        query_parameter(
            "accountId",
            'Only these accounts\': ids, beginnings of ids with a `*`; with commas. "*" is all.',
            "desk-7.*,fund-1",
            type="string",
        ),
        query_parameter(
            "levels",
            f"Only alerts of these levels, with commas: {', '.join(LEVEL_NAMES)}.",
            "LIQUIDATION,BANKRUPT",
            type="string",
        ),
        query_parameter(
            "silenced",
            "`true`: alerts under a silence too.",
            "true",
            type="string",
            enum=["true", "false"],
        ),
    ],
    errors=(InvalidInput, InvalidCursor, TooManyConnections),
    access="alerts:read",
)
