"""A receiver costs a call no more than its time and a little reading, whatever it answers."""

import asyncio
import contextlib
import email.utils
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from service.webhooks.sender import Rules, Sender

pytestmark = pytest.mark.anyio

LOOPBACK = Rules(allow_http=True, allow_private=True, timeout_s=0.3)
Talk = Callable[[asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def receiver(talk: Talk) -> AsyncIterator[str]:
    """Run a receiver that answers a call by `talk`; its URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await talk(writer)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(answer(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def outcome_of(talk: Talk) -> tuple[str, float]:
    """The error of a call, and how long it is to wait."""
    async with receiver(talk) as url, Sender(LOOPBACK) as sender:
        outcome = await sender.post(url, {}, b"{}")
    return outcome.error, outcome.retry_after_s


async def test_an_answer_without_end_is_read_a_little() -> None:
    sent = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    assert await outcome_of(flood) == ("", 0.0)
    assert sent < 32 * 2**20


async def test_an_answer_that_trickles_is_given_up() -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    assert await outcome_of(trickle) == ("no answer within 0.3 s", 0.0)


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"HTTP/1.1 200\r\n: \r\n\r\n", b""])
async def test_what_is_no_answer_is_an_outcome(said: bytes) -> None:
    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    assert await outcome_of(talk) == ("the connection broke", 0.0)


async def test_nobody_there_is_an_outcome() -> None:
    async with Sender(LOOPBACK) as sender:
        outcome = await sender.post("http://127.0.0.1:1/", {}, b"{}")
    assert outcome.error == "cannot be reached, or has no trusted certificate"


def date_in(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("header", "low_s", "high_s"),
    [
        ("7", 7.0, 7.0),
        ("999999999999", 999_999_999.0, 999_999_999.0),
        ("in an hour", 3_500.0, 3_600.0),
        ("a minute ago", 0.0, 0.0),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0.0, 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -1200", 0.0, 1e12),
        ("soon", 0.0, 0.0),
        ("-5", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
async def test_retry_after_is_seconds_or_a_date(header: str, low_s: float, high_s: float) -> None:
    dates = {"in an hour": date_in(3_600.0), "a minute ago": date_in(-60.0)}

    async def busy(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n")
        writer.write(f"retry-after: {dates.get(header, header)}\r\n\r\n".encode())

    error, retry_after_s = await outcome_of(busy)
    assert error == "answered 503"
    assert low_s <= retry_after_s <= high_s
