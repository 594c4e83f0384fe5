"""Our protocol over uvicorn's: who writes after a broken frame ended all is told of a hang-up."""

import asyncio
import socket
from typing import Any

import pytest
import uvicorn

from service.push.protocol import StreamProtocol
from tests.push.stream import Client, until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("late", ["websocket.send", "websocket.close"])
async def test_a_message_after_a_broken_frame_meets_a_hang_up(late: str) -> None:
    # As when an answer is on its way while the protocol ends the connection by itself.
    met: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        try:
            await send({"type": late, "text": "too late"})
        except Exception as error:
            met.set_result(error)
        else:
            met.set_result(None)

    config = uvicorn.Config(app, ws=StreamProtocol, lifespan="off", log_level="warning")
    server, listening = uvicorn.Server(config), socket.socket()
    listening.bind(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await until(lambda: server.started)
    try:
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/stream"
        async with Client.open(url) as client:
            client.connection.transport.write(b"\xf1\x80\x00\x00\x00\x00")
            assert await client.closed() == 1002
            assert isinstance(await met, OSError)
    finally:
        server.should_exit = True
        await serving
