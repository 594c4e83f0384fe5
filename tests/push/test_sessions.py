"""How a session lives and ends: slow and silent clients, hang-ups, silence, a planned restart."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from service.push.connection import StreamLimits
from service.push.subscriptions import AlertSubscription
from tests.push.log_writer import LogWriter
from tests.push.stream import SHARDS, Client, Worker, open_worker, until

pytestmark = pytest.mark.anyio


async def test_a_client_that_does_not_read_is_closed_and_the_others_go_on(redis_url: str) -> None:
    limits = StreamLimits(send_timeout_s=1.0, queue_bytes=512 * 1_024)
    async with (
        open_worker(redis_url, limits) as worker,
        Client.open(worker.url, receive_buffer=65_536) as stuck,
        Client.open(worker.url) as reader,
    ):
        writer = LogWriter(worker.log, SHARDS)
        for client in (stuck, reader):
            await client.subscribe("*")
            await client.read("snapshot")
        cursor = stuck.cursor
        started = time.monotonic()
        accounts = [f"a{number}" for number in range(1_000)]
        rounds = 0
        while len(worker.hub.sessions) == 2:
            await writer.write(accounts, padding=2)
            await reader.alerts(len(accounts))
            rounds += 1
            assert time.monotonic() - started < 20.0
        assert max(session.outbox.size for session in worker.hub.sessions) <= limits.queue_bytes
        await writer.write(["after"])
        assert [alert["id"] for alert in await reader.alerts(1)] == ["after-1"]
        assert await stuck.closed() == 4008
        async with Client.open(worker.url) as back:
            assert (await back.subscribe("*", since=cursor))["recovered"] is True
            alerts = await back.alerts(len(writer.written))
            assert {alert["id"] for alert in alerts} == {alert.id for alert in writer.written}
            assert len(alerts) == rounds * len(accounts) + 1


async def test_a_stuck_client_is_closed_before_its_time_is_over(redis_url: str) -> None:
    """From the first send that is blocked it is `send_timeout_s` at most, but for a late loop."""
    limits = StreamLimits(send_timeout_s=1.0)
    async with (
        open_worker(redis_url, limits) as worker,
        Client.open(worker.url, receive_buffer=65_536) as stuck,
    ):
        writer = LogWriter(worker.log, SHARDS)
        await stuck.subscribe("*")
        await stuck.read("snapshot")
        (session,) = worker.hub.sessions
        accounts = [f"a{number}" for number in range(1_000)]

        async def write() -> None:
            while session.close_code is None:
                await writer.write(accounts, padding=2)

        writing = asyncio.create_task(write())
        since, late_s = 0.0, 0.0
        async with asyncio.timeout(20.0):
            while session.close_code is None:
                asked = time.monotonic()
                since = session.sending_since or since
                await asyncio.sleep(0.01)
                late_s = max(late_s, time.monotonic() - asked)
        took_s = time.monotonic() - since
        await writing
        assert 0.8 < took_s < 1.0 + late_s


async def test_who_comes_back_and_does_not_read_keeps_no_turn_of_others(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many read the log, few hold some of it at a time, and no stuck client for long."""
    reading, most = 0, 0
    read_on = AlertSubscription.read_on

    async def counted(*arguments: Any) -> bool:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        try:
            return await read_on(*arguments)
        finally:
            reading -= 1

    monkeypatch.setattr(AlertSubscription, "read_on", counted)
    limits = StreamLimits(send_timeout_s=60.0, queue_bytes=512 * 1_024)
    async with open_worker(redis_url, limits) as worker, AsyncExitStack() as stack:
        writer = LogWriter(worker.log, SHARDS)
        async with Client.open(worker.url) as first:
            cursor = (await first.subscribe("*"))["cursor"]
        for _ in range(3):
            await writer.write([f"a{number}" for number in range(1_000)], padding=2)
        for _ in range(12):
            client = Client.open(worker.url, receive_buffer=65_536)
            stuck = await stack.enter_async_context(client)
            assert (await stuck.subscribe("*", since=cursor))["recovered"] is True
        async with Client.open(worker.url) as reader:
            await reader.subscribe("*", since=cursor)
            assert len(await reader.alerts(3_000)) == 3_000
        assert len(worker.hub.sessions) >= 12
        assert max(session.outbox.size for session in worker.hub.sessions) < 512 * 1_024 / 2
    assert 1 <= most <= 8


