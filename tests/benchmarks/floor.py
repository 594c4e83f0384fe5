"""The floor of tick to alert: what the same servers take without a line of ours.

`mover` reads a stream and appends, for an entry that says so, to a log by one script (the server
syncs at every write) and wakes; `pusher` is woken, reads the log and sends frames. Two durable hops
and a WebSocket, nothing is computed.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
import uvloop
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from service.store.client import Client
from tests.launching import free_port

STREAM, LOG, WAKE = "floor:stream", "floor:log", "floor"
_APPEND = (
    "redis.call('XADD', KEYS[1], '*', 'd', ARGV[1]) redis.call('PUBLISH', KEYS[2], '') return 1"
)


async def _move(store: Any) -> None:
    """An entry's `d` is "<blocks> <bytes of each> <what the first begins with>"."""
    append = store.register_script(_APPEND)
    last = b"0"
    while True:
        for _, entries in await store.xread({STREAM: last}, block=0):
            for _, fields in entries:
                blocks, size, text = fields[b"d"].split(b" ", 2)
                for number in range(int(blocks)):
                    block = (text if number == 0 else b"").ljust(int(size), b".")
                    await append(keys=[LOG, WAKE], args=[block])
            last = entries[-1][0]


def _pusher(store: Any) -> Starlette:
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        pubsub = store.pubsub()
        await pubsub.subscribe(WAKE)
        last = b"0"
        async for message in pubsub.listen():
            if message["type"] == "subscribe":
                await socket.send_text("ready")
                continue
            for entry, fields in await store.xrange(LOG, b"(" + last, "+", count=100):
                await socket.send_text(fields[b"d"].decode())
                last = entry

    return Starlette(routes=[WebSocketRoute("/", stream)])


@contextlib.asynccontextmanager
async def floor(store: Client, path: str) -> AsyncIterator[str]:
    """Run both over the server at a unix socket; yields where to listen."""
    port, command = free_port(), (sys.executable, "-m", "tests.benchmarks.floor")
    await store.call("DEL", STREAM, LOG)
    parts = [
        await asyncio.create_subprocess_exec(*command, "mover", path),
        await asyncio.create_subprocess_exec(*command, "pusher", path, str(port)),
    ]
    try:
        async with asyncio.timeout(30.0):
            while not await _listens(port):  # noqa: ASYNC110 - nothing tells when a port opens
                await asyncio.sleep(0.05)
        yield f"ws://127.0.0.1:{port}/"
    finally:
        for part in parts:
            part.kill()
            await part.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


if __name__ == "__main__":
    if sys.argv[1] == "mover":
        uvloop.run(_move(Redis(unix_socket_path=sys.argv[2])))
    else:
        uvicorn.run(
            _pusher(Redis(unix_socket_path=sys.argv[2])),
            port=int(sys.argv[3]),
            loop="uvloop",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            log_level="warning",
        )
