"""All that a server holds at one moment, as a file, while it goes on working.

The server is asked as a replica would ask: it forks, and sends what it had then in its own format,
RDB. Nothing is written on the server's side, and nothing of it is stopped.
"""

import asyncio
import hashlib
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url

from service.errors import StoreUnavailable

_MOST_BYTES = 2**20  # that are taken in one go
_SILENCE_S = 60.0  # a server that prepares says so every ten seconds
_STARTS = (b"REDIS", b"VALKEY")
_MARK_BYTES = 40


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file as it was written, and synced."""

    path: Path
    size_bytes: int
    sha256: str


async def fetch_snapshot(url: str, path: Path) -> Snapshot:
    """Write what the server at `url` holds to the new file `path`, and sync it.

    Raises StoreUnavailable when the server does not send it, or breaks off.
    """
    try:
        reader, writer = await _open(url)
        try:
            with path.open("xb") as file:
                digest = await _receive(reader, writer, file)
                file.flush()
                os.fsync(file.fileno())
                size_bytes = file.tell()
        finally:
            writer.close()
    except (OSError, EOFError, TimeoutError) as error:
        raise StoreUnavailable(f"no snapshot of {url}: {error or 'it fell silent'}") from error
    return Snapshot(path, size_bytes, digest)


async def _open(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as the URL says, its user and password included."""
    found = parse_url(url)
    if socket_file := found.get("path"):
        reader, writer = await asyncio.open_unix_connection(socket_file, limit=_MOST_BYTES)
    else:
        secure = found.get("connection_class") is SSLConnection
        reader, writer = await asyncio.open_connection(
            found.get("host", "127.0.0.1"),
            found.get("port", 6_379),
            limit=_MOST_BYTES,
            ssl=ssl.create_default_context() if secure else None,
        )
    if password := found.get("password"):
        await _told(reader, writer, "AUTH", found.get("username") or "default", password)
    return reader, writer


async def _told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *command: str) -> None:
    writer.write(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub means any tuple
    answer = await _line(reader)
    if not answer.startswith(b"+"):
        raise StoreUnavailable(f"{command[0]} was answered {answer.decode(errors='replace')}")


async def _line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(_SILENCE_S):
        return (await reader.readuntil(b"\n")).strip()


async def _receive(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, file: BinaryIO
) -> str:
    """Copy the snapshot that the server sends and return its digest.

    It comes behind its length, or with the mark at its end that was told at its beginning.
    """
    await _told(reader, writer, "REPLCONF", "capa", "eof")
    writer.write(hiredis.pack_command(("SYNC",)))
    while not (head := await _line(reader)):  # it is alive, and prepares
        pass
    if not head.startswith(b"$"):
        raise StoreUnavailable(f"SYNC was answered {head.decode(errors='replace')}")
    mark = head.removeprefix(b"$EOF:") if head.startswith(b"$EOF:") else b""
    left = None if mark else int(head[1:])
    digest, held = hashlib.sha256(), b""
    while left is None or left > 0:
        async with asyncio.timeout(_SILENCE_S):
            part = await reader.read(_MOST_BYTES if left is None else min(left, _MOST_BYTES))
        if not part:
            raise EOFError("the connection ended")
        if left is not None:
            left -= len(part)
        # What may be the mark's beginning is kept back until more is there.
        held += part
        ended = bool(mark) and held.endswith(mark)
        ready = held if not mark else held[:-_MARK_BYTES]
        digest.update(ready)
        file.write(ready)
        if ended:
            break
        held = held[len(ready) :]
    return digest.hexdigest()
