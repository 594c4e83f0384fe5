"""The contract's documents as gzip, for who takes it; nothing else is packed.

Answers are mostly digits: gzip makes them four times smaller at some 25 MB/s, beside the 90 MB/s at
which they are written, and it holds up whoever is next. It would pay over a slow line only, and
clients ask for it without being asked (httpx, requests and browsers do). The documents are words,
nine times smaller, and rarely read.
"""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_DOCUMENTS = frozenset({"/openapi.json", "/asyncapi", "/asyncapi.json"})
_LEVEL = 1  # 10 ms for the largest; level 6 takes two to four times as long for a tenth less


class PackedDocuments:
    """Packs the documents; goes round everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._packed = GZipMiddleware(app, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        packs = scope["type"] == "http" and scope["path"] in _DOCUMENTS
        await (self._packed if packs else self._app)(scope, receive, send)
