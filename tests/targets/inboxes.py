"""Where messages arrive: an HTTP receiver of `json://`, and an SMTP server that can hang."""

import asyncio
import contextlib
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import closing
from email.message import EmailMessage
from typing import Any

import msgspec


class JsonInbox:
    """`answers` are given one call each, the last one for ever: a status, or "hang"."""

    def __init__(self) -> None:
        self.answers: list[int | str] = [200]
        self.calls: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.location = ""
        self.port = 0

    @property
    def url(self) -> str:
        return f"json://user:s3cr3t-p4ss@127.0.0.1:{self.port}/t0k3n-path"

    @property
    def refs(self) -> list[str]:
        """The ids of the messages that were taken, as they stand at the end of each."""
        return [each["message"].rsplit("\n", 1)[1] for each in self.taken]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        message = msgspec.json.decode(await reader.readexactly(length))
        self.calls.append(message)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "hang":
            await asyncio.Event().wait()
        if answer == 200:
            self.taken.append(message)
        more = f"location: {self.location}\r\n" if self.location else ""
        writer.write(f"HTTP/1.1 {answer} x\r\ncontent-length: 0\r\n{more}\r\n".encode())
        await writer.drain()


class MailInbox:
    """An SMTP server as small as one can be; `hangs` keeps every client waiting."""

    def __init__(self) -> None:
        self.hangs = False
        self.greeted = 0
        self.mails: list[EmailMessage] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=risk@example.com&to=desk@example.com"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.greeted += 1
        if self.hangs:
            await asyncio.Event().wait()
        writer.write(b"220 inbox\r\n")
        while line := await reader.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(email.message_from_bytes(text[:-5], policy=email.policy.default))
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            await writer.drain()
            if word == b"QUIT":
                return


@contextlib.asynccontextmanager
async def opened(inbox: JsonInbox | MailInbox) -> AsyncIterator[None]:
    """Serve on a free port of loopback until the block ends."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            await inbox.serve(reader, writer)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    inbox.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [each for each in outcomes if isinstance(each, Exception)]
