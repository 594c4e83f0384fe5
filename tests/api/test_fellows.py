"""A scrape shows all workers behind a port: their own figures by name, what they share once."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.api.fellows import Family, Fellows
from tests.api.workers import open_worker, settings_of

pytestmark = pytest.mark.anyio

FIGURES = [Family("of_it", "Something.", "gauge", [("of_it", {"a": "b"}, float("inf"))])]


@contextlib.asynccontextmanager
async def telling(path: Path, said: bytes | None) -> AsyncIterator[None]:
    """Be a worker that says these bytes to who asks, or takes the call and says nothing."""

    calls: list[asyncio.StreamWriter] = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(writer)
        if said is not None:
            writer.write(said)
            writer.close()

    async with await asyncio.start_unix_server(answer, path):
        yield
    for writer in calls:
        writer.close()
        await writer.wait_closed()


async def both(client: httpx.AsyncClient) -> str:
    """Return what a worker shows once the other one listens."""
    async with asyncio.timeout(10.0):
        while True:
            shown = (await client.get("/metrics")).text
            if 'plimsoll_workers{state="told"} 2.0' in shown:
                return shown
            await asyncio.sleep(0.01)


async def test_either_worker_shows_both(redis_url: str, tmp_path: Path) -> None:
    settings = settings_of(redis_url)
    async with (
        open_worker(settings, Fellows(tmp_path, "api-1")) as first,
        open_worker(settings, Fellows(tmp_path, "api-2")) as second,
    ):
        for client, calls in ((first, 2), (second, 3)):
            for _ in range(calls):
                assert (await client.get("/v1/funds")).is_success
        for client in (first, second):
            shown = await both(client)
            of_route = 'plimsoll_requests_total{method="GET",route="/v1/funds",status="200"'
            assert f'{of_route},worker="api-1"}} 2.0\n' in shown
            assert f'{of_route},worker="api-2"}} 3.0\n' in shown
            assert 'plimsoll_sockets{worker="api-1"} 0.0\n' in shown
            assert 'request_seconds_bucket{le="+Inf",route="/v1/funds",worker="api-2"} 3.0' in shown
            assert shown.count("\nplimsoll_store_up 1.0\n") == 1
            names = [family.name for family in text_string_to_metric_families(shown)]
            assert len(names) == len(set(names))
    assert os.listdir(tmp_path) == []


async def test_a_worker_that_is_alone_has_no_name(worker: httpx.AsyncClient) -> None:
    shown = (await worker.get("/metrics")).text
    assert "worker=" not in shown
    assert 'plimsoll_workers{state="told"} 1.0\n' in shown
    assert 'plimsoll_workers{state="silent"} 0.0\n' in shown


@pytest.mark.parametrize("said", [b"", b"nonsense", msgspec.msgpack.encode([["short"]]), None])
async def test_one_that_does_not_tell_is_silent(tmp_path: Path, said: bytes | None) -> None:
    async with (
        telling(tmp_path / "api-2.7", said),
        telling(tmp_path / "api-3.8", msgspec.msgpack.encode(FIGURES)),
    ):
        told = await Fellows(tmp_path, "api-1").ask()
    assert told == {"api-2": None, "api-3": FIGURES}


async def test_one_that_was_killed_is_silent_until_another_is_in_its_place(tmp_path: Path) -> None:
    left = tmp_path / "api-2.7"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(left))
    asks, after = Fellows(tmp_path, "api-1"), Fellows(tmp_path, "api-2")
    assert await asks.ask() == {"api-2": None}
    telling_now = asyncio.create_task(after.tell(lambda: FIGURES))
    async with asyncio.timeout(10.0):
        while await asks.ask() != {"api-2": FIGURES}:  # noqa: ASYNC110 - told over a socket
            await asyncio.sleep(0.01)
    assert not left.exists()
    telling_now.cancel()
    await asyncio.wait((telling_now,))
    assert await asks.ask() == {}


async def test_of_two_of_one_name_the_newest_that_tells_counts(tmp_path: Path) -> None:
    """As while a worker is renewed: the new one before the old one is stopped, or never at work."""
    older = [msgspec.structs.replace(FIGURES[0], text="Older.")]
    asks = Fellows(tmp_path, "api-1")
    async with telling(tmp_path / "api-2.8", msgspec.msgpack.encode(older)):
        async with telling(tmp_path / "api-2.9", msgspec.msgpack.encode(FIGURES)):
            assert await asks.ask() == {"api-2": FIGURES}
        assert await asks.ask() == {"api-2": older}
