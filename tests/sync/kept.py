"""An account to keep: a venue that says what a test says, and a service that it is written to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from service.sync.account_sync import AccountSync, SyncPace
from service.sync.configured import SyncedAccount
from service.sync.exchange import Snapshot, VenueTrouble
from service.sync.venue_calls import Permissions
from service.unified.records import Terms
from tests.api.workers import instrument, open_worker, settings_of
from tests.unified.rows import Row, binance, position

QUICK = SyncPace(hint_gap_s=0.01, delay_first_s=0.01, delay_max_s=0.04, throttled_first_s=0.02)
PATH = "/v1/accounts/desk-7"
BTC = "BTC/USDT:USDT"


class Venue:
    """A venue that says what a test says."""

    def __init__(self) -> None:
        self.positions: list[Row] = [position()]
        self.balance = binance()
        self.trouble: VenueTrouble | None = None
        self.may_trade = False
        self.can_watch = False
        self.asked = 0
        self.broken = 0
        self.stirs = asyncio.Queue[None]()

    async def snapshot(self) -> Snapshot:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return Snapshot(list(self.positions), self.balance)

    async def changed(self) -> None:
        if self.broken:
            self.broken -= 1
            raise (asyncio.CancelledError if self.broken % 2 else VenueTrouble("away", "cut"))
        await self.stirs.get()

    async def clock_offset_ms(self) -> float | None:
        return -12.5

    async def permissions(self) -> Permissions:
        return Permissions(self.may_trade, "everything")


def sync_of(venue: Venue, client: httpx.AsyncClient, every_s: float = 3_600.0) -> AccountSync:
    account = SyncedAccount(
        "desk-7", "binanceusdm", "binance", every_s, True, Terms(), (), None, None, {}
    )
    return AccountSync(account, venue, client, QUICK)


@asynccontextmanager
async def service(redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with open_worker(settings_of(redis_url)) as worker:
        listed = await worker.put("/v1/instruments", json=[instrument(venue="binance")])
        assert listed.status_code == 200
        yield worker


async def stored(worker: httpx.AsyncClient) -> dict[str, Any]:
    told: dict[str, Any] = (await worker.get(PATH)).json()
    return told


@asynccontextmanager
async def kept(sync: AccountSync) -> AsyncIterator[AccountSync]:
    work = asyncio.create_task(sync.run())
    try:
        yield sync
    finally:
        work.cancel()
        await asyncio.wait([work])
