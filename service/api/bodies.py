"""The one reader of request bodies: capped, timed, of a known media type, UTF-8."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.api.load import BodyRoom
from service.errors import (
    BodyTimeout,
    BodyTooLarge,
    MalformedBody,
    ServiceError,
    UnsupportedMediaType,
)

JSON = "application/json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"

# A client that is still sending when it is refused would see a reset instead of the answer. So what
# is too large is read and thrown away for a while, up to this many times the limit.
_DRAIN_FACTOR = 4
# Lines may go on for ever, but not a byte at a time: beyond the time-out, on the average.
LINES_BYTES_PER_S = 1_024


@dataclass(frozen=True, slots=True)
class BodyReader:
    """Limits of one service."""

    bytes_max: int
    timeout_s: float
    room: BodyRoom

    async def collect(self, request: Request) -> bytes:
        """Return the body, of whatever type; raises BodyTooLarge, BodyTimeout, Overloaded."""
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._collect(request)
        except TimeoutError:
            raise BodyTimeout("the body did not arrive in time") from None

    async def read(self, request: Request, *media_types: str) -> tuple[bytes, str]:
        """Return the body and its media type, one of `media_types` (JSON when none is given).

        Raises UnsupportedMediaType, BodyTooLarge, BodyTimeout, Overloaded, MalformedBody (not
        UTF-8).
        """
        media_type = media_type_of(request, *media_types or (JSON,))
        body = await self.collect(request)
        if media_type != ARROW and not body.isascii():
            _check_utf8(body)
        return body, media_type

    async def lines(self, request: Request) -> AsyncIterator[list[bytes | ServiceError]]:
        """Yield the lines of a body that are not empty as they come, or why one cannot be read.

        However long the body, no more is kept of it than one line. Raises BodyTimeout when nothing
        comes for too long or too little comes for long, Overloaded. Only the time that we wait for
        the client counts.
        """
        stream, line = request.stream(), _Line(self.bytes_max)
        clock_s, waited_s, received = asyncio.get_running_loop().time, 0.0, 0
        while True:
            began_s = clock_s()
            left_s = self.timeout_s + received / LINES_BYTES_PER_S - waited_s
            try:
                async with asyncio.timeout(min(self.timeout_s, left_s)):
                    chunk = await _next(stream)
            except TimeoutError:
                raise BodyTimeout("the body did not go on in time") from None
            waited_s += clock_s() - began_s
            received += len(chunk or b"")
            pieces = [] if chunk is None else chunk.split(b"\n")
            found = [line.ended(piece) for piece in pieces[:-1]]
            if chunk is None:
                found.append(line.ended(b""))
            else:
                line.add(pieces[-1])
                self.room.hold(request.scope, line.size)
            if kept := [each for each in found if each]:
                yield kept
            if chunk is None:
                return

    async def _collect(self, request: Request) -> bytes:
        declared = _declared_length(request)
        waits = request.headers.get("expect", "").lower() == "100-continue"
        if declared > self.bytes_max and (waits or declared > _DRAIN_FACTOR * self.bytes_max):
            raise self._too_large()
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, more = message.get("body", b""), message.get("more_body", False)
            size += len(chunk)
            if size <= self.bytes_max:
                self.room.hold(request.scope, size)
                chunks.append(chunk)
                continue
            chunks.clear()
            self.room.hold(request.scope, 0)
            if size > _DRAIN_FACTOR * self.bytes_max:
                break
        if size > self.bytes_max:
            raise self._too_large()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body is larger than {self.bytes_max} bytes")


async def _next(stream: AsyncIterator[bytes]) -> bytes | None:
    """Return the next piece of a body, None at its end."""
    async for chunk in stream:
        return chunk
    return None


class _Line:
    """A line that is still coming in."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Return how many bytes are kept."""
        return self._size if self._size <= self._bytes_max else 0

    def add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._bytes_max:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def ended(self, part: bytes) -> bytes | ServiceError:
        """Return the line that ends with this part, without blanks around it."""
        self.add(part)
        too_long = self._size > self._bytes_max
        line = b"".join(self._parts).strip()
        self._parts, self._size = [], 0
        if too_long:
            return BodyTooLarge(f"the line is longer than {self._bytes_max} bytes")
        if not line.isascii():
            try:
                _check_utf8(line)
            except MalformedBody:
                return MalformedBody("the line is not UTF-8")
        return line


def _declared_length(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if len(text) < 19 and text.isascii() and text.isdigit() else 0


def media_type_of(request: Request, *accepted: str) -> str:
    """Return the media type of a body; raises UnsupportedMediaType when it is none of these."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMediaType("the body must not be compressed")
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    media_type = media_type.strip()
    if media_type not in accepted:
        raise UnsupportedMediaType(f"the content type must be {' or '.join(accepted)}")
    charset = parameters.partition("charset=")[2].strip(' "')
    if charset not in ("", "utf-8", "utf8"):
        raise UnsupportedMediaType("the charset must be utf-8")
    return media_type


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError:
        raise MalformedBody("the body is not UTF-8") from None