async def test_a_client_that_reads_late_is_served_from_the_log(redis_url: str) -> None:
    # An outbox of one frame: nearly every burst finds it full, and the log has to fill in.
    limits = StreamLimits(queue_bytes=1, frame_bytes=4_096)
    async with open_worker(redis_url, limits) as worker, Client.open(worker.url) as client:
        writer = LogWriter(worker.log, SHARDS)
        await client.subscribe("*", id="all")
        await client.read("snapshot")
        await client.subscribe("a1", "a2", id="two")
        await client.read("snapshot")
        accounts = [f"a{number}" for number in range(50)]
        got: dict[str, list[str]] = {"all": [], "two": []}

        async def read() -> None:
            while len(got["all"]) < 20 * 50 or len(got["two"]) < 20 * 2:
                frame = await client.read("alerts")
                got[frame["id"]] += [alert["id"] for alert in frame["alerts"]]

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            for _ in range(20):
                await writer.write(accounts)
    assert sorted(got["all"]) == sorted(alert.id for alert in writer.written)
    assert sorted(got["two"]) == sorted(
        alert.id for alert in writer.written if alert.account_id in {"a1", "a2"}
    )
    for name in ("a1", "a2"):
        seqs = [int(each.split("-")[1]) for each in got["all"] if each.startswith(f"{name}-")]
        assert seqs == list(range(1, 21))


async def test_hang_up_ends_the_session(worker: Worker, writer: LogWriter) -> None:
    async with Client.open(worker.url) as polite, Client.open(worker.url) as rude:
        for client in (polite, rude):
            await client.subscribe("*")
        assert len(worker.hub.sessions) == 2
        await polite.connection.close()
        await until(lambda: len(worker.hub.sessions) == 1)
        rude.connection.transport.abort()
        await until(lambda: not worker.hub.sessions)
    assert not worker.hub.listening
    await writer.write(["a1"])


async def test_who_comes_and_goes_is_no_line_in_the_log(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "uvicorn.error")
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
    await until(lambda: not worker.hub.sessions)
    assert not [each for each in caplog.messages if "connection" in each or "WebSocket" in each]


async def test_silence_is_broken_by_a_heartbeat_with_a_cursor(redis_url: str) -> None:
    limits = StreamLimits(heartbeat_s=0.2)
    async with open_worker(redis_url, limits) as worker:
        writer = LogWriter(worker.log, SHARDS)
        async with Client.open(worker.url) as client:
            await client.subscribe("quiet")
            await client.read("snapshot")
            first = await client.read("heartbeat")
            assert first["id"] == "1"
            await writer.write(["loud"])
            while (await client.read("heartbeat"))["cursor"] == first["cursor"]:
                pass
        async with Client.open(worker.url) as again:
            await again.subscribe("*", since=client.cursor)
            assert (await again.read())["type"] == "heartbeat"


async def test_a_planned_restart_is_announced_and_drained(
    worker: Worker, writer: LogWriter
) -> None:
    async with Client.open(worker.url) as stays, Client.open(worker.url) as leaves:
        for client in (stays, leaves):
            await client.subscribe("*")
            await client.read("snapshot")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.hub.drain(notice_s=0.5))
            notice = await stays.read("notice")
            assert (notice["notice"], notice["inSeconds"]) == ("restart", 0.5)
            assert (await leaves.read("notice"))["notice"] == "restart"
            await leaves.connection.close()
            await writer.write(["a1"])
            assert [alert["id"] for alert in await stays.alerts(1)] == ["a1-1"]
            assert await stays.closed() == 4000
        async with Client.open(worker.url) as late:
            assert await late.closed() == 4000


async def test_a_drain_without_clients_is_over_at_once(worker: Worker) -> None:
    async with asyncio.timeout(1.0):
        await worker.hub.drain(notice_s=60.0)
