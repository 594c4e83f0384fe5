"""What a client may say, what it is answered when it may not, and how much a frame may weigh."""

import json

import pytest
from websockets.exceptions import ConnectionClosed

from service.contract.cursor import encode_cursor
from service.push.connection import StreamLimits
from service.push.sockets import BAD_FRAMES_MAX
from tests.push.log_writer import LogWriter
from tests.push.stream import SHARDS, Client, Worker, open_worker

pytestmark = pytest.mark.anyio

SUBSCRIBE = {"op": "subscribe", "id": "1", "channel": "alerts", "accounts": ["*"]}


NONSENSE = [
    ("", "malformed_frame"),
    ("{", "malformed_frame"),
    ("[" * 30_000, "invalid_frame"),
    ('{"op":"ping","x":' + "[" * 30_000, "malformed_frame"),
    ('{"op":"\\ud800"}', "malformed_frame"),
    ("[]", "invalid_frame"),
    ("1e999", "invalid_frame"),
    ('"ping"', "invalid_frame"),
    ('{"op":1}', "invalid_frame"),
    ('{"id":"1"}', "invalid_frame"),
    ('{"op":"dance"}', "unknown_op"),
    ('{"op":"auth","token":"secret"}', "auth_not_configured"),
    ('{"op":"ack","alert":"a1-1"}', "unknown_alert"),
    ('{"op":"ack","alert":"a1"}', "unknown_alert"),
    ('{"op":"ack","alert":""}', "invalid_frame"),
    ('{"op":"ack"}', "invalid_frame"),
    ('{"op":"unsubscribe","id":"7"}', "unknown_subscription"),
    ('{"op":"subscribe"}', "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "id": ""}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "id": "x" * 65}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "id": 1}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "accounts": None}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "accounts": []}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "accounts": ["*a"]}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "accounts": ["a/b"]}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "accounts": ["a\n"]}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "accounts": ["a" * 129]}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "levels": ["DOOMED"]}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "levels": []}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "channel": "weather"}), "unknown_channel"),
    (json.dumps({**SUBSCRIBE, "channel": "risk"}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "channel": "risk", "accounts": ["a*"]}), "invalid_frame"),
    (json.dumps({**SUBSCRIBE, "channel": "risk", "accounts": None}), "invalid_frame"),
    *(
        (json.dumps({"op": "subscribe", "id": "1", "channel": channel, **more}), code)
        for channel in ("marks", "markets")
        for more, code in (
            ({"symbols": []}, "invalid_frame"),
            ({"symbols": "BTC*"}, "invalid_frame"),
            ({"symbols": [f"{number}*" for number in range(101)]}, "too_many_items"),
        )
    ),
    (json.dumps({**SUBSCRIBE, "since": "yesterday"}), "invalid_cursor"),
    (json.dumps({**SUBSCRIBE, "since": ""}), "invalid_cursor"),
]


async def test_a_frame_that_means_nothing_is_answered_and_the_connection_goes_on(
    worker: Worker,
) -> None:
    async with Client.open(worker.url) as client:
        for text, code in NONSENSE:
            await client.connection.send(text)
            error = await client.read("error")
            assert error["code"] == code, text[:100]
            assert "secret" not in json.dumps(error)
            assert "DOOMED" not in json.dumps(error)
            await client.send(op="ping")
            assert await client.read("pong") == {"type": "pong"}


async def test_an_error_names_its_subscription(worker: Worker) -> None:
    async with Client.open(worker.url) as client:
        await client.send(**{**SUBSCRIBE, "id": "mine", "channel": "weather"})
        assert (await client.read("error"))["id"] == "mine"


async def test_a_binary_frame_is_refused(worker: Worker) -> None:
    async with Client.open(worker.url) as client:
        await client.connection.send(json.dumps(SUBSCRIBE).encode())
        assert (await client.read("error"))["code"] == "binary_frame"


async def test_a_frame_too_large_ends_the_connection(worker: Worker) -> None:
    async with Client.open(worker.url) as client:
        await client.connection.send(json.dumps({"op": "ping", "more": "x" * 70_000}))
        assert await client.closed() == 1009


async def test_a_client_that_talks_nonsense_for_long_is_told_not_to_come_back(
    worker: Worker,
) -> None:
    async with Client.open(worker.url) as client:
        for _ in range(BAD_FRAMES_MAX + 1):
            await client.connection.send("nonsense")
        assert await client.closed() == 4500


