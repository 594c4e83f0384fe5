"""The stream as a client sees it, frame by frame, over a real server and a real Valkey."""

from collections.abc import Sequence

import pytest

from service.contract.alerts import Alert
from service.push.connection import StreamLimits
from service.store.client import connect
from service.store.keys import ALERTS_CHANNEL, DEFAULT_TENANT, shard_of, tenant_key
from service.store.log_entries import LogEntry
from tests.push.log_writer import LogWriter
from tests.push.stream import SHARDS, Client, Worker, open_worker

pytestmark = pytest.mark.anyio


def ids(alerts: list[dict[str, object]]) -> list[object]:
    return [alert["id"] for alert in alerts]


def of_account(written: list[Alert], *accounts: str) -> list[str]:
    return [alert.id for alert in written if alert.account_id in accounts]


async def test_a_subscription_begins_with_the_state_and_goes_on_with_the_log(
    worker: Worker, writer: LogWriter
) -> None:
    await writer.write(["ill", "well"], "MARGIN_CALL")
    await writer.write(["well"], "HEALTHY")
    async with Client.open(worker.url) as client:
        subscribed = await client.subscribe("*")
        assert subscribed["recovered"] is False
        assert subscribed["channel"] == "alerts"
        snapshot = await client.read("snapshot")
        assert [(each["accountId"], each["level"]) for each in snapshot["accounts"]] == [
            ("ill", "MARGIN_CALL")
        ]
        assert snapshot["complete"] is True
        await writer.write(["ill"], "LIQUIDATION")
        alerts = await client.alerts(1)
        assert ids(alerts) == ["ill-2"]
        assert alerts[0]["level"] == "LIQUIDATION"


async def test_since_replays_what_was_missed_and_nothing_else(
    worker: Worker, writer: LogWriter
) -> None:
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        await writer.write([f"a{n}" for n in range(20)])
        assert len(await client.alerts(20)) == 20
        cursor = client.cursor
    await writer.write([f"a{n}" for n in range(0, 20, 2)], "LIQUIDATION")
    async with Client.open(worker.url) as client:
        subscribed = await client.subscribe("*", since=cursor)
        assert subscribed["recovered"] is True
        assert sorted(map(str, ids(await client.alerts(10)))) == sorted(
            alert.id for alert in writer.written[20:]
        )
        await writer.write(["a1"])
        assert ids(await client.alerts(1)) == ["a1-2"]


