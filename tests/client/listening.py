"""Clients that listen to a real worker, over a way that can be cut."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from plimsoll import Alert, AsyncClient, Event, Snapshot
from tests.cutting_proxy import CuttingProxy
from tests.push.log_writer import LogWriter
from tests.push.stream import Worker, until


class Link:
    """A client's way to the service, to cut; `cut_at_random` loses it every few answers."""

    def __init__(self, proxy: CuttingProxy, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._proxy = proxy

    async def cut_at_random(self, seed: int) -> None:
        chance = random.Random(seed)
        while True:
            self._proxy.lose_after = chance.randrange(1, 6)
            while self._proxy.lose_after is not None:  # noqa: ASYNC110 - the proxy has no event
                await asyncio.sleep(0.002)


def address(worker: Worker) -> str:
    return f"http://{urlsplit(worker.url).netloc}"


@contextlib.asynccontextmanager
async def link_to(worker: Worker) -> AsyncIterator[Link]:
    proxy = CuttingProxy()
    port = urlsplit(worker.url).port
    assert port is not None
    listening = await proxy.before(port)
    try:
        yield Link(proxy, listening.sockets[0].getsockname()[1])
    finally:
        listening.close()
        await proxy.aclose()


class Heard:
    """What a consumer was given; `check` holds it against the log."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.snapshots: list[Snapshot] = []

    def take(self, event: Event) -> None:
        if isinstance(event, Snapshot):
            self.snapshots.append(event)
        else:
            self.alerts.append(event)

    def ids(self) -> list[str]:
        return [alert.id for alert in self.alerts]

    def check(self, writer: LogWriter) -> None:
        ids = self.ids()
        assert set(ids) == {alert.id for alert in writer.written}
        assert len(ids) == len(set(ids))
        last: dict[str, int] = {}
        for alert in self.alerts:
            assert alert.seq == last.get(alert.account_id, 0) + 1
            last[alert.account_id] = alert.seq


@contextlib.asynccontextmanager
async def listening(
    url: str, heard: Heard, token: str | None = None, **options: Any
) -> AsyncIterator[None]:
    """An AsyncClient that listens until the block ends; it has begun when the block begins."""

    async def listen() -> None:
        options.setdefault("reconnect_delay_max_s", 0.02)
        async with AsyncClient(url, token=token) as client:
            async for event in client.alerts(**options):
                heard.take(event)

    task = asyncio.create_task(listen())
    if "since" not in options:
        await until(lambda: bool(heard.snapshots) or task.done())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
