"""The reader of bodies: what is too slow or too long is refused, however it is sent."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.workers import open_worker, settings_of

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}


async def never_ending() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


async def trickle(part: bytes, parts: int) -> AsyncIterator[bytes]:
    """Send a part every hundredth of a second."""
    for _ in range(parts):
        await asyncio.sleep(0.01)
        yield part


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 1_000


@pytest.fixture
async def strict(redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_of(redis_url, body_timeout_s=0.05, body_max_bytes=2_048)
    async with open_worker(settings) as client:
        yield client


async def test_a_slow_body_is_not_waited_for(strict: httpx.AsyncClient) -> None:
    response = await strict.post("/v1/evaluate", content=never_ending(), headers=JSON)
    assert (response.status_code, response.json()["code"]) == (408, "body_timeout")
    assert response.headers["connection"] == "close"


async def test_a_body_a_byte_at_a_time_is_not_waited_for(strict: httpx.AsyncClient) -> None:
    response = await strict.post("/v1/evaluate", content=trickle(b" ", 1_000), headers=JSON)
    assert (response.status_code, response.json()["code"]) == (408, "body_timeout")


async def test_lines_may_take_long_but_not_a_byte_at_a_time(strict: httpx.AsyncClient) -> None:
    path, lines = "/v1/accounts:batch", {"content-type": "application/x-ndjson"}
    response = await strict.post(path, content=trickle(b"\n", 1_000), headers=lines)
    assert (response.status_code, response.json()["code"]) == (408, "body_timeout")
    line = b'{"id":"a","balances":[]}'.ljust(100) + b"\n"
    response = await strict.post(path, content=trickle(line, 30), headers=lines)
    assert (response.status_code, response.json()["accepted"]) == (200, 30)


@pytest.mark.parametrize("count", [3, 100])
async def test_a_body_of_unknown_length_has_the_same_limit(
    strict: httpx.AsyncClient, count: int
) -> None:
    response = await strict.post("/v1/evaluate", content=chunks(count), headers=JSON)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert response.headers["connection"] == "close"
    response = await strict.post("/v1/evaluate", content=chunks(2), headers=JSON)
    assert response.status_code == 400


@pytest.mark.parametrize("size", [2_049, 10**6])
async def test_a_length_that_is_too_large_is_refused(strict: httpx.AsyncClient, size: int) -> None:
    response = await strict.post("/v1/evaluate", content=b" " * size, headers=JSON)
    assert response.status_code == 413


@pytest.mark.parametrize(
    "media_type", ["application/json", "APPLICATION/JSON; charset=UTF-8", "application/json;"]
)
async def test_json_may_be_said_in_many_ways(strict: httpx.AsyncClient, media_type: str) -> None:
    response = await strict.post(
        "/v1/evaluate", content=b"{}", headers={"content-type": media_type}
    )
    assert response.status_code == 422
