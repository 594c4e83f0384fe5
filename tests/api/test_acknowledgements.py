"""Acknowledging over HTTP: once, by whoever may read alerts, of alerts that are theirs."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.store import client as store_client
from service.store.alert_log import AlertLog
from tests.api.guarded import Call, Guarded
from tests.api.workers import SHARDS
from tests.push.log_writer import LogWriter

pytestmark = pytest.mark.anyio

NAMES = [f"a{number}" for number in range(12)]


@pytest.fixture
async def log(redis_url: str) -> AsyncIterator[AlertLog]:
    async with store_client.connect(redis_url) as client:
        yield AlertLog(client, SHARDS)


async def ids(worker: httpx.AsyncClient, **parameters: Any) -> list[str]:
    response = await worker.get("/v1/alerts", params=parameters)
    assert response.status_code == 200, response.text
    return [alert["id"] for alert in response.json()["alerts"]]


async def test_what_is_acknowledged_leaves_the_list_and_stays_in_the_log(
    worker: httpx.AsyncClient, log: AlertLog
) -> None:
    writer = LogWriter(log, SHARDS)
    for _ in range(2):
        await writer.write(NAMES)
    everything = await ids(worker)
    assert await ids(worker, acknowledged="false") == everything
    first = await worker.post("/v1/alerts/a3-2/ack")
    assert (first.status_code, first.json()["id"]) == (200, "a3-2")
    again = await worker.post("/v1/alerts/a3-2/ack")
    assert (again.status_code, again.json()) == (200, first.json())
    assert await ids(worker) == everything
    assert await ids(worker, acknowledged="true") == ["a3-2"]
    assert await ids(worker, acknowledged="false") == [one for one in everything if one != "a3-2"]
    assert await ids(worker, acknowledged="false", accountId="a3") == ["a3-1"]
    assert await ids(worker, acknowledged="true", accountId="a4") == []


async def test_the_list_is_paged_by_cursor(worker: httpx.AsyncClient, log: AlertLog) -> None:
    await LogWriter(log, SHARDS).write(NAMES)
    done = {f"{name}-1" for name in NAMES[::2]}
    for alert in done:
        await worker.post(f"/v1/alerts/{alert}/ack")
    read: list[str] = []
    parameters: dict[str, Any] = {"acknowledged": "false", "limit": 2}
    while True:
        page = (await worker.get("/v1/alerts", params=parameters)).json()
        read += [alert["id"] for alert in page["alerts"]]
        assert len(page["alerts"]) <= 2
        if not page["more"]:
            break
        parameters["since"] = page["cursor"]
    assert read == sorted({f"{name}-1" for name in NAMES} - done)


@pytest.mark.parametrize(
    "alert", ["a1-3", "a1-0", "a1-01", "a1", "-1", "a1-", "a1--1", "nobody-1", "a1-1e0", "a b-1"]
)
async def test_an_alert_that_is_not_there_is_unknown(
    worker: httpx.AsyncClient, log: AlertLog, alert: str
) -> None:
    await LogWriter(log, SHARDS).write(["a1"])
    response = await worker.post(f"/v1/alerts/{alert}/ack")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_alert")


async def test_what_was_trimmed_cannot_be_acknowledged_and_is_not_listed(
    worker: httpx.AsyncClient, log: AlertLog
) -> None:
    await LogWriter(log, SHARDS).write(["a1"])
    for shard in range(SHARDS):
        await log.trim_log(shard, 0, 0)
    assert (await worker.post("/v1/alerts/a1-1/ack")).status_code == 404
    assert await ids(worker, acknowledged="false") == []


async def test_another_tenants_alert_is_answered_as_none(guarded: Guarded) -> None:
    token = await guarded.token("alerts:read", tenant="desk-b")
    ack = Call("POST", "/v1/alerts/a1-1/ack", ("alerts:read",))
    not_there = await guarded.send(ack, token)
    await LogWriter(guarded.log, SHARDS, "desk-a").write(["a1"])
    not_yours = await guarded.send(ack, token)
    assert not_yours.status_code == not_there.status_code == 404
    assert not_yours.content == not_there.content
    ours = await guarded.token("alerts:read")
    unread = Call("GET", "/v1/alerts?acknowledged=false", ("alerts:read",))
    assert len((await guarded.send(unread, ours)).json()["alerts"]) == 1
    assert (await guarded.send(ack, ours)).status_code == 200
    assert (await guarded.send(unread, ours)).json()["alerts"] == []


async def test_a_word_that_is_neither_is_refused(worker: httpx.AsyncClient) -> None:
    response = await worker.get("/v1/alerts", params={"acknowledged": "perhaps"})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "?acknowledged")
