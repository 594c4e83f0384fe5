"""`ack` on the stream: answered once it is stored, the same however often, nobody else's."""

import pytest

from service.push.admission import AdmissionRules
from tests.push.log_writer import LogWriter
from tests.push.stream import SHARDS, Client, Worker, open_worker

pytestmark = pytest.mark.anyio


async def test_an_alert_is_acknowledged_once_it_is_stored(
    worker: Worker, writer: LogWriter
) -> None:
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        await writer.write(["a1"])
        (alert,) = await client.alerts(1)
        await client.send(op="ack", alert=alert["id"])
        first = await client.read("acknowledged")
        assert first["alert"] == "a1-1"
        await client.send(op="ack", alert="a1-1")
        assert await client.read("acknowledged") == first


async def test_an_alert_of_a_burst_can_be_acknowledged_as_soon_as_it_is_read(
    worker: Worker, writer: LogWriter
) -> None:
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        await writer.write([f"a{number}" for number in range(50)], levels=False)
        for alert in await client.alerts(50):
            await client.send(op="ack", alert=alert["id"])
            assert (await client.read("acknowledged"))["alert"] == alert["id"]


async def test_unknown_and_foreign_alerts_are_answered_alike(redis_url: str) -> None:
    async with open_worker(redis_url, rules=AdmissionRules()) as worker:
        await LogWriter(worker.log, SHARDS, "desk-a").write(["a1"])
        _, token = await worker.keys.create("bot", "desk-b", ("alerts:read",), 0, None)
        headers = {"Authorization": f"Bearer {token}"}
        async with Client.open(worker.url, headers=headers) as client:
            answers = []
            for alert in ("a1-1", "a1-2", "a2-1"):
                await client.send(op="ack", alert=alert)
                answers.append(await client.read("error"))
        assert {error["code"] for error in answers} == {"unknown_alert"}
        assert len({error["detail"] for error in answers}) == 1
        assert [error["alert"] for error in answers] == ["a1-1", "a1-2", "a2-1"]


async def test_it_needs_the_scope_that_reads_alerts(redis_url: str) -> None:
    async with open_worker(redis_url, rules=AdmissionRules()) as worker:
        await LogWriter(worker.log, SHARDS, "desk-a").write(["a1"])
        _, token = await worker.keys.create("bot", "desk-a", ("accounts:write",), 0, None)
        headers = {"Authorization": f"Bearer {token}"}
        async with Client.open(worker.url, headers=headers) as client:
            await client.send(op="ack", alert="a1-1")
            error = await client.read("error")
            assert (error["code"], error["alert"]) == ("missing_scope", "a1-1")


async def test_many_at_once_are_answered_each(worker: Worker, writer: LogWriter) -> None:
    await writer.write([f"a{number}" for number in range(20)])
    async with Client.open(worker.url) as one, Client.open(worker.url) as two:
        for client in (one, two):
            for number in range(20):
                await client.send(op="ack", alert=f"a{number}-1")
        answers = [[await client.read("acknowledged") for _ in range(20)] for client in (one, two)]
        assert answers[0] == answers[1]
