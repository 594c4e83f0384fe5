"""A store with a log and targets, and workers over it that can be killed at every step."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.access.silences import SilenceBoard
from service.contract.cursor import encode_cursor
from service.contract.targets import TargetDocument, service_of
from service.contract.webhooks import Progress, read_progress, write
from service.store.alert_log import AlertLog
from service.store.client import Client, connect, connect_blocking
from service.store.epoch import settle
from service.store.keys import DEFAULT_TENANT, TARGETS, tenant_key
from service.store.receivers import Targets
from service.store.silences import Silences
from service.targets.notifier import Notifier
from service.webhooks.delivery import Pace
from service.webhooks.sender import Rules
from service.webhooks.worker import DeliveryWorker
from tests.push.log_writer import LogWriter
from tests.webhooks.world import Breaking, Kill

SHARDS = 4
QUICK = Pace(first_s=0.01, longest_s=0.05, give_up_s=60.0)
LOOPBACK = Rules(allow_http=True, allow_private=True)


@dataclass
class World:
    """`writer` logs what `targets` are told of."""

    client: Client
    log: AlertLog
    targets: Targets
    writer: LogWriter

    async def settle(self) -> str:
        return await settle(self.client, SHARDS)

    async def add(self, name: str, url: str, window_s: float = 0.1, **wanted: Any) -> str:
        """Make a target that hears of what is logged from now on; its key."""
        key = tenant_key(DEFAULT_TENANT, name)
        ends = [tail.offset for tail in await self.log.tails()]
        progress = Progress("first", 0, encode_cursor(await self.settle(), ends))
        document = TargetDocument(url=url, window_s=window_s, **wanted)
        service = service_of(url, allow_http=True, allow_private=True)
        doc = write(document.stored(service))
        assert await self.targets.put(key, doc, url, write(progress), replace_secret=True)
        return key

    async def progress(self, key: str) -> Progress:
        return read_progress((await self.targets.get(key)).progress)

    @contextlib.asynccontextmanager
    async def worker(
        self,
        pace: Pace = QUICK,
        rules: Rules = LOOPBACK,
        kill: Kill | None = None,
        timeout_s: float = 5.0,
    ) -> AsyncIterator[None]:
        """Deliver until the block ends; then as if killed: the lease is not given back."""
        registry: Any = Breaking(self.targets, kill)
        road: Any = Breaking(Notifier(rules, timeout_s), kill)
        board = SilenceBoard(Silences(self.client))
        worker = DeliveryWorker(self.log, registry, self.settle, road, silences=board, pace=pace)
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait([running])
            await self.client.call("DEL", TARGETS.lease)


@contextlib.asynccontextmanager
async def open_world(redis_url: str) -> AsyncIterator[World]:
    """A world over the server at `redis_url`."""
    async with connect(redis_url) as client, connect_blocking(redis_url) as blocking:
        log = AlertLog(client, SHARDS, blocking)
        yield World(client, log, Targets(client), LogWriter(log, SHARDS))


def counts(message: Mapping[str, Any]) -> str:
    """What a message's title says after our name."""
    return str(message["title"]).removeprefix("Plimsoll: ")
