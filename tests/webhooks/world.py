"""A store with a log and webhooks, and workers over it that can be killed at every step."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from service.access.silences import SilenceBoard
from service.contract.cursor import encode_cursor
from service.contract.signing import new_secret
from service.contract.webhooks import Progress, WebhookDocument, read_progress, write
from service.errors import StoreUnavailable
from service.store.alert_log import AlertLog
from service.store.client import Client, connect, connect_blocking
from service.store.epoch import settle
from service.store.keys import DEFAULT_TENANT, HOOKS, tenant_key
from service.store.receivers import Webhooks
from service.store.silences import Silences
from service.webhooks.calls import SignedCalls
from service.webhooks.delivery import Pace
from service.webhooks.sender import Rules, Sender
from service.webhooks.worker import DeliveryWorker
from tests.push.log_writer import LogWriter
from tests.webhooks.receiver import Receiver

SHARDS = 4
QUICK = Pace(first_s=0.01, longest_s=0.05, give_up_s=60.0)
LOOPBACK = Rules(allow_http=True, allow_private=True, timeout_s=5.0)


@dataclass
class World:
    """`writer` logs what `webhooks` are told of."""

    client: Client
    log: AlertLog
    webhooks: Webhooks
    writer: LogWriter

    @property
    def silences(self) -> Silences:
        return Silences(self.client)

    async def settle(self) -> str:
        return await settle(self.client, SHARDS)

    async def add(
        self,
        name: str,
        receiver: Receiver,
        tenant: str = DEFAULT_TENANT,
        incarnation: str = "first",
        **wanted: Any,
    ) -> str:
        """Make a webhook that hears of what is logged from now on; its key."""
        key, secret = tenant_key(tenant, name), new_secret()
        ends = [tail.offset for tail in await self.log.tails()]
        progress = Progress(incarnation, 0, encode_cursor(await self.settle(), ends))
        document = WebhookDocument(url=receiver.url, **wanted)
        assert await self.webhooks.put(key, write(document), secret, write(progress))
        receiver.secret = receiver.secret or secret
        return key

    async def settled(self, key: str) -> bool:
        """Whether no delivery is under way."""
        return (await self.progress(key)).pending is None

    async def progress(self, key: str) -> Progress:
        return read_progress((await self.webhooks.get(key)).progress)

    @contextlib.asynccontextmanager
    async def worker(
        self,
        pace: Pace = QUICK,
        rules: Rules = LOOPBACK,
        kill: "Kill | None" = None,
        webhooks: Any = None,
    ) -> AsyncIterator[None]:
        """Deliver until the block ends; then as if killed: the lease is not given back."""
        async with Sender(rules) as sender:
            registry = Breaking(webhooks or self.webhooks, kill)
            road = SignedCalls(Breaking(sender, kill))
            board = SilenceBoard(self.silences)
            worker = DeliveryWorker(
                self.log, registry, self.settle, road, silences=board, pace=pace
            )
            running = asyncio.create_task(worker.run())
            try:
                yield
            finally:
                running.cancel()
                await asyncio.wait([running])
                await self.client.call("DEL", HOOKS.lease)


@dataclass
class Kill:
    """Whoever does its `at`-th thing does nothing any more: before doing it, or just after."""

    at: int
    before: bool
    done: int = 0
    reached: bool = False
    happened: bool = False


class Breaking:
    """Passes calls that change something on, until it is time to be killed."""

    STEPS = ("advance", "settle_letter", "post", "send")

    def __init__(self, inner: object, kill: Kill | None) -> None:
        self._inner, self._kill = inner, kill

    def __getattr__(self, name: str) -> Any:
        call, kill = getattr(self._inner, name), self._kill
        if kill is None or name not in self.STEPS:
            return call
        return lambda *given: self._step(call, kill, *given)

    async def _step(self, call: Callable[..., Awaitable[Any]], kill: Kill, *given: Any) -> Any:
        kill.done += 1
        if kill.done < kill.at:
            return await call(*given)
        kill.reached = True
        if not kill.before and kill.done == kill.at:
            await call(*given)
        kill.happened = True
        return await asyncio.Event().wait()


class LosingAnswers:
    """A store of which every second answer to a write is lost; the write may have been done."""

    def __init__(self, inner: Webhooks) -> None:
        self._inner, self._writes = inner, 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        return partial(self._write, call) if name in {"advance", "settle_letter"} else call

    async def _write(self, call: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        self._writes += 1
        if self._writes % 4 == 1:
            raise StoreUnavailable("not done")
        answer = await call(*given)
        if self._writes % 4 == 3:
            raise StoreUnavailable("done, but who knows")
        return answer


def patient(pace: Pace) -> Pace:
    """The same, with pauses that no test sits out."""
    return replace(pace, first_s=3_600.0, longest_s=3_600.0, give_up_s=10**6)


@contextlib.asynccontextmanager
async def open_world(redis_url: str) -> AsyncIterator[World]:
    """A world over the server at `redis_url`."""
    async with connect(redis_url) as client, connect_blocking(redis_url) as blocking:
        log = AlertLog(client, SHARDS, blocking)
        yield World(client, log, Webhooks(client), LogWriter(log, SHARDS))
