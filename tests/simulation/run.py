"""One run of the crash through the real service, with whatever befalls its processes meanwhile."""

import asyncio
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import orjson

from service.contract.cursor import decode_cursor
from service.errors import StoreUnavailable
from service.feeds.tape import MarkDoc
from service.store.alert_log import LEASE_MS, AlertLog
from service.store.client import Client, connect
from service.store.keys import ShardKeys
from service.store.market_stream import Gate, MarketStream, NewMark
from tests.simulation.history import SHARDS, History, read_history
from tests.simulation.processes import Processes
from tests.simulation.subscriber import Subscriber
from tests.simulation.tape import Crash

BATCH_MARKS = 250
LEAD_MARKS = 5_000  # at most so far is the feed ahead of the monitor: deaths fall in its work
SETTLE_S = 3_600.0


async def post(url: str, method: str, path: str, body: Any) -> Any:
    """Send JSON and insist on success."""
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        answer = await client.request(method, path, json=body)
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()


async def load(url: str, crash: Crash) -> None:
    """Instruments, then accounts, through the REST door."""
    await post(url, "PUT", "/v1/instruments", crash.instruments)
    for start in range(0, len(crash.accounts), 5_000):
        answer = await post(
            url, "POST", "/v1/accounts:batch", crash.accounts[start : start + 5_000]
        )
        assert all("version" in item for item in answer["results"]), answer["results"][:3]


@dataclass(frozen=True, slots=True)
class Event:
    """What befalls a process when the feed comes to a mark.

    kill: SIGKILL and a new start; restart: SIGTERM and a new start; pause and stop: SIGSTOP, and
    SIGCONT while its leases live or when they have ended.
    """

    at: int
    kind: Literal["kill", "restart", "pause", "stop"]
    name: str


STOPPED_S = {"pause": LEASE_MS / 4_000, "stop": 1.25 * LEASE_MS / 1_000}


class Run:
    """Marks from the tape in order; at chosen places something befalls a process.

    Without `pace_s` the feed waits until it is over; else it goes on, with so long between batches.
    """

    made_of: type[Processes] = Processes

    def __init__(
        self,
        crash: Crash,
        directory: Path,
        monitors: int = 1,
        batch_marks: int = BATCH_MARKS,
        pace_s: float = 0.0,
    ) -> None:
        self.crash = crash
        self._batch_marks, self._pace_s = batch_marks, pace_s
        self.processes = self.made_of(
            directory,
            monitors,
            event_time="source",
            market_max_entries="10000000",
            log_max_alerts="100000000",
        )
        self.always = Subscriber(self.processes.url)
        self.resuming = Subscriber(self.processes.url)
        self.befallen: list[Event] = []
        self._followers: list[asyncio.Task[None]] = []

    async def play(self, events: Sequence[Event] = (), seed: int = 0) -> History:
        """Run it to the end and return what is in the store."""
        with self.processes:
            followers = self._followers = [
                asyncio.create_task(self.always.follow(), name="always there"),
                asyncio.create_task(self.resuming.follow(3.0, seed), name="cut and resumed"),
            ]
            for subscriber in (self.always, self.resuming):
                await _until(lambda one=subscriber: one.cursor is not None, "a subscription")
            # Only now: an account without marks is an alert too, and whoever comes later misses it.
            await load(self.processes.url, self.crash)
            async with connect(self.processes.valkey.url) as client:
                await self._feed(client, events)
                await self._settled(client)
                for follower in followers:
                    follower.cancel()
                return await read_history(client)

    async def _feed(self, client: Client, events: Sequence[Event]) -> None:
        """Batch after batch; what is to happen in a batch does so while it is under way."""
        market = MarketStream(client, Gate("source"))
        marks, size = self.crash.marks, self._batch_marks
        happening = asyncio.create_task(asyncio.sleep(0))
        for batch, start in enumerate(range(0, len(marks), size), start=1):
            part = [_new_mark(mark) for mark in marks[start : start + size]]
            sending = asyncio.create_task(_send(market, part, batch))
            for event in events:
                if start <= event.at < start + size:
                    await happening
                    happening = asyncio.create_task(asyncio.to_thread(self._befall, event))
            if not self._pace_s:
                await happening
            await sending
            await self._followed(client, start + size - LEAD_MARKS)
            await asyncio.sleep(self._pace_s)
        await happening

    @staticmethod
    async def send_rest(client: Client, marks: Sequence[MarkDoc]) -> None:
        """Send marks to another service, and wait until each of its shards is through with them."""
        market = MarketStream(client, Gate("source"))
        for batch, start in enumerate(range(0, len(marks), BATCH_MARKS), start=1):
            part = [_new_mark(mark) for mark in marks[start : start + BATCH_MARKS]]
            await _send(market, part, batch, "rest")
        await _all_committed(client)

    def _befall(self, event: Event) -> None:
        processes, name = self.processes, event.name
        if event.kind in STOPPED_S:
            processes.pause(name)
            threading.Event().wait(STOPPED_S[event.kind])
            processes.resume(name)
        else:
            (processes.kill if event.kind == "kill" else processes.leave)(name)
            processes.start(name)
        self.befallen.append(event)

    async def _followed(self, client: Client, market_id: int) -> None:
        """Wait until some shard has committed about this far."""

        async def reached() -> bool:
            try:
                return max(await committed(client)) >= market_id
            except StoreUnavailable:
                return False

        await _until_async(reached, f"the monitor to come to {market_id}")

    async def _settled(self, client: Client) -> None:
        """Wait until the monitor has dealt with all marks and both clients have the whole log."""
        log = AlertLog(client, SHARDS)
        await _all_committed(client)
        offsets = tuple(tail.offset for tail in await log.tails())
        for subscriber in (self.always, self.resuming):
            await _until(lambda one=subscriber: self._has(one, offsets), "a client to have it all")

    def _has(self, subscriber: Subscriber, offsets: tuple[int, ...]) -> bool:
        for follower in self._followers:
            assert not follower.done(), follower  # of what it has met nobody else would hear
        return _reached(subscriber, offsets)


