"""The door of the stream: `/v1/stream`."""

import logging
from collections.abc import Callable

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from service.push.hub import Hub

LOG = logging.getLogger("plimsoll.push")


def build_stream_router(hub: Hub, tenant_of: Callable[[WebSocket], str]) -> APIRouter:
    """Return the route; `tenant_of` says whose accounts a connection may hear of."""
    router = APIRouter()

    @router.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        session = hub.connect(tenant_of(socket))
        try:
            await socket.accept()
            await session.run(socket)
        except* WebSocketDisconnect:
            LOG.debug("a client hung up while it was written to")
        finally:
            hub.leave(session)

    return router