async def test_subscription_ids_are_unique_until_unsubscribed(
    worker: Worker, writer: LogWriter
) -> None:
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        await client.send(**SUBSCRIBE)
        assert (await client.read("error"))["code"] == "duplicate_subscription"
        await client.send(op="unsubscribe", id="1")
        assert (await client.read("unsubscribed"))["id"] == "1"
        await writer.write(["a1"])
        await client.subscribe("*", since=client.cursor)
        assert [alert["id"] for alert in await client.alerts(1)] == ["a1-1"]


async def test_subscriptions_and_their_accounts_are_limited(redis_url: str) -> None:
    limits = StreamLimits(subscriptions_max=2, accounts_max=3)
    async with open_worker(redis_url, limits) as worker, Client.open(worker.url) as client:
        await client.send(**{**SUBSCRIBE, "accounts": ["a", "b", "c", "d"]})
        assert (await client.read("error"))["code"] == "too_many_accounts"
        for name in ("1", "2"):
            await client.subscribe("a", "b", "c", id=name)
            await client.read("snapshot")
        await client.send(**{**SUBSCRIBE, "id": "3"})
        assert (await client.read("error"))["code"] == "too_many_subscriptions"


@pytest.mark.parametrize("ahead", [0, 1])
async def test_a_cursor_of_another_log_or_ahead_of_it_gets_the_state_instead(
    worker: Worker, writer: LogWriter, ahead: int
) -> None:
    await writer.write(["a1"])
    async with Client.open(worker.url) as client:
        epoch = (await client.subscribe("*", id="0"))["epoch"]
        await client.read("snapshot")
        since = encode_cursor(epoch if ahead else "another", [5 * ahead] * SHARDS)
        assert (await client.subscribe("*", since=since))["recovered"] is False
        assert [each["accountId"] for each in (await client.read("snapshot"))["accounts"]] == ["a1"]


async def test_a_cursor_below_a_trimmed_log_gets_the_state_instead(
    worker: Worker, writer: LogWriter
) -> None:
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        old = (await client.read("snapshot"))["cursor"]
        await writer.write(["a1"])
        await client.alerts(1)
        newer = client.cursor
    await writer.write(["a1"])
    for shard in range(SHARDS):
        await worker.log.trim_log(shard, 0, 1)
    async with Client.open(worker.url) as client:
        assert (await client.subscribe("*", since=old))["recovered"] is False
        await client.read("snapshot")
        assert (await client.subscribe("*", id="2", since=newer))["recovered"] is True
        assert [alert["id"] for alert in await client.alerts(1)] == ["a1-2"]


async def test_lists_are_split_so_that_no_frame_is_large(worker: Worker, writer: LogWriter) -> None:
    accounts = [f"account-{number}" for number in range(1_500)]
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        await writer.write(accounts, "WARNING", padding=3)
        live = await client.alerts(len(accounts))
        assert 100_000 < client.largest <= 256 * 1_024
    async with Client.open(worker.url) as client:
        await client.subscribe("account-1*", id="some")
        snapshot: list[str] = []
        complete = False
        while not complete:
            frame = await client.read("snapshot")
            complete = frame["complete"]
            snapshot += [each["accountId"] for each in frame["accounts"]]
    assert sorted(alert["accountId"] for alert in live) == sorted(accounts)
    assert sorted(snapshot) == sorted(name for name in accounts if name.startswith("account-1"))


async def test_the_cursor_of_every_part_of_a_burst_resumes_exactly_there(
    redis_url: str,
) -> None:
    async with open_worker(redis_url, StreamLimits(frame_bytes=8_192)) as worker:
        writer = LogWriter(worker.log, SHARDS)
        async with Client.open(worker.url) as client:
            await client.subscribe("*")
            start = (await client.read("snapshot"))["cursor"]
            await writer.write(["one"] * 100)
            await client.alerts(100)
        got: list[int] = []
        cursor, frames = start, 0
        while len(got) < 100:
            async with Client.open(worker.url) as client:
                assert (await client.subscribe("*", since=cursor))["recovered"] is True
                frame = await client.read("alerts")
                got += [alert["seq"] for alert in frame["alerts"]]
                cursor = frame["cursor"]
                frames += 1
        assert got == list(range(1, 101))
        assert frames > 5


async def test_a_closed_client_can_send_no_more(worker: Worker) -> None:
    async with Client.open(worker.url) as client:
        await client.connection.close()
        with pytest.raises(ConnectionClosed):
            await client.send(op="ping")
