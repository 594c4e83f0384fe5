"""The live page at `/`: files as they are, from this package; it speaks the public API alone.

There is no build step and nothing comes from elsewhere: scripts are ES modules, the charts' script
is the one inside the installed `plotly` package, read when it is first asked for. The policy allows
scripts and styles of our own origin and no inline ones.
"""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

FOLDER = Path(__file__).with_name("static")
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
CHARTS = "plotly.js"
# `connect-src 'self'` is for the calls and the stream, `img-src data:` for what charts draw with.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Asked for again each time and answered 304: an upgrade shows at the next visit.
    "cache-control": "no-cache",
    "vary": "Accept-Encoding",
}
_PACKED_FROM = 1_024  # bytes


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file, what it is, and the same packed by gzip where that pays."""

    content: bytes
    media_type: str
    packed: bytes | None

    @property
    def tag(self) -> str:
        """What it is known by: weak, as it stands for both forms."""
        return f'W/"{sha256(self.content).hexdigest()[:32]}"'

    def reply(self, request: Request) -> Response:
        """Answer with it, or with 304 to who has it already."""
        headers = {**HEADERS, "etag": self.tag}
        if self.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content = self.content
        if self.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            content, headers["content-encoding"] = self.packed, "gzip"
        return Response(content, headers=headers, media_type=self.media_type)


def build_page_router() -> APIRouter:
    """Return the routes; the page and its scripts are no secret, what they show takes a key."""
    router = APIRouter(include_in_schema=False)
    files = {path.name: page_file(path) for path in sorted(FOLDER.iterdir())}

    async def show_page(request: Request) -> Response:
        return files["index.html"].reply(request)

    async def show_file(request: Request) -> Response:
        name = request.path_params["name"]
        if name == CHARTS:
            # Some megabytes to read and pack, once: not on the loop that answers everybody.
            return (await asyncio.to_thread(_charts)).reply(request)
        if name not in files:
            raise HTTPException(404)
        return files[name].reply(request)

    _route(router, "/", show_page)
    _route(router, "/page/{name}", show_file)
    return router


@cache
def page_file(path: Path) -> PageFile:
    """Read a file of the page, once."""
    content = path.read_bytes()
    packed = gzip.compress(content, 6, mtime=0) if len(content) >= _PACKED_FROM else None
    return PageFile(content, MEDIA_TYPES[path.suffix], packed)


@cache
def _charts() -> PageFile:
    """Return the charts' script of the installed package; raises HTTPException where it is none."""
    found = find_spec("plotly")
    folders = [] if found is None else list(found.submodule_search_locations or [])
    for folder in folders:
        script = Path(folder) / "package_data" / "plotly.min.js"
        if script.is_file():
            return page_file(script)
    raise HTTPException(404)


def _route(router: APIRouter, path: str, answer: Callable[[Request], Awaitable[Response]]) -> None:
    router.add_api_route(path, answer, methods=["GET", "HEAD"], response_class=Response)
