"""`alerts` over a real log: torn, crashed, trimmed, begun anew; alerts come once, gaps are told."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plimsoll import Alert, AsyncClient, Client, CursorFileDamaged, Event, Snapshot
from service.store.client import connect
from service.store.keys import EPOCH
from tests.client.listening import Heard, address, link_to, listening
from tests.push.log_writer import LogWriter
from tests.push.stream import SHARDS, Worker, until

pytestmark = pytest.mark.anyio

ACCOUNTS = [f"a{number}" for number in range(40)]


async def write_for_a_while(writer: LogWriter, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(rounds):
        await writer.write(chance.sample(ACCOUNTS, chance.randrange(1, 20)))


def all_of(writer: LogWriter, heard: Heard) -> Callable[[], bool]:
    return lambda: set(heard.ids()) == {alert.id for alert in writer.written}


async def test_a_connection_that_is_torn_again_and_again_loses_and_doubles_nothing(
    worker: Worker, writer: LogWriter, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    async with link_to(worker) as link, listening(link.url, heard):
        cutting = asyncio.create_task(link.cut_at_random(seed=11))
        while caplog.text.count("resuming in") < 15:
            await write_for_a_while(writer, 10, seed=len(writer.written))
        cutting.cancel()
        await until(all_of(writer, heard))
    heard.check(writer)
    assert len(heard.snapshots) == 1


async def test_the_client_without_a_loop_does_the_same(
    worker: Worker, writer: LogWriter, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()

    def listen(url: str) -> None:
        with Client(url) as client:
            for event in client.alerts(["a*"], reconnect_delay_max_s=0.02):
                heard.take(event)
                if heard.alerts and heard.alerts[-1].account_id == "a-last":
                    return

    async with link_to(worker) as link:
        thread = asyncio.create_task(asyncio.to_thread(listen, link.url))
        await until(lambda: bool(heard.snapshots))
        cutting = asyncio.create_task(link.cut_at_random(seed=12))
        while caplog.text.count("resuming in") < 10:
            await write_for_a_while(writer, 10, seed=len(writer.written))
        cutting.cancel()
        await writer.write(["a-last"])
        await thread
    heard.check(writer)


async def test_a_consumer_that_crashes_gets_everything_and_some_of_it_again(
    worker: Worker, writer: LogWriter, tmp_path: Path
) -> None:
    """It falls over while it deals with an alert: that one and those of its frame come again."""
    file, chance = tmp_path / "cursor", random.Random(13)
    runs: list[list[str]] = []

    async def run(alerts_max: int) -> None:
        """Deal with alerts and fall over in the middle of one, or after the last of all."""
        runs.append([])
        async with AsyncClient(address(worker)) as client:
            events = client.alerts(cursor_file=file)
            async with contextlib.aclosing(events):
                async for event in events:
                    assert isinstance(event, Alert)
                    runs[-1].append(event.id)
                    if len(runs[-1]) >= alerts_max or event.id == writer.written[-1].id:
                        return

    async with listening(address(worker), Heard(), cursor_file=file):
        await until(file.exists)
    for number in range(12):
        await write_for_a_while(writer, 5, seed=number)
        await run(chance.randrange(1, 80))
    await writer.write(["last"])
    while runs[-1][-1] != "last-1":
        await run(10**6)

    assert {each for ids in runs for each in ids} == {alert.id for alert in writer.written}
    assert all(len(ids) == len(set(ids)) for ids in runs)
    assert sum(map(len, runs)) > len(writer.written)  # what it fell over with came again


async def test_an_alert_counts_as_dealt_with_when_the_next_one_is_asked_for(
    worker: Worker, writer: LogWriter, tmp_path: Path
) -> None:
    file = tmp_path / "cursor"
    async with AsyncClient(address(worker)) as client:
        events = client.alerts(["a1"], cursor_file=file)
        assert isinstance(await anext(events), Snapshot)
        assert not file.exists()
        await writer.write(["a1"])
        assert isinstance(await anext(events), Alert)
        kept = file.read_text()  # behind the snapshot
        await writer.write(["a1"])
        assert isinstance(await anext(events), Alert)
        assert file.read_text() != kept
        await events.aclose()

        (again,) = [await anext(client.alerts(["a1"], cursor_file=file))]
        assert isinstance(again, Alert)
        assert again.id == "a1-2"
    assert not file.with_name("cursor.new").exists()


async def test_without_a_loop_the_same_alert_comes_again(
    worker: Worker, writer: LogWriter, tmp_path: Path
) -> None:
    file = tmp_path / "cursor"

    def ask(events: Iterator[Event]) -> Event:
        return next(events)

    with Client(address(worker)) as client:
        events = client.alerts(["a1"], cursor_file=file)
        assert isinstance(await asyncio.to_thread(ask, events), Snapshot)
        assert not file.exists()
        for seq in (1, 2):
            await writer.write(["a1"])
            alert = await asyncio.to_thread(ask, events)
            assert isinstance(alert, Alert)
            assert alert.id == f"a1-{seq}"
        await asyncio.to_thread(events.close)
        again = client.alerts(["a1"], cursor_file=file)
        assert await asyncio.to_thread(ask, again) == alert
        await asyncio.to_thread(again.close)


async def test_a_trimmed_log_is_told_with_the_state_and_told_again_until_it_is_dealt_with(
    worker: Worker, writer: LogWriter, tmp_path: Path
) -> None:
    file, url = tmp_path / "cursor", address(worker)
    async with listening(url, Heard(), cursor_file=file):
        await until(file.exists)
    await writer.write(["a1"])
    await writer.write(["a1", "a2"], "MARGIN_CALL")
    for shard in range(SHARDS):
        await worker.log.trim_log(shard, 0, 1)
    async with AsyncClient(url) as client:
        for _ in range(2):  # a bot that falls over while it deals with the loss
            events = client.alerts(cursor_file=file)
            event = await anext(events)
            await events.aclose()
            assert isinstance(event, Snapshot)
            assert event.history_lost
            levels = {each.account_id: each.level for each in event.accounts}
            assert levels == {"a1": "MARGIN_CALL", "a2": "MARGIN_CALL"}
    heard = Heard()
    before = file.read_text()
    async with listening(url, heard, cursor_file=file):
        await until(lambda: file.read_text() != before)
        await writer.write(["a3"])
        await until(lambda: "a3-1" in heard.ids())
    async with listening(url, again := Heard(), cursor_file=file, since="unused"):
        await writer.write(["a4"])
        await until(lambda: "a4-1" in again.ids())
    assert not again.snapshots


async def test_a_log_that_begins_anew_is_told_in_the_middle_of_a_run(
    redis_url: str, worker: Worker, writer: LogWriter
) -> None:
    heard = Heard()
    async with listening(address(worker), heard):
        await writer.write(["a1"])
        await until(lambda: heard.ids() == ["a1-1"])
        async with connect(redis_url) as store:
            await store.call("SET", EPOCH, "another")
        await until(lambda: len(heard.snapshots) == 2)
        await writer.write(["a2"])
        await until(lambda: "a2-1" in heard.ids())
    first, second = heard.snapshots
    assert (first.history_lost, second.history_lost) == (False, True)
    assert second.epoch == "another"
    assert [each.account_id for each in second.accounts] == ["a1"]


async def test_only_the_accounts_and_levels_asked_for_come(
    worker: Worker, writer: LogWriter
) -> None:
    heard = Heard()
    url = address(worker)
    async with listening(url, heard, accounts=["a1", "b*"], levels=["LIQUIDATION"]):
        for level in ("WARNING", "LIQUIDATION"):
            await writer.write(["a1", "a2", "b1"], level)
        await until(lambda: len(heard.alerts) == 2)
    assert {(each.account_id, each.level) for each in heard.alerts} == {
        ("a1", "LIQUIDATION"),
        ("b1", "LIQUIDATION"),
    }


@pytest.mark.parametrize("content", [b"", b"\n", "ä".encode()])
async def test_a_damaged_cursor_is_no_first_start(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "cursor"
    file.write_bytes(content)
    with Client() as client, pytest.raises(CursorFileDamaged):
        next(client.alerts(cursor_file=file))
