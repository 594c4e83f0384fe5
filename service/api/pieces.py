"""Long answers go out a piece at a time: between two pieces the worker answers others.

To hand an answer of 10 MB to the system takes several milliseconds, in which nobody else would be
heard. A client reads as slowly as it likes, so the room that its request took is given back before.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.load import BodyRoom

PIECE_BYTES = 256 * 1_024


class Pieces:
    """Cuts what is long, and gives back the room of each request once it is answered."""

    def __init__(self, app: ASGIApp, room: BodyRoom) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_by_piece(message: Message) -> None:
            body = message.get("body", b"")
            if len(body) <= PIECE_BYTES:
                await send(message)
                return
            self._room.release(scope)
            whole, last = memoryview(body), len(body) - PIECE_BYTES
            for start in range(0, len(body), PIECE_BYTES):
                more = start < last or message.get("more_body", False)
                piece = whole[start : start + PIECE_BYTES]
                await send({"type": message["type"], "body": piece, "more_body": more})
                await asyncio.sleep(0)

        try:
            await self._app(scope, receive, send_by_piece)
        finally:
            self._room.release(scope)
