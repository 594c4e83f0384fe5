"""A whole service as processes, filled with accounts, and clients that listen to it.

A client looks into nothing while the clock runs: it notes when a frame came, and reads it later.
"""

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
from websockets.asyncio.client import connect

from service.settings import Settings
from service.store.accounts import Accounts
from service.store.client import Client
from service.store.client import connect as connect_store
from service.store.embedded import socket_path
from service.store.health import members
from service.store.market_stream import Gate, MarketStream
from tests.e2e.running_service import RunningService

SHARDS = Settings.model_fields["shards"].default
ACCOUNTS_A_CALL = 5_000
WITHIN_S = 60.0


class Told(msgspec.Struct, rename="camel", gc=False):
    """As much of an alert as is compared."""

    id: str
    account_id: str
    level: str
    market_id: int


class _Frame(msgspec.Struct, gc=False):
    type: str
    alerts: list[Told] = []


_frames = msgspec.json.Decoder(_Frame)


@dataclass
class Heard:
    """The frames of one subscription as they came, with the time of each."""

    frames: list[tuple[float, str]] = field(default_factory=list)
    alerts: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, text: str) -> None:
        self.frames.append((time.perf_counter(), text))
        self.alerts += text.count('"accountId":')
        self.came.set()

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Heard":
        return cls([(0.0, text) for text in texts])

    async def have(self, alerts: int) -> None:
        """Return once so many alerts are here."""
        await self._until(lambda: self.alerts >= alerts)

    async def have_frames(self, frames: int) -> None:
        await self._until(lambda: len(self.frames) >= frames)

    async def _until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not enough():
                self.came.clear()
                await self.came.wait()

    def told(self) -> Iterator[tuple[float, Told]]:
        """Yield each alert with the time its frame came."""
        for at, text in self.frames:
            for alert in _frames.decode(text).alerts:
                yield at, alert

    def forget(self) -> None:
        self.frames, self.alerts = [], 0


@contextlib.asynccontextmanager
async def listening(url: str, account: str) -> AsyncIterator[Heard]:
    """Subscribe to an account, "*" is all; what comes after the snapshot is heard."""
    wanted = {"op": "subscribe", "id": "1", "channel": "alerts", "accounts": [account]}
    stream = url.replace("http", "ws", 1) + "/v1/stream"
    begins = '{"type":"snapshot"', '{"type":"alerts"'
    async with frames_of(stream, orjson.dumps(wanted).decode(), *begins) as heard:
        yield heard


@contextlib.asynccontextmanager
async def frames_of(
    url: str, say: str = "", until: str = "ready", wanted: str = ""
) -> AsyncIterator[Heard]:
    """Connect, say something, and hear what comes after a frame that begins with `until`.

    Only frames that begin with `wanted` are heard: notices and heartbeats come in between.
    """
    async with connect(url, compression=None, max_size=2**20, max_queue=64) as connection:
        heard = Heard()
        if say:
            await connection.send(say)
        while not str(await connection.recv()).startswith(until):
            pass

        async def listen() -> None:
            async for text in connection:
                if str(text).startswith(wanted):
                    heard.take(str(text))

        task = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()


@dataclass(frozen=True, slots=True)
class Whole:
    """A service that runs, and its store as a producer of marks sees it."""

    url: str
    socket: str  # the store's
    store: Client
    market: MarketStream
    running: RunningService

    async def fill(self, instruments: Sequence[object], accounts: Iterable[object]) -> float:
        """Put contracts and accounts in; return the seconds until a monitor has committed all."""
        started = time.perf_counter()
        async with httpx.AsyncClient(base_url=self.url, timeout=60.0, trust_env=False) as http:
            (await http.put("/v1/instruments", json=instruments)).raise_for_status()
            left = iter(accounts)
            while part := list(islice(left, ACCOUNTS_A_CALL)):
                body = orjson.dumps(part)
                headers = {"Content-Type": "application/json"}
                answer = await http.post("/v1/accounts:batch", content=body, headers=headers)
                answer.raise_for_status()
        async with asyncio.timeout(WITHIN_S):
            while await changes_behind(self.store):  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.1)
        return time.perf_counter() - started

    def worker(self) -> int:
        """Return the process id of the one API worker."""
        (process,) = self.running.children("--role api")
        return process

    def check_log(self) -> None:
        """No part of the service has said that something went wrong which nobody had foreseen."""
        said = "\n".join(self.running.lines)
        assert not re.search("traceback|exception", said, re.IGNORECASE), said[-5_000:]

    async def figures(self) -> list[dict[str, Any]]:
        """Return what each monitor says of itself, always in the same order."""
        told = await members(self.store)
        return [orjson.loads(told[name]) for name in sorted(told)]


async def changes_behind(store: Client) -> int:
    """Return how many account changes no monitor has committed yet."""
    counters = await Accounts(store, MarketStream(store), SHARDS).counters()
    return sum(counter.changes - counter.committed for counter in counters)


@contextlib.asynccontextmanager
async def whole_service(*arguments: str, **settings: str) -> AsyncIterator[Whole]:
    """Run a service over an empty store: one API worker, fsync at every write, and one monitor
    unless the arguments say otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        service = RunningService(Path(folder), *arguments, **settings)
        try:
            path = str(socket_path(Path(folder)))
            async with connect_store(f"unix://{path}") as store:
                yield Whole(service.url, path, store, MarketStream(store, Gate()), service)
        finally:
            service.process.terminate()
            service.ended(30.0)