async def _all_committed(client: Client) -> None:
    end, _ = await MarketStream(client).tail()

    async def reached() -> bool:
        return min(await committed(client)) >= end

    await _until_async(reached, "every shard to commit the last mark")


async def committed(client: Client) -> list[int]:
    """How far each shard has committed."""
    rows = await client.batch(
        [("HGET", ShardKeys(shard).state, "marketId") for shard in range(SHARDS)]
    )
    return [int(row or 0) for row in rows]


def _reached(subscriber: Subscriber, offsets: tuple[int, ...]) -> bool:
    if subscriber.cursor is None:
        return False
    return tuple(decode_cursor(subscriber.cursor).offsets) >= offsets


async def _send(
    market: MarketStream, part: list[NewMark], batch: int, producer: str = "tape"
) -> None:
    """Send until it is answered: the producer's batch number makes that safe."""
    while True:
        try:
            results = await market.append_marks(part, producer, batch)
        except StoreUnavailable:
            await asyncio.sleep(0.02)
            continue
        assert all(isinstance(result, int) for result in results), results[:5]
        return


def _new_mark(mark: MarkDoc) -> NewMark:
    return NewMark(
        str(mark["venue"]),
        str(mark["symbol"]),
        orjson.dumps(mark),
        int(mark["timestamp"]),
        str(mark.get("source", "")),
    )


async def _until(condition: Any, what: str) -> None:
    async def answer() -> bool:
        return bool(condition())

    await _until_async(answer, what)


async def _until_async(condition: Any, what: str) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + SETTLE_S
    while not await condition():
        assert loop.time() < end, f"waited {SETTLE_S:.0f} s for {what}"
        await asyncio.sleep(0.05)


def random_kills(count: int, marks: int, seed: int, names: Sequence[str]) -> list[Event]:
    """`count` moments spread over the tape, each with the process that dies then."""
    chance = random.Random(seed)
    places = sorted(chance.sample(range(marks), count))
    return [Event(place, "kill", names[index % len(names)]) for index, place in enumerate(places)]


def random_events(count: int, marks: int, seed: int, names: Sequence[str]) -> list[Event]:
    """`count` moments evenly over the tape; every kind as often, to any of the processes."""
    chance = random.Random(seed)
    kinds: list[Literal["kill", "restart", "pause", "stop"]] = ["kill", "stop", "restart", "pause"]
    return [
        Event(
            (number * marks + chance.randrange(marks)) // (count + 1),
            kinds[number % len(kinds)],
            chance.choice(names),
        )
        for number in range(count)
    ]
