"""A name for every request: the client's own `X-Request-Id`, or one we make; answers carry it."""

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.logs import set_request_id

HEADER = b"x-request-id"
_GOOD = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")


class RequestIds:
    """Every line that is logged while a request is answered names it, and so does its answer.

    What could not be told from the rest of a line is no name: then we make one, as where none is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        name = _name_of(scope)
        # Its task ends with the request, and with it the name: also where the server logs after us.
        set_request_id(name.decode())

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (HEADER, name)]
            await send(message)

        await self._app(scope, receive, tell)


def _name_of(scope: Scope) -> bytes:
    given = [value for header, value in scope["headers"] if header == HEADER]
    if len(given) == 1 and _GOOD.fullmatch(given[0]):
        return bytes(given[0])
    return secrets.token_hex(8).encode()
