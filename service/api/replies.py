"""How every call answers: records to bytes, versions to ETags, lists of results to one status."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec
from fastapi import Request, Response
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from service.api.bodies import JSON
from service.api.pieces import PIECE_BYTES
from service.api.problems import refused_list_response
from service.contract.problems import ItemResult
from service.contract.results import BatchResult
from service.errors import VersionMismatch

Part: TypeAlias = bytes | memoryview

NO_VERSION = 0  # that of an account that is not there, where it is expected
_encoder = msgspec.json.Encoder()


def json_reply(record: object, headers: dict[str, str] | None = None) -> Response:
    """Answer a record; NaN in it is written as null."""
    return Response(_encoder.encode(record), 200, headers, JSON)


class PartedResponse(Response):
    """An answer in parts as they stand in memory: what is long is not copied to be one."""

    def __init__(self, parts: Sequence[Part], media_type: str) -> None:
        length = sum(map(len, parts))
        super().__init__(None, 200, {"content-length": str(length)}, media_type)
        self._parts = parts

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send all parts."""
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        *parts, last = self._parts
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": last, "more_body": False})


def text_reply(*parts: Part) -> Response:
    """Answer what is JSON already."""
    if sum(map(len, parts)) <= PIECE_BYTES:  # copied sooner than sent in parts
        return Response(b"".join(parts), 200, None, JSON)
    return PartedResponse(parts, JSON)


def with_accounts(frame: Struct, accounts: Part) -> tuple[bytes, Part, bytes]:
    """Return a record whose list of `accounts` is empty, as text with these texts in the list."""
    head, tail = _encoder.encode(frame).split(b'"accounts":[]', 1)
    return b'%b"accounts":[' % head, accounts, b"]" + tail


def etag(version: int) -> dict[str, str]:
    """Return the header that carries an account's version."""
    return {"etag": f'"{version}"'}


def unchanged(request: Request, headers: dict[str, str]) -> Response | None:
    """Answer 304 where `If-None-Match` names the ETag that is in `headers`, else nothing.

    Tags are compared weakly (RFC 9110): a `W/` in front makes no difference.
    """
    asked = request.headers.get("if-none-match")
    if asked is None:
        return None
    tags = {tag.strip().removeprefix("W/") for tag in asked.split(",")}
    if not tags & {"*", headers["etag"].removeprefix("W/")}:
        return None
    return Response(None, 304, headers)


def wanted_versions(request: Request) -> set[int] | None:
    """Return the versions that `If-Match` allows; None: any, even none.

    Raises VersionMismatch when it can match nothing. `*` is returned as an empty set: any version,
    but there must be one. `If-None-Match: *` is returned as version 0: there must be none.
    """
    header = request.headers.get("if-match")
    if header is None:
        return {NO_VERSION} if request.headers.get("if-none-match", "").strip() == "*" else None
    if header.strip() == "*":
        return set()
    tags = [tag.strip() for tag in header.split(",")]
    versions = {int(tag[1:-1]) for tag in tags if _is_version(tag)} - {NO_VERSION}
    if not versions:
        raise VersionMismatch("If-Match names no version of this account")
    return versions


def _is_version(tag: str) -> bool:
    number = tag[1:-1]
    quoted = len(tag) > 2 and tag[0] == tag[-1] == '"'
    return quoted and len(number) < 19 and number.isascii() and number.isdigit()


def results_reply(results: Iterable[ItemResult]) -> Response:
    """Answer by item, in order; when nothing was taken, as a problem that has the results too."""
    ordered = sorted(results, key=lambda result: result.index)
    accepted = sum(result.status == "ok" for result in ordered)
    return batch_reply(BatchResult(accepted, len(ordered) - accepted, ordered))


def batch_reply(result: BatchResult) -> Response:
    """Answer what became of a list; when nothing was taken, as a problem that has the results."""
    if result.refused and not result.accepted:
        return refused_list_response(result.results)
    return json_reply(result)
