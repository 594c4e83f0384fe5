"""Server-Sent Events: the log and the cursors of the socket, over HTTP that ends as it should."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service.contract.frames import Snapshot, Subscribed, encode_frame
from service.push.connection import StreamLimits
from service.push.event_stream import event_of
from tests.push.log_writer import LogWriter
from tests.push.stream import SHARDS, WAIT_S, Client, Frame, Worker, check_frame, open_worker, until

pytestmark = pytest.mark.anyio


class Events:
    """One stream of events, read as a browser reads it: `last_id` is what it would send back."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id: str | None = None
        self.comments = 0
        self.retry: str | None = None
        self._lines = response.aiter_lines()

    async def next(self, kind: str | None = None) -> Frame:
        """Return the next event's frame, which must be of this type and a frame of the stream's."""
        fields = await self._fields()
        frame = check_frame(fields["data"])
        assert fields["event"] == frame["type"]
        self.last_id = fields.get("id", self.last_id)
        assert kind in (None, frame["type"]), frame
        return frame

    async def alerts(self, count: int) -> list[str]:
        """Return the ids of the next alerts."""
        found: list[str] = []
        while len(found) < count:
            found += [alert["id"] for alert in (await self.next("alerts"))["alerts"]]
        return found

    async def ended(self) -> None:
        """Return when the server has ended the stream."""
        with contextlib.suppress(httpx.RemoteProtocolError):
            async with asyncio.timeout(WAIT_S):
                async for _ in self._lines:
                    pass

    async def _fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        async with asyncio.timeout(WAIT_S):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line == ":":
                    self.comments += 1
                elif name == "retry":
                    self.retry = value
                elif line:
                    fields[name] = value
                elif fields:
                    return fields
        raise AssertionError("the stream has ended")


def address(worker: Worker) -> str:
    return f"http://{urlsplit(worker.url).netloc}/v1/alerts/stream"


async def cut_off(peer: socket.socket) -> int:
    """Read what was sent to a peer, to an end without the last chunk of a complete answer.

    Returns how many bytes that is: what the kernel held for it.
    """
    loop, got = asyncio.get_running_loop(), b""
    async with asyncio.timeout(WAIT_S):
        with contextlib.closing(peer), contextlib.suppress(ConnectionResetError):
            while read := await loop.sock_recv(peer, 2**20):
                got += read
    assert b"event: snapshot" in got
    assert not got.endswith(b"0\r\n\r\n")
    return len(got)


@contextlib.asynccontextmanager
async def listening(
    worker: Worker, *, last_id: str | None = None, token: str | None = None, **parameters: str
) -> AsyncIterator[Events]:
    """Open the stream and yield its events."""
    headers = {} if last_id is None else {"last-event-id": last_id}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    async with (
        httpx.AsyncClient(timeout=WAIT_S, trust_env=False) as client,
        client.stream("GET", address(worker), params=parameters, headers=headers) as response,
    ):
        assert response.status_code == 200
        yield Events(response)


async def test_a_stream_begins_with_the_state_and_resumes_where_it_was(
    worker: Worker, writer: LogWriter
) -> None:
    async with listening(worker) as events:
        await events.next("subscribed")
        await events.next("snapshot")
        await writer.write(["ill"], "MARGIN_CALL")
        assert await events.alerts(1) == ["ill-1"]
    async with listening(worker) as events:
        assert events.response.headers["content-type"].startswith("text/event-stream")
        assert events.response.headers["cache-control"] == "no-store"
        assert (await events.next("subscribed"))["recovered"] is False
        assert events.retry == "1000"
        assert events.last_id is None, "whoever is cut off here needs the snapshot again"
        snapshot = await events.next("snapshot")
        assert [each["accountId"] for each in snapshot["accounts"]] == ["ill"]
        assert events.last_id == snapshot["cursor"]
        await writer.write(["ill"], "LIQUIDATION")
        assert await events.alerts(1) == ["ill-2"]
    await writer.write(["ill", "well"], "BANKRUPT")
    async with listening(worker, last_id=events.last_id, since="older") as events:
        assert (await events.next("subscribed"))["recovered"] is True
        assert sorted(await events.alerts(2)) == ["ill-3", "well-1"]
    async with listening(worker, since=str(events.last_id)) as events:
        assert (await events.next("subscribed"))["cursor"] == events.last_id
        await writer.write(["well"])
        assert await events.alerts(1) == ["well-2"]


async def test_its_cursors_are_those_of_the_socket(worker: Worker, writer: LogWriter) -> None:
    async with listening(worker) as events, Client.open(worker.url) as client:
        await events.next("subscribed")
        await events.next("snapshot")
        await client.subscribe("*")
        await client.read("snapshot")
        await writer.write(["a1", "a2"])
        assert await events.alerts(2) == [alert["id"] for alert in await client.alerts(2)]
        assert events.last_id == client.cursor
    await writer.write(["a1"])
    async with Client.open(worker.url) as client:
        assert (await client.subscribe("*", since=events.last_id))["recovered"] is True
        assert [alert["id"] for alert in await client.alerts(1)] == ["a1-2"]


