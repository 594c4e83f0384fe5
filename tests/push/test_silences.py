"""Silences at the streams: passed over, live and resumed; asked for, told; never out of the log."""

import msgspec
import pytest

from service.contract.silences import SilenceView
from tests.push.log_writer import LogWriter
from tests.push.stream import Client, Worker, until

pytestmark = pytest.mark.anyio

LOGGED_AT = 1_700_000_000_001  # the time of all that a LogWriter logs


async def silence(worker: Worker, *accounts: str, name: str = "1", **more: object) -> None:
    """Store a silence that holds when alerts are logged, and wait until the worker knows."""
    fields = {"levels": None, "starts_at": LOGGED_AT, "until": LOGGED_AT + 1, "comment": ""}
    one = SilenceView(name, list(accounts), **{**fields, **more})  # type: ignore[arg-type]
    await worker.silences.put("default", name, msgspec.json.encode(one))
    generation = await worker.silences.generation()
    await until(lambda: worker.hub._silences._generation == generation)


async def test_a_live_stream_passes_over_what_is_silenced_and_tells_who_asks(
    worker: Worker, writer: LogWriter
) -> None:
    await silence(worker, "quiet*", "a2")
    async with (
        Client.open(worker.url) as everything,
        Client.open(worker.url) as single,
        Client.open(worker.url) as asking,
    ):
        await everything.subscribe("*")
        await single.subscribe("a1", "a2", "quiet-1")
        await asking.subscribe("*", silenced=True)
        for client in (everything, single, asking):
            await client.read("snapshot")
        await writer.write(["a1", "a2", "quiet-1"])
        await writer.write(["a2"])  # nothing for the first two: they get no empty frame
        await writer.write(["a1"])
        for client in (everything, single):
            assert [alert["id"] for alert in await client.alerts(2)] == ["a1-1", "a1-2"]
        told = [alert["id"] for alert in await asking.alerts(5)]
        assert told == ["a1-1", "a2-1", "quiet-1-1", "a2-2", "a1-2"]


async def test_who_resumes_is_told_what_who_listened_was(worker: Worker, writer: LogWriter) -> None:
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        start = (await client.read("snapshot"))["cursor"]
    await silence(worker, "a2", levels=["WARNING"])
    await writer.write(["a1", "a2"], "WARNING")
    await writer.write(["a1", "a2"], "LIQUIDATION")
    for _ in range(2):
        async with Client.open(worker.url) as client:
            assert (await client.subscribe("*", since=start))["recovered"]
            found = await client.alerts(3)
            assert [alert["id"] for alert in found] == ["a1-1", "a1-2", "a2-2"]
    async with Client.open(worker.url) as client:
        await client.subscribe("*", since=start, silenced=True)
        assert len(await client.alerts(4)) == 4
    entries = [entry for shard in range(4) for entry in await worker.log.read(shard, 0)]
    assert sum(len(entry.account_keys) for entry in entries) == 4


@pytest.mark.parametrize("shift", [-1, 1])
async def test_before_and_after_it_everything_is_told(
    worker: Worker, writer: LogWriter, shift: int
) -> None:
    await silence(worker, "*", starts_at=LOGGED_AT + shift, until=LOGGED_AT + shift + 1)
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        await writer.write(["a1"])
        assert len(await client.alerts(1)) == 1


async def test_the_cursor_moves_past_what_was_passed_over(
    worker: Worker, writer: LogWriter
) -> None:
    await silence(worker, "a2")
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        await writer.write(["a2", "a1", "a3"])
        assert len(await client.alerts(2)) == 2
        last = client.cursor
        await client.subscribe("*", id="2", since=last, silenced=True)
        await writer.write(["a1"])
        (alert,) = (await client.read("alerts"))["alerts"]
        assert alert["id"] == "a1-2"
