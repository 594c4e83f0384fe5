"""Cut connections, a killed Valkey, a new log: a client ends with the log, each alert once."""

import asyncio
import contextlib
import random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from service.store.client import connect
from service.store.keys import EPOCH
from tests.push.log_writer import LogWriter
from tests.push.stream import SHARDS, Client, Worker, open_worker
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio

ACCOUNTS = [f"a{number}" for number in range(40)]


class Follower:
    """A client that keeps its cursor, resumes from it, and counts repeats."""

    def __init__(self, url: str, seed: int | None = None) -> None:
        self.url = url
        self.got: dict[str, dict[str, Any]] = {}
        self.order: dict[str, list[int]] = {}
        self.doubled = 0
        self.resumed = 0
        self.cursor: str | None = None
        self.subscribed = asyncio.Event()
        self._chance = None if seed is None else random.Random(seed)

    async def run(self) -> None:
        """Follow for ever; with a seed the socket is torn at random every few frames."""
        while True:
            with contextlib.suppress(ConnectionClosed, OSError, EOFError, asyncio.TimeoutError):
                async with Client.open(self.url) as client:
                    await self._follow(client)
            self.resumed += 1

    async def _follow(self, client: Client) -> None:
        more = {} if self.cursor is None else {"since": self.cursor}
        subscribed = await client.subscribe("*", **more)
        assert subscribed["recovered"] is (self.cursor is not None)
        self.cursor = subscribed["cursor"]
        self.subscribed.set()
        frames = None if self._chance is None else self._chance.randrange(1, 8)
        while frames is None or frames > 0:
            frame = await client.read()
            if frame["type"] == "alerts":
                self._take(frame["alerts"])
                self.cursor = frame["cursor"]
                frames = None if frames is None else frames - 1
        client.connection.transport.abort()

    def _take(self, alerts: list[dict[str, Any]]) -> None:
        for alert in alerts:
            self.doubled += alert["id"] in self.got
            self.got[alert["id"]] = alert
            self.order.setdefault(alert["accountId"], []).append(alert["seq"])

    def check(self, writer: LogWriter) -> None:
        assert self.got.keys() == {alert.id for alert in writer.written}
        assert self.doubled == 0
        for seqs in self.order.values():
            assert seqs == list(range(1, len(seqs) + 1))


async def write_for_a_while(writer: LogWriter, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(rounds):
        await writer.write(chance.sample(ACCOUNTS, chance.randrange(1, 20)))


async def all_there(writer: LogWriter, *followers: Follower) -> None:
    async with asyncio.timeout(30.0):
        while any(len(each.got) < len(writer.written) for each in followers):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_one_that_stays_and_one_that_is_cut_off_end_with_the_same_log(
    worker: Worker, writer: LogWriter
) -> None:
    stays, torn = Follower(worker.url), Follower(worker.url, seed=3)
    tasks = [asyncio.create_task(each.run()) for each in (stays, torn)]
    for each in (stays, torn):
        await each.subscribed.wait()
    await write_for_a_while(writer, 150, seed=4)
    await all_there(writer, stays, torn)
    for task in tasks:
        task.cancel()
    assert stays.resumed == 0
    assert torn.resumed > 10
    stays.check(writer)
    torn.check(writer)


async def test_a_valkey_that_is_killed_and_comes_back_loses_and_doubles_nothing(
    valkey: AnyServer,
) -> None:
    async with open_worker(valkey.url) as worker:
        writer = LogWriter(worker.log, SHARDS)
        stays, torn = Follower(worker.url), Follower(worker.url, seed=5)
        tasks = [asyncio.create_task(each.run()) for each in (stays, torn)]
        for each in (stays, torn):
            await each.subscribed.wait()
        await writer.write(ACCOUNTS)  # owns every shard now; only commits are sent again
        for number in range(3):
            writing = asyncio.create_task(write_for_a_while(writer, 40, seed=number))
            await asyncio.sleep(0.05 + 0.05 * number)
            await asyncio.to_thread(valkey.kill)
            await asyncio.to_thread(valkey.start)
            await writing
        await all_there(writer, stays, torn)
        for task in tasks:
            task.cancel()
    assert stays.resumed == 0
    stays.check(writer)
    torn.check(writer)


async def test_a_subscription_made_while_the_store_is_away_begins_when_it_is_back(
    valkey: AnyServer,
) -> None:
    async with open_worker(valkey.url) as worker, Client.open(worker.url) as client:
        writer = LogWriter(worker.log, SHARDS)
        await client.subscribe("*", id="0")
        await client.read("snapshot")
        await asyncio.to_thread(valkey.kill)
        await client.send(op="subscribe", id="1", channel="alerts", accounts=["a1"])
        await client.send(op="ping")
        frame = await client.read()
        assert frame["type"] == "pong" or frame["id"] == "1"
        await asyncio.to_thread(valkey.start)
        while (frame := await client.read())["type"] != "snapshot":
            pass
        await writer.write(["a1"])
        assert {alert["id"] for alert in await client.alerts(2)} == {"a1-1"}


async def test_a_new_log_makes_everybody_subscribe_again(
    redis_url: str, worker: Worker, writer: LogWriter
) -> None:
    async with Client.open(worker.url) as client:
        old = await client.subscribe("*")
        async with connect(redis_url) as store:
            await store.call("SET", EPOCH, "another")
        assert await client.closed() == 4009
    async with Client.open(worker.url) as client:
        new = await client.subscribe("*", since=old["cursor"])
        assert (new["recovered"], new["epoch"]) == (False, "another")
        await client.read("snapshot")
        await writer.write(["a1"])
        await client.alerts(1)
