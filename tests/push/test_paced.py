"""Frames cost units of their key: who sends too many is read more slowly, and nobody else."""

import asyncio

import pytest

from service.push.admission import AdmissionRules
from tests.push.stream import Client, open_worker

pytestmark = pytest.mark.anyio

RATE_PER_S = 20.0  # and so many at once


async def pings(client: Client, count: int) -> float:
    """Send pings at once; return how long their answers take."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(count):
        await client.send(op="ping")
    for _ in range(count):
        await client.read("pong")
    return loop.time() - began


async def test_a_flood_is_read_at_the_keys_rate_and_another_key_does_not_wait(
    redis_url: str,
) -> None:
    rules = AdmissionRules()
    async with open_worker(redis_url, rules=rules, rate_per_s=RATE_PER_S) as worker:
        headers = []
        for name in ("flood", "good"):
            _, token = await worker.keys.create(name, "desk", ("alerts:read",), 0, None)
            headers.append({"Authorization": f"Bearer {token}"})
        async with (
            Client.open(worker.url, headers=headers[0]) as flood,
            Client.open(worker.url, headers=headers[1]) as good,
        ):
            flooding = asyncio.create_task(pings(flood, 60))
            assert await pings(good, 5) < 1.0
            assert not flooding.done()
            assert await flooding > (60 - 2 * RATE_PER_S) / RATE_PER_S


async def test_two_connections_of_a_key_share_its_units_and_a_list_costs_its_accounts(
    redis_url: str,
) -> None:
    rules = AdmissionRules()
    async with open_worker(redis_url, rules=rules, rate_per_s=RATE_PER_S) as worker:
        _, token = await worker.keys.create("bot", "desk", ("alerts:read",), 0, None)
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            Client.open(worker.url, headers=headers) as one,
            Client.open(worker.url, headers=headers) as other,
        ):
            names = [f"a{number}" for number in range(40)]
            await one.send(op="subscribe", id="1", channel="alerts", accounts=names)
            await one.read("subscribed")
            assert await pings(other, 1) > 0.5


async def test_without_keys_there_is_no_limit(redis_url: str) -> None:
    async with open_worker(redis_url, rate_per_s=1.0) as worker, Client.open(worker.url) as client:
        assert await pings(client, 200) < 10.0
