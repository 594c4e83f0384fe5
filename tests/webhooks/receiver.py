"""A webhook's receiver as somebody might run it: it verifies, and misbehaves when told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

ANSWERED = "HTTP/1.1 {} x\r\ncontent-length: 0\r\n{}\r\n"


class Receiver:
    """`answers` are given one call each, the last one for ever: a status, or "hang" or "break".

    What does not verify is refused; `calls` has the rest, `deliveries` what was taken, by id.
    """

    def __init__(self) -> None:
        self.answers: list[int | str] = [200]
        self.headers = ""
        self.secret = ""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.deliveries: dict[str, dict[str, Any]] = {}
        self.port = 0
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    @property
    def alerts(self) -> list[str]:
        """The ids of the alerts of all deliveries that were taken, repeats by id dropped."""
        taken = self.deliveries.values()
        return [alert["id"] for each in taken for alert in each["data"]["alerts"]]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                request, *lines = head.strip().split("\r\n")
                fields = (line.partition(": ") for line in lines)
                headers = {name.lower(): value for name, _, value in fields}
                body = await reader.readexactly(int(headers["content-length"]))
                self.paths.append(request.split()[1])
                if not await self._answer(headers, body, writer):
                    break

    async def _answer(
        self, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        try:
            payload = Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            writer.write(ANSWERED.format(401, "").encode())
            return True
        name, answer = headers["webhook-id"], self.answers[0]
        self.calls.append((name, payload))
        if len(self.answers) > 1:
            self.answers.pop(0)
        if answer == "hang":
            await asyncio.Event().wait()
        if answer == "break":
            return False
        if answer == 200:
            assert self.deliveries.setdefault(name, payload) == payload, "another under an old id"
        writer.write(ANSWERED.format(answer, self.headers).encode())
        await writer.drain()
        return True


@contextlib.asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of loopback."""
    receiver = Receiver()
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        connections.add(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in connections:
            task.cancel()
        outcomes = await asyncio.gather(*connections, return_exceptions=True)
        broken = [each for each in outcomes if isinstance(each, Exception)]
        assert not broken, broken


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event for what others do
            await asyncio.sleep(0.005)
