"""A TCP proxy in front of a server: passes requests, can keep or lose what comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import anyio


class CuttingProxy:
    """`hold` cleared keeps answers back.

    `lose_after` n lets n parts of answers pass, then cuts the connection at the next one.
    """

    def __init__(self, socket_file: Path) -> None:
        self.url = ""
        self.hold = asyncio.Event()
        self.hold.set()
        self.lose_after: int | None = None
        self._socket_file = socket_file
        self._connections: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start to carry one connection."""
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def aclose(self) -> None:
        """Cut every connection."""
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = None
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._socket_file)
            async with anyio.create_task_group() as tasks:

                async def first_to_end(work: Awaitable[None]) -> None:
                    with contextlib.suppress(OSError):
                        await work
                    tasks.cancel_scope.cancel()

                for work in (_pump(reader, to_server), self._answers(from_server, writer)):
                    tasks.start_soon(first_to_end, work)
        except OSError:
            pass
        finally:
            for end in (writer, to_server):
                if end is not None:
                    end.transport.abort()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65_536):
            await self.hold.wait()
            if self.lose_after == 0:
                self.lose_after = None
                return
            if self.lose_after is not None:
                self.lose_after -= 1
            writer.write(part)
            await writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65_536):
        writer.write(part)
        await writer.drain()


@contextlib.asynccontextmanager
async def proxied(socket_file: Path) -> AsyncIterator[CuttingProxy]:
    """A proxy on a free port of this machine in front of a unix socket."""
    proxy = CuttingProxy(socket_file)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    proxy.url = f"redis://{host}:{port}"
    try:
        async with server:
            yield proxy
    finally:
        await proxy.aclose()
