"""The door of the stream: `/v1/stream`."""

import logging

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from service.access.door import Caller
from service.push.admission import Admission
from service.push.close_codes import REASONS, REFUSALS
from service.push.hub import Hub

LOG = logging.getLogger("plimsoll.push")


def build_stream_router(hub: Hub, admission: Admission) -> APIRouter:
    """Return the route; `admission` says whose accounts a connection may hear of, if any."""
    router = APIRouter()

    @router.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        if not admission.may_shake_hands(socket):
            await socket.close()  # before it is accepted: the handshake is answered 403
            return
        try:
            await socket.accept()
            await _let_in(hub, admission, socket)
        except WebSocketDisconnect:
            LOG.debug("a client hung up before it was let in")

    return router


async def _let_in(hub: Hub, admission: Admission, socket: WebSocket) -> None:
    """Serve whoever may come in, close the others; raises WebSocketDisconnect."""
    try:
        caller = await admission.admit(socket)
        with admission.counted(caller):
            await _serve(hub, caller, socket)
    except tuple(REFUSALS) as refused:
        # Who hung up while it was waited for has no use for a reason.
        if socket.client_state is WebSocketState.CONNECTED:
            code = REFUSALS[type(refused)]
            await socket.close(code, REASONS[code])


async def _serve(hub: Hub, caller: Caller, socket: WebSocket) -> None:
    session = hub.connect(caller)
    try:
        await session.run(socket)
    except* WebSocketDisconnect:
        LOG.debug("a client hung up while it was written to")
    finally:
        hub.leave(session)
