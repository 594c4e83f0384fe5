"""Bytes that are no HTTP, or too much of it: answered with a problem, and hung up on."""

import asyncio
import gc
import json
import resource
import socket
import sys
import weakref
from collections.abc import AsyncIterator, Iterable
from typing import Any, ClassVar, cast

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from service.api import protocol
from service.api.server import DrainingServer
from service.app import build_api
from tests.api.workers import settings_of

pytestmark = pytest.mark.anyio

HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
PATIENCE_S = 0.5
KEPT_S = 1


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The port of a worker that has no store and little patience."""
    monkeypatch.setattr(protocol, "HEAD_S", PATIENCE_S)
    app = build_api(settings_of("redis://127.0.0.1:1/0"))
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_level="error", timeout_keep_alive=KEPT_S)
    server = DrainingServer(config, app.state.drain, lambda: None)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield int(listening.getsockname()[1])
    server.should_exit = True
    await serving


async def said_to(port: int, *parts: bytes) -> bytes:
    """Send the parts and return everything until the service hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(10.0):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        answer = await reader.read()
    writer.close()
    return answer


def problem_in(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.rpartition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert f"content-length: {len(body)}".encode() in head
    problem = json.loads(body)
    return problem["status"], problem["code"]


@pytest.mark.parametrize(
    "sent",
    [
        b"FOO /livez HTTP/1.1\r\n\r\n",
        b"GET /a\x00b HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
    ids=["method", "nul", "tls", "two lengths"],
)
async def test_what_is_no_http_is_a_problem(port: int, sent: bytes) -> None:
    assert problem_in(await said_to(port, sent)) == (400, "malformed_request")


async def test_a_head_that_goes_on_is_cut_off(port: int) -> None:
    line = b"x: " + b"a" * 8_000 + b"\r\n"
    answer = await said_to(port, HEAD, *[line] * (protocol.HEAD_BYTES_MAX // len(line) + 1))
    assert problem_in(answer) == (431, "head_too_large")


@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"], ids=["the first", "the second"])
async def test_a_head_that_does_not_arrive_is_not_waited_for(port: int, before: bytes) -> None:
    answer = await said_to(port, before + HEAD[:20])
    assert problem_in(answer) == (408, "head_timeout")
    assert answer.count(b"200 OK") == (1 if before else 0)


async def test_a_connection_that_says_nothing_is_not_kept(port: int) -> None:
    assert problem_in(await said_to(port)) == (408, "head_timeout")


async def test_a_connection_is_kept_for_a_while_after_an_answer(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began_s = asyncio.get_running_loop().time()
    async with asyncio.timeout(10.0):
        for _ in range(2):
            writer.write(HEAD + b"\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"200 OK" in head
            await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))
        assert await reader.read() == b""  # closed without a word: the client is in no request
    assert asyncio.get_running_loop().time() - began_s >= KEPT_S - PATIENCE_S
    writer.close()


async def test_requests_in_slices_and_in_rows_are_answered(port: int) -> None:
    many = b"".join([HEAD + b"\r\n"] * 50)
    last = HEAD + b"connection: close\r\n\r\n"
    assert (await said_to(port, many + last)).count(b"200 OK") == 51
    slices = [last[start : start + 7] for start in range(0, len(last), 7)]
    assert (await said_to(port, *slices)).count(b"200 OK") == 1


def post(body: bytes) -> bytes:
    head = b"POST /v1/evaluate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


async def test_requests_sent_at_once_are_answered_in_order_whatever_becomes_of_each(
    port: int,
) -> None:
    """The slow one first, a refused one in the middle, whose body is not taken for a request."""
    accounts = [{"id": f"a{number}", "balances": []} for number in range(500)]
    requests = [
        post(json.dumps({"accounts": accounts}).encode()),
        post(b"GET /livez HTTP/1.1\r\n\r\n"),
        post(b'{"accounts":[{"id":"last","balances":[]}]}'),
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(requests))
    answers = []
    async with asyncio.timeout(10.0):
        for _ in requests:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))
            answers.append((int(head.split()[1]), json.loads(body)))
        writer.write(HEAD + b"connection: close\r\n\r\n")
        assert (await reader.read()).count(b"HTTP/1.1") == 1
    writer.close()
    assert [status for status, _ in answers] == [200, 400, 200]
    assert [each["id"] for each in answers[0][1]["accounts"]] == [each["id"] for each in accounts]
    assert answers[1][1]["code"] == "malformed_body"
    assert [each["id"] for each in answers[2][1]["accounts"]] == ["last"]


async def test_no_more_connections_are_held_than_leave_descriptors_for_ourselves(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 60.0)
    monkeypatch.setattr(protocol, "connections_max", lambda: 2)

    async def is_served() -> bool:
        try:
            return await said_to(port, HEAD + b"Connection: close\r\n\r\n") != b""
        except ConnectionError:
            return False

    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    assert not await is_served()
    for _, writer in held:
        writer.write(HEAD + b"Connection: close\r\n\r\n")
    for reader, writer in held:
        async with asyncio.timeout(10.0):
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
    async with asyncio.timeout(10.0):
        while not await is_served():
            pass


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(1_024, 824), (402, 202), (300, 150), (resource.RLIM_INFINITY, sys.maxsize)],
)
def test_some_descriptors_are_kept_for_ourselves(
    descriptors: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert protocol.connections_max.__wrapped__() == connections


class Told:
    """A transport that remembers what each of its sends has."""

    def __init__(self) -> None:
        self.sends: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sends.append(bytes(data))

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.sends.append(b"".join(parts))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


LENGTH = (b"content-length", b"2")


async def answered(*messages: dict[str, Any], method: str = "GET") -> Told:
    """Return what leaves for these messages of an app."""
    told, config = Told(), uvicorn.Config(silent, http=protocol.RequestProtocol)
    config.load()
    connection = protocol.RequestProtocol(config, ServerState(), {})
    connection.transport, connection.flow = cast("Any", told), FlowControl(cast("Any", told))
    connection.scheme = "http"
    connection.data_received(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    for message in messages:
        await connection.cycle.send(cast("Any", message))
    for task in list(connection.tasks):
        task.cancel()
    connection.connection_lost(OSError())
    return told


async def silent(_scope: object, _receive: object, _send: object) -> None:
    await asyncio.Event().wait()


def begins(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


def goes_on(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


@pytest.mark.parametrize("size", [1, protocol.JOINED_BYTES_MAX, protocol.JOINED_BYTES_MAX + 1])
async def test_a_head_leaves_with_the_body_it_tells_of(size: int) -> None:
    length = (b"content-length", str(size).encode())
    told = await answered(begins(length), goes_on(b"x" * size))
    (send,) = told.sends
    assert send.startswith(b"HTTP/1.1 200 OK\r\n")
    assert send.endswith(b"\r\n\r\n" + b"x" * size)


async def test_a_head_waits_for_nothing_that_may_not_come() -> None:
    assert (await answered(begins())).sends, "a stream begins at once"
    assert (await answered(begins(LENGTH), method="HEAD")).sends, "no body follows"
    assert (await answered(begins((b"content-length", b"0")))).sends
    assert not (await answered(begins(LENGTH))).sends


async def test_only_the_head_waits() -> None:
    told = await answered(begins(LENGTH), goes_on(b"a", more=True))
    assert [send[-1:] for send in told.sends] == [b"a"]
    told = await answered(begins(LENGTH), goes_on(b"a", more=True), goes_on(b"b"))
    assert [send[-1:] for send in told.sends] == [b"a", b"b"]


async def test_a_head_is_not_lost_with_a_connection_that_is_closed() -> None:
    told, cycle = Told(), _Cycle()
    transport = protocol.AnswerTransport(cast("Any", told), cast("Any", cycle))
    transport.write(b"head")
    assert not told.sends
    transport.close()
    assert told.sends == [b"head"]
    assert told.closed


def test_a_request_leaves_nothing_to_the_garbage_collector_answered_or_not() -> None:
    cycle = _Cycle()
    cycle.transport = protocol.AnswerTransport(cast("Any", Told()), cast("Any", cycle))
    watched = weakref.ref(cycle)
    gc.disable()
    try:
        del cycle
        assert watched() is None
    finally:
        gc.enable()


class _Cycle:
    """As much of uvicorn's as a transport looks at."""

    transport: protocol.AnswerTransport
    response_started, expected_content_length = True, 2
    scope: ClassVar = {"method": "GET"}
