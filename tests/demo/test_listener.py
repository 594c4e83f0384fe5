"""The stream's client: it comes back by itself and asks for what it has not dealt with."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve

from service.contract.frames import Heartbeat, Subscribed
from service.demo.listener import Service, Wanted, listen, stream_url, web_address
from service.errors import InvalidInput, StoreUnavailable

pytestmark = pytest.mark.anyio

Script = Callable[[ServerConnection, dict[str, Any]], Any]


@asynccontextmanager
async def stream(script: Script) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A server that gives each connection, once it has subscribed, to `script`."""
    asked: list[dict[str, Any]] = []

    async def answer(socket: ServerConnection) -> None:
        asked.append(orjson.loads(await socket.recv()))
        await script(socket, asked[-1])

    async with serve(answer, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}", asked


def text(kind: str, **fields: Any) -> str:
    return orjson.dumps({"type": kind, "id": "alerts", **fields}).decode()


async def subscribed_then_close(socket: ServerConnection, asked: dict[str, Any]) -> None:
    since = asked.get("since") or "c0"
    recovered = asked.get("since") is not None
    fields = {"channel": "alerts", "epoch": "e", "recovered": recovered, "cursor": since}
    await socket.send(text("subscribed", **fields))
    await socket.send(text("heartbeat", cursor=since + "+"))
    await socket.close(4008, "slow")


def test_the_streams_url_follows_the_services() -> None:
    assert stream_url("http://127.0.0.1:8000/") == "ws://127.0.0.1:8000/v1/stream"
    assert stream_url("https://risk.example") == "wss://risk.example/v1/stream"


def test_a_url_without_a_scheme_is_plain_http() -> None:
    assert web_address("localhost:8000") == "http://localhost:8000"
    assert web_address("https://risk.example/") == "https://risk.example"


async def test_every_connection_carries_the_token_if_there_is_one() -> None:
    assert Service("http://x").headers == Service("http://x", "").headers == {}
    carried = []

    async def keep_header(socket: ServerConnection, asked: dict[str, Any]) -> None:
        assert socket.request is not None
        carried.append(socket.request.headers.get("Authorization"))
        await subscribed_then_close(socket, asked)

    async with stream(keep_header) as (url, _):
        for token in ("plk_x", None):
            async for _frame in listen(Service(url, token), Wanted(), 5.0):
                break
    assert carried == ["Bearer plk_x", None]
    assert "plk_x" not in repr(Service(url, "plk_x"))


async def test_it_comes_back_with_the_last_cursor_it_has_dealt_with() -> None:
    async with stream(subscribed_then_close) as (url, asked):
        seen = []
        async with asyncio.timeout(10.0):
            async for frame in listen(Service(url), Wanted(("a*",), ("WARNING",)), 5.0):
                seen.append(frame)
                if len(seen) == 6:
                    break

    assert [type(frame) for frame in seen] == [Subscribed, Heartbeat] * 3
    assert [one.get("since") for one in asked] == [None, "c0+", "c0++"]
    assert asked[0]["accounts"] == ["a*"]
    assert asked[0]["levels"] == ["WARNING"]


async def test_a_final_close_is_not_argued_with() -> None:
    async def refuse(socket: ServerConnection, _asked: dict[str, Any]) -> None:
        await socket.close(4501, "not for you")

    async with stream(refuse) as (url, _):
        with pytest.raises(InvalidInput, match="not for you"):
            await anext(listen(Service(url), Wanted(), 5.0))


async def test_a_refused_subscription_is_told() -> None:
    async def refuse(socket: ServerConnection, _asked: dict[str, Any]) -> None:
        await socket.send(text("error", code="invalid_cursor", detail="not a cursor"))

    async with stream(refuse) as (url, _):
        with pytest.raises(InvalidInput, match="not a cursor"):
            await anext(listen(Service(url), Wanted(), 5.0))


async def test_a_service_that_is_not_there_is_given_up() -> None:
    with pytest.raises(StoreUnavailable, match="no stream at ws://"):
        await anext(listen(Service("http://127.0.0.1:9"), Wanted(), 0.3))
