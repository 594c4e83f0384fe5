"""GET /v1/alerts: every alert once, however the pages are cut; what is lost is said to be lost."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.contract.cursor import decode_cursor, encode_cursor
from service.store import client as store_client
from service.store.alert_log import AlertLog
from tests.api.workers import SHARDS
from tests.push.log_writer import LogWriter

pytestmark = pytest.mark.anyio

NAMES = [f"a{number}" for number in range(40)]


@pytest.fixture
async def log(redis_url: str) -> AsyncIterator[AlertLog]:
    async with store_client.connect(redis_url) as client:
        yield AlertLog(client, SHARDS)


async def page(worker: httpx.AsyncClient, **parameters: Any) -> Any:
    response = await worker.get("/v1/alerts", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


async def test_an_empty_log_has_a_cursor(worker: httpx.AsyncClient) -> None:
    first = await page(worker)
    assert (first["alerts"], first["recovered"], first["more"]) == ([], True, False)
    assert await page(worker, since=first["cursor"]) == first


@pytest.mark.parametrize("limit", [1, 7, 1_000])
async def test_pages_give_every_alert_once(
    worker: httpx.AsyncClient, log: AlertLog, limit: int
) -> None:
    writer = LogWriter(log, SHARDS)
    for level in ("WARNING", "LIQUIDATION", "HEALTHY"):
        await writer.write(NAMES, level)
    read: list[str] = []
    found = await page(worker, limit=limit)
    while True:
        assert found["recovered"]
        assert len(found["alerts"]) <= limit
        read += [alert["id"] for alert in found["alerts"]]
        if not found["more"]:
            break
        found = await page(worker, limit=limit, since=found["cursor"])
    assert read == [f"{name}-{seq}" for seq in (1, 2, 3) for name in sorted(NAMES)]
    for name in NAMES:
        seqs = [int(one.rpartition("-")[2]) for one in read if one.startswith(f"{name}-")]
        assert seqs == [1, 2, 3]
    await writer.write(["a0"])
    news = await page(worker, since=found["cursor"])
    assert [alert["seq"] for alert in news["alerts"]] == [4]


async def test_one_accounts_alerts(worker: httpx.AsyncClient, log: AlertLog) -> None:
    writer = LogWriter(log, SHARDS)
    for _ in range(3):
        await writer.write(NAMES)
    first = await page(worker, accountId="a7", limit=2)
    assert ([alert["seq"] for alert in first["alerts"]], first["more"]) == ([1, 2], True)
    rest = await page(worker, accountId="a7", limit=2, since=first["cursor"])
    assert ([alert["seq"] for alert in rest["alerts"]], rest["more"]) == ([3], False)
    assert (await page(worker, accountId="nobody"))["alerts"] == []


async def test_another_tenants_alerts_are_not_there(
    worker: httpx.AsyncClient, log: AlertLog
) -> None:
    await LogWriter(log, SHARDS, tenant="other").write(NAMES)
    found = await page(worker)
    assert (found["alerts"], found["more"]) == ([], False)
    assert (await page(worker, accountId="a7"))["alerts"] == []


async def test_what_the_log_no_longer_has_is_not_recovered(
    worker: httpx.AsyncClient, log: AlertLog
) -> None:
    writer = LogWriter(log, SHARDS)
    await writer.write(NAMES)
    start = (await page(worker, limit=1))["cursor"]
    for shard in range(SHARDS):
        await log.trim_log(shard, 0, 0)
    found = await page(worker, since=start)
    assert (found["alerts"], found["recovered"]) == ([], False)
    assert (await page(worker))["recovered"]
    await writer.write(["a1"])
    assert [alert["seq"] for alert in (await page(worker, since=found["cursor"]))["alerts"]] == [2]


async def test_a_cursor_of_another_log_is_not_recovered(
    worker: httpx.AsyncClient, log: AlertLog
) -> None:
    await LogWriter(log, SHARDS).write(NAMES)
    cursor = decode_cursor((await page(worker))["cursor"])
    for other in (
        encode_cursor("another", cursor.offsets),
        encode_cursor(cursor.epoch, cursor.offsets[1:]),
        encode_cursor(cursor.epoch, [offset + 1_000 for offset in cursor.offsets]),
    ):
        found = await page(worker, since=other)
        assert not found["recovered"]
        assert decode_cursor(found["cursor"]) == cursor
