"""What is long goes out a piece at a time, whole and in order, and nobody is held up by it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
import uvicorn
from fastapi import Request, Response
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from service.api.load import SMALL_BYTES, BodyRoom
from service.api.pieces import PIECE_BYTES, Pieces
from service.api.replies import text_reply
from service.api.server import DrainingServer
from tests.push.stream import until

pytestmark = pytest.mark.anyio

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
LONG = bytes(range(256)) * (3 * PIECE_BYTES // 256) + b"end"
MORE_THAN_SOCKETS_HOLD = 2**25


async def nothing() -> Message:
    return {"type": "http.disconnect"}


async def sent(*bodies: bytes) -> list[Message]:
    """Return what is sent of an answer that the app sends in these bodies."""
    found: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for body in bodies[:-1]:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": bodies[-1]})

    async def send(message: Message) -> None:
        found.append(message)

    await Pieces(app, BodyRoom(1))(dict(SCOPE), nothing, send)
    return found


@pytest.mark.parametrize(
    ("bodies", "lengths"),
    [
        ([b""], [0]),
        ([LONG[:PIECE_BYTES]], [PIECE_BYTES]),
        ([LONG[: PIECE_BYTES + 1]], [PIECE_BYTES, 1]),
        ([LONG[: 2 * PIECE_BYTES]], [PIECE_BYTES, PIECE_BYTES]),
        ([b"a", LONG, b"z"], [1, PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 3, 1]),
    ],
    ids=["empty", "a piece", "a byte more", "two pieces", "in parts"],
)
async def test_what_is_longer_than_a_piece_is_cut(bodies: list[bytes], lengths: list[int]) -> None:
    start, *pieces = await sent(*bodies)
    assert start["type"] == "http.response.start"
    assert [len(piece["body"]) for piece in pieces] == lengths
    assert b"".join(piece["body"] for piece in pieces) == b"".join(bodies)
    assert [piece.get("more_body", False) for piece in pieces] == [True] * (len(pieces) - 1) + [
        False
    ]


async def test_others_have_a_turn_between_two_pieces() -> None:
    turns, at_piece = 0, list[int]()

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def send(_message: Message) -> None:
        at_piece.append(turns)

    running = asyncio.create_task(other())
    await asyncio.sleep(0)
    await Pieces(Response(LONG), BodyRoom(1))(dict(SCOPE), nothing, send)
    running.cancel()
    assert all(later > before for before, later in pairwise(at_piece[1:]))


async def test_the_room_of_the_request_is_given_back_before_a_long_answer() -> None:
    room, scope = BodyRoom(2 * SMALL_BYTES), dict(SCOPE)
    held = list[int]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        room.hold(scope, 2 * SMALL_BYTES)
        held.append(room.held)
        await Response(LONG)(scope, receive, send)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            held.append(room.held)

    await Pieces(app, room)(scope, nothing, send)
    assert held == [2 * SMALL_BYTES, 0, 0, 0, 0]
    assert room.held == 0


async def test_the_room_of_a_request_that_fails_is_given_back() -> None:
    room = BodyRoom(2 * SMALL_BYTES)

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        room.hold(scope, 2 * SMALL_BYTES)
        raise ValueError("of the app's own")

    with pytest.raises(ValueError, match="own"):
        await Pieces(app, room)(dict(SCOPE), nothing, lambda _: asyncio.sleep(0))
    assert room.held == 0


ROOM = BodyRoom(2 * SMALL_BYTES)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a real server with a long answer, a longer one in parts, and a short one."""

    async def long(_: Request) -> Response:
        return text_reply(LONG)

    async def parted(request: Request) -> Response:
        ROOM.hold(request.scope, 2 * SMALL_BYTES)
        return text_reply(b"[", memoryview(bytes(MORE_THAN_SOCKETS_HOLD)), b"]")

    async def short(_: Request) -> Response:
        return text_reply(b"[", b"]")

    app = Starlette(routes=[Route(f"/{one.__name__}", one) for one in (long, parted, short)])
    app.add_middleware(Pieces, room=ROOM)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_level="error", timeout_graceful_shutdown=1)
    server = DrainingServer(config, lambda _: asyncio.sleep(0), lambda: None)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield int(listening.getsockname()[1])
    server.should_exit = True
    await serving


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def ask(connection: Connection, path: str) -> None:
    connection[1].write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


async def answer(connection: Connection) -> bytes:
    reader = connection[0]
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0]
    assert b"transfer-encoding" not in head
    return await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))


async def test_answers_of_all_lengths_come_whole_over_one_connection(port: int) -> None:
    connection = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(30.0):
        for path in ("/long", "/short", "/parted", "/short"):  # asked all at once
            ask(connection, path)
        assert await answer(connection) == LONG
        assert await answer(connection) == b"[]"
        assert await answer(connection) == b"[" + bytes(MORE_THAN_SOCKETS_HOLD) + b"]"
        assert await answer(connection) == b"[]"
    connection[1].close()


async def test_who_does_not_read_a_long_answer_holds_up_nobody_and_no_room(port: int) -> None:
    slow = await asyncio.open_connection("127.0.0.1", port, limit=2**10)
    ask(slow, "/parted")
    async with asyncio.timeout(30.0):
        await slow[0].readuntil(b"\r\n\r\n")  # the answer has begun
        await until(lambda: ROOM.held == 0)
        other = await asyncio.open_connection("127.0.0.1", port)
        ask(other, "/short")
        assert await answer(other) == b"[]"
        rest = await slow[0].readexactly(MORE_THAN_SOCKETS_HOLD + 2)
    assert rest[:1] + rest[-1:] == b"[]"
    for _, writer in (slow, other):
        writer.close()


async def test_who_hangs_up_on_a_long_answer_leaves_nothing_behind(port: int) -> None:
    hasty = await asyncio.open_connection("127.0.0.1", port, limit=2**10)
    ask(hasty, "/parted")
    async with asyncio.timeout(30.0):
        await hasty[0].readuntil(b"\r\n\r\n")
        hasty[1].transport.abort()
        other = await asyncio.open_connection("127.0.0.1", port)
        ask(other, "/long")
        assert await answer(other) == LONG
    other[1].close()
    assert ROOM.held == 0
