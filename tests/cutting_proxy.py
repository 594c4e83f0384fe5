"""A TCP proxy in front of a server: passes requests, can keep or lose what comes back."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine
from pathlib import Path

import anyio

from tests.valkey_cluster import AnyServer
from tests.valkey_server import ValkeyServer


class CuttingProxy:
    """`hold` cleared keeps answers back.

    `lose_after` n lets n parts of answers pass, then cuts the connection at the next one. Of a
    cluster, one proxy stands before all nodes.
    """

    def __init__(self) -> None:
        self.url = ""
        self.hold = asyncio.Event()
        self.hold.set()
        self.lose_after: int | None = None
        self._listening: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def carried(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    async def before(self, server: Path | int) -> asyncio.Server:
        """Listen on a free port of this machine in front of a server: its socket file or port."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            carrying = self._start(self._carry(server, reader, writer))
            # However it ends: one that is cut before it has begun never comes to its own end.
            carrying.add_done_callback(lambda _: writer.transport.abort())

        self._listening.append(await asyncio.start_server(accept, "127.0.0.1", 0))
        return self._listening[-1]

    def _start(self, carrying: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(carrying)
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        return task

    def cut(self, share: float, chance: random.Random) -> int:
        """Cut about this share of the connections; return how many."""
        chosen = [task for task in self._connections if chance.random() < share]
        for task in chosen:
            task.cancel()
        return len(chosen)

    async def aclose(self) -> None:
        """Cut every connection and accept no more."""
        for listening in self._listening:
            listening.close()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _carry(
        self, server: Path | int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        to_server = None
        try:
            from_server, to_server = await _open(server)
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
            if to_server is not None:
                to_server.transport.abort()

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


async def _open(server: Path | int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(server, Path):
        return await asyncio.open_unix_connection(server)
    return await asyncio.open_connection("127.0.0.1", server)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65_536):
        writer.write(part)
        await writer.drain()


@contextlib.asynccontextmanager
async def proxied(server: AnyServer) -> AsyncIterator[CuttingProxy]:
    """A proxy in front of a server, or of every node of a cluster, which then names it to us."""
    proxy = CuttingProxy()
    async with contextlib.AsyncExitStack() as stack:
        ports = []
        for node in server.nodes:
            listening = await stack.enter_async_context(await proxy.before(node.socket_file))
            ports.append(listening.sockets[0].getsockname()[1])
        if len(ports) > 1:
            _announce(server.nodes, ports)
            stack.callback(_announce, server.nodes, [node.port for node in server.nodes])
        proxy.url = "redis://" + ",".join(f"127.0.0.1:{port}" for port in ports)
        stack.push_async_callback(proxy.aclose)
        yield proxy


def _announce(nodes: list[ValkeyServer], ports: list[int]) -> None:
    """Have each node name a port as its own; return when all have heard of it."""
    for node, port in zip(nodes, ports, strict=True):
        node.ask(f"CONFIG SET cluster-announce-port {port}")
    while not all(f":{port}\r\n" in node.ask("CLUSTER SLOTS") for node in nodes for port in ports):
        time.sleep(0.01)