async def test_it_hears_only_of_its_accounts_levels_and_tenant(
    worker: Worker, writer: LogWriter
) -> None:
    everybody = ["desk.1", "desk.2", "fund-1", "fund-2"]
    stranger = LogWriter(worker.log, SHARDS, tenant="stranger")
    await stranger.write(["desk.1"], "BANKRUPT")
    writer.take_over(stranger)
    wanted = {"accountId": "desk.*,fund-1", "levels": "LIQUIDATION,BANKRUPT"}
    async with listening(worker, **wanted) as events:
        await events.next("subscribed")
        assert (await events.next("snapshot"))["accounts"] == []
        await writer.write(everybody, "WARNING")
        await writer.write(everybody, "LIQUIDATION")
        assert await events.alerts(3) == ["desk.1-2", "desk.2-2", "fund-1-2"]


@pytest.mark.parametrize(
    ("parameters", "last_id", "status", "code"),
    [
        ({"accountId": "a b"}, None, 422, "invalid_input"),
        ({"accountId": "a,"}, None, 422, "invalid_input"),
        ({"accountId": "*a"}, None, 422, "invalid_input"),
        ({"levels": "SAD"}, None, 422, "invalid_input"),
        ({"account": "a"}, None, 422, "invalid_input"),
        ({"since": "nonsense"}, None, 400, "invalid_cursor"),
        ({}, "nonsense", 400, "invalid_cursor"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_streamed(
    worker: Worker, parameters: dict[str, str], last_id: str | None, status: int, code: str
) -> None:
    headers = {} if last_id is None else {"last-event-id": last_id}
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(address(worker), params=parameters, headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not worker.hub.sessions


async def test_silence_is_broken_by_heartbeats_and_by_comments_before_there_are_any(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = StreamLimits(heartbeat_s=0.2)
    async with open_worker(redis_url, limits) as worker:
        writer = LogWriter(worker.log, SHARDS)
        async with listening(worker, accountId="quiet") as events:
            await events.next("subscribed")
            await events.next("snapshot")
            first = await events.next("heartbeat")
            await writer.write(["loud"])
            while (await events.next("heartbeat"))["cursor"] == first["cursor"]:
                pass
            assert events.last_id != first["cursor"]
        reached = asyncio.Event()

        async def never_there(*_: Any) -> bool:
            await reached.wait()
            return False

        monkeypatch.setattr("service.push.subscriptions.AlertSubscription.begin", never_there)
        async with listening(worker) as events:
            lines = events.response.aiter_lines()
            async with asyncio.timeout(WAIT_S):
                while await anext(lines) != ":":
                    pass


async def test_hang_up_ends_it(worker: Worker, writer: LogWriter) -> None:
    async with listening(worker) as events:
        await events.next("subscribed")
        assert len(worker.hub.sessions) == 1
    await until(lambda: not worker.hub.sessions)
    assert not worker.hub.listening
    await writer.write(["a1"])


async def test_who_does_not_read_is_cut_off_and_nobody_else_waits(redis_url: str) -> None:
    limits = StreamLimits(send_timeout_s=0.5, queue_bytes=64 * 1_024, frame_bytes=16 * 1_024)
    async with open_worker(redis_url, limits) as worker:
        writer = LogWriter(worker.log, SHARDS)
        place = urlsplit(worker.url)
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(stuck, (place.hostname, place.port))
        await loop.sock_sendall(stuck, b"GET /v1/alerts/stream HTTP/1.1\r\nhost: here\r\n\r\n")
        await until(lambda: len(worker.hub.sessions) == 1)
        async with listening(worker) as events:
            await events.next("subscribed")
            await events.next("snapshot")
            while len(worker.hub.sessions) == 2:
                await writer.write([f"a{number}" for number in range(50)], padding=20)
                assert len(await events.alerts(50)) == 50
        assert await cut_off(stuck) < 2**20, "more than a megabyte was buffered for it"


async def test_a_planned_restart_is_announced_and_ends_it(
    worker: Worker, writer: LogWriter
) -> None:
    async with listening(worker) as events:
        await events.next("subscribed")
        await events.next("snapshot")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.hub.drain(notice_s=0.3))
            assert (await events.next("notice"))["notice"] == "restart"
            await writer.write(["a1"])
            assert await events.alerts(1) == ["a1-1"]
            await events.ended()
        async with listening(worker, last_id=events.last_id) as late:
            await late.ended()


async def test_a_lost_log_ends_it_and_the_next_one_says_so(
    worker: Worker, writer: LogWriter
) -> None:
    async with listening(worker) as events:
        await events.next("subscribed")
        await events.next("snapshot")
        await writer.write(["a1"])
        await events.alerts(1)
        worker.hub.resync()
        await events.ended()
    async with listening(worker, last_id=events.last_id) as again:
        assert (await again.next("subscribed"))["recovered"] is True


def test_an_event_has_an_id_only_when_nothing_before_it_would_be_missed() -> None:
    whole = encode_frame(Snapshot("1", [], True, "here"))
    part = encode_frame(Snapshot("1", [], False, "here"))
    assert event_of(whole) == f"event: snapshot\nid: here\ndata: {whole}\n\n".encode()
    assert event_of(part) == f"event: snapshot\ndata: {part}\n\n".encode()
    for recovered, count in ((True, 1), (False, 0)):
        frame = encode_frame(Subscribed("1", "alerts", "e", recovered, "here"))
        assert event_of(frame).count(b"\nid: here\n") == count