async def test_who_comes_back_to_one_account_reads_the_log_of_its_shard_alone(
    worker: Worker, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Client.open(worker.url) as client:
        await client.subscribe("a1")
        cursor = (await client.read("snapshot"))["cursor"]
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        for _ in range(3):
            await writer.write([f"a{n}" for n in range(20)])
        await client.alerts(60)  # the worker itself has read them all
    read: set[int] = set()
    read_many = worker.log.read_many

    async def noted(positions: Sequence[tuple[int, int]], count: int) -> list[list[LogEntry]]:
        read.update(shard for shard, _ in positions)
        return await read_many(positions, count)

    monkeypatch.setattr(worker.log, "read_many", noted)
    async with Client.open(worker.url) as client:
        await client.subscribe("a1", since=cursor)
        assert ids(await client.alerts(3)) == ["a1-1", "a1-2", "a1-3"]
        assert read == {shard_of(tenant_key(DEFAULT_TENANT, "a1"), SHARDS)}
        cursor = client.cursor
    await writer.write(["a2"])
    async with Client.open(worker.url) as client:  # of other shards its cursor has come as far
        await client.subscribe("*", since=cursor)
        assert ids(await client.alerts(1)) == ["a2-4"]


async def test_a_client_hears_only_of_its_accounts_and_levels(
    worker: Worker, writer: LogWriter
) -> None:
    everybody = ["desk.1", "desk.2", "fund-1", "fund-2", "other"]
    async with Client.open(worker.url) as client:
        for name, wanted in {
            "one": ["fund-1"],
            "desk": ["desk.*"],
            "both": ["fund-1", "desk*"],
        }.items():
            await client.subscribe(*wanted, id=name)
            await client.read("snapshot")
        await client.subscribe("*", id="bad", levels=["LIQUIDATION", "BANKRUPT"])
        await client.read("snapshot")
        await writer.write(everybody, "WARNING")
        await writer.write(everybody, "LIQUIDATION")
        got: dict[str, list[str]] = {"one": [], "desk": [], "both": [], "bad": []}
        while sum(map(len, got.values())) < 2 + 4 + 6 + 5:
            frame = await client.read("alerts")
            got[frame["id"]] += [alert["id"] for alert in frame["alerts"]]
    assert got["one"] == ["fund-1-1", "fund-1-2"]
    assert sorted(got["desk"]) == ["desk.1-1", "desk.1-2", "desk.2-1", "desk.2-2"]
    assert sorted(got["both"]) == sorted(got["desk"] + got["one"])
    assert sorted(got["bad"]) == sorted(f"{account}-2" for account in everybody)


async def test_another_tenant_hears_nothing(worker: Worker, writer: LogWriter) -> None:
    stranger = LogWriter(worker.log, SHARDS, tenant="stranger")
    await stranger.write(["a1"], "BANKRUPT")
    async with Client.open(worker.url) as client:
        await client.subscribe("*", id="all")
        assert (await client.read("snapshot"))["accounts"] == []
        await client.subscribe("a1", id="one")
        assert (await client.read("snapshot"))["accounts"] == []
        await stranger.write(["a1", "a2", "a3"], "LIQUIDATION")
        writer.take_over(stranger)
        await writer.write(["b1"])
        assert ids(await client.alerts(1)) == ["b1-1"]


async def test_all_shards_are_heard_in_one_order_and_resumed_inside_of_it(redis_url: str) -> None:
    """Inside one market entry by account, whatever shard it is in; a cursor is exact there too."""
    limits = StreamLimits(frame_bytes=4_096)
    accounts = [f"a{number}" for number in range(200)]
    async with open_worker(redis_url, limits) as worker:
        writer = LogWriter(worker.log, SHARDS)
        cursors, heard = [], list[object]()
        async with Client.open(worker.url) as client:
            await client.subscribe("*")
            await client.read("snapshot")
            await writer.write(accounts)
            await writer.write(accounts, "LIQUIDATION")
            while len(heard) < 2 * len(accounts):
                frame = await client.read("alerts")
                heard += ids(frame["alerts"])
                cursors.append((len(heard), frame["cursor"]))
        expected = [f"{account}-{seq}" for seq in (1, 2) for account in sorted(accounts)]
        assert heard == expected
        assert len(cursors) > 40
        for count, cursor in cursors[:-1:5]:
            async with Client.open(worker.url) as client:
                assert (await client.subscribe("*", since=cursor))["recovered"] is True
                assert ids(await client.alerts(len(expected) - count)) == expected[count:]


async def test_what_was_announced_and_never_came_holds_nobody_up(
    redis_url: str, worker: Worker, writer: LogWriter
) -> None:
    async with Client.open(worker.url) as client, connect(redis_url) as store:
        await client.subscribe("*")
        await client.read("snapshot")
        await writer.write(["a1"])
        await client.alerts(1)
        await store.call("PUBLISH", ALERTS_CHANNEL, " ".join(f"{n}:9" for n in range(SHARDS)))
        for number in range(3):
            await writer.write(["a1", "a2", "a3"])
            assert len(await client.alerts(3)) == 3, number


async def test_a_snapshot_and_what_follows_have_what_is_in_the_log_only(worker: Worker) -> None:
    """Of a burst the alerts may be logged before the levels say so."""
    writer = LogWriter(worker.log, SHARDS)
    await writer.write(["a1"])
    await writer.write(["a1"], "LIQUIDATION", levels=False)
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        snapshot = await client.read("snapshot")
        assert [each["level"] for each in snapshot["accounts"]] == ["WARNING"]
        assert ids(await client.alerts(1)) == ["a1-2"]
