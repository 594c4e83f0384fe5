"""Routes whose calls are given the request as it is."""

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send


class DirectRoute(APIRoute):
    """A call that takes the request and nothing else: FastAPI looks for no parameters in it.

    It documents the call like any other. Looking takes as long as a small answer does, and so does
    what FastAPI opens and closes for dependencies. Errors are answered where all others are.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of this path."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)  # refuses it
            return
        response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
