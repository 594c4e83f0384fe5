"""Routes whose calls are given the request as it is."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class DirectRoute(APIRoute):
    """A call that takes the request and nothing else: FastAPI looks for no parameters in it.

    It documents the call like any other. Looking takes as long as a small answer does.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint
