"""The doors of the streams, `/v1/stream` and `/v1/marks/stream`; what is behind: `/asyncapi`."""

import logging
from collections.abc import Callable
from functools import cache

from fastapi import APIRouter, Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from service.access.door import Caller
from service.errors import MissingScope
from service.push import asyncapi
from service.push.admission import Admission
from service.push.asyncapi_page import HEADERS, render_page
from service.push.close_codes import REASONS, REFUSALS
from service.push.hub import Hub
from service.push.producer import MarkStore, Producer
from service.push.session import Session

LOG = logging.getLogger("plimsoll.push")


def build_stream_router(hub: Hub, admission: Admission, market: MarkStore) -> APIRouter:
    """Return the routes; `admission` says whose accounts a connection may hear of, if any."""
    router = APIRouter()

    def listener(caller: Caller) -> Session:
        return Session(hub, caller, hub.limits)

    def producer(caller: Caller) -> Producer:
        if not caller.may("marks:write"):
            raise MissingScope("this key lacks the scope marks:write")
        return Producer(hub, caller, hub.limits, market)

    @router.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await _answer(hub, admission, socket, listener)

    @router.websocket("/v1/marks/stream")
    async def take_marks(socket: WebSocket) -> None:
        await _answer(hub, admission, socket, producer)

    return router


def build_document_router() -> APIRouter:
    """Return the routes that show the AsyncAPI document, to whoever comes: it is no secret."""
    router = APIRouter(include_in_schema=False)

    @router.get("/asyncapi")
    async def show_page() -> Response:
        return Response(_page(), headers=HEADERS, media_type="text/html")

    @router.get("/asyncapi.json")
    async def show_document() -> Response:
        return Response(_document(), media_type="application/json")

    return router


# Made when somebody asks: workers that start have better things to do for 50 ms.


@cache
def _page() -> str:
    return render_page(asyncapi.document())


@cache
def _document() -> str:
    return asyncapi.render()


async def _answer(
    hub: Hub,
    admission: Admission,
    socket: WebSocket,
    client_of: Callable[[Caller], Session | Producer],
) -> None:
    """Serve a socket from its handshake to its end."""
    if not admission.may_shake_hands(socket):
        await socket.close()  # before it is accepted: the handshake is answered 403
        return
    try:
        await socket.accept()
        await _let_in(hub, admission, socket, client_of)
    except WebSocketDisconnect:
        LOG.debug("a client hung up before it was let in")


async def _let_in(
    hub: Hub,
    admission: Admission,
    socket: WebSocket,
    client_of: Callable[[Caller], Session | Producer],
) -> None:
    """Serve whoever may come in, close the others; raises WebSocketDisconnect."""
    try:
        client = client_of(await admission.admit(socket))
        with admission.counted(client.caller):
            await _serve(hub, client, socket)
    except tuple(REFUSALS) as refused:
        # Who hung up while it was waited for has no use for a reason.
        if socket.client_state is WebSocketState.CONNECTED:
            code = REFUSALS[type(refused)]
            hub.count_close(code)
            await socket.close(code, REASONS[code])


async def _serve(hub: Hub, client: Session | Producer, socket: WebSocket) -> None:
    hub.admit(client)
    try:
        await client.run(socket)
    except* WebSocketDisconnect:
        LOG.debug("a client hung up while it was written to")
    finally:
        hub.leave(client)
