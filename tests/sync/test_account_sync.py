"""One account kept: what is written, what is kept of the owner's, what is reported, what is not."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from service.errors import InvalidInput, StoreUnavailable, VersionMismatch
from service.sync.account_sync import AccountSync, SyncPace
from service.sync.configured import SyncedAccount
from service.sync.exchange import Snapshot, VenueTrouble
from service.sync.venue_calls import Permissions
from service.unified.records import Terms
from tests.api.workers import instrument, open_worker, settings_of
from tests.feeds.faults import until
from tests.unified.rows import Row, binance, isolated, position

pytestmark = pytest.mark.anyio

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
        self.stirs = asyncio.Queue[None]()

    async def snapshot(self) -> Snapshot:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return Snapshot(list(self.positions), self.balance)

    async def changed(self) -> None:
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


async def test_a_snapshot_is_written_once_and_again_only_when_it_is_new(redis_url: str) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        sync = sync_of(venue, worker)
        await sync.once()
        first = await stored(worker)
        assert first["balances"] == [{"asset": "USDT", "amount": 50.0}]
        (row,) = first["positions"]
        assert (row["contracts"], row["side"], row["marginMode"]) == (2.0, "long", "cross")
        venue.positions = [position(markPrice=111.0, unrealizedPnl=22.0, notional=222.0)]
        await sync.once()
        assert (await stored(worker))["version"] == first["version"]
        venue.positions = [position(contracts=3.0)]
        await sync.once()
        assert (await stored(worker))["version"] == first["version"] + 1
        figures = sync.figures()
        assert (figures.snapshots, figures.written, figures.positions) == (3, 2, 1)
        assert figures.clock_offset_ms == -12.5
        assert figures.age_s is not None


async def test_what_the_owner_has_said_stays(redis_url: str) -> None:
    own = {
        "thresholds": {"warning": 0.4, "marginCall": 0.7},
        "repeat": {"everyMs": 60_000},
        "healthLimits": {"leverageMax": 3},
    }
    async with service(redis_url) as worker:
        venue = Venue()
        sync = sync_of(venue, worker)
        row = {"symbol": BTC, "side": "long", "contracts": 1, "entryPrice": 90, "lossBudget": 7}
        body = own | {"venue": "binance", "positions": [row | {"stopLossPrice": 80}]}
        assert (await worker.put(PATH, json=body)).status_code == 200
        await sync.once()
        told = await stored(worker)
        assert told["thresholds"] == own["thresholds"]
        assert (told["repeat"]["everyMs"], told["healthLimits"]) == (60_000, {"leverageMax": 3.0})
        (kept,) = told["positions"]
        assert (kept["contracts"], kept["lossBudget"], kept["stopLossPrice"]) == (2.0, 7.0, 80.0)
        venue.positions = [position(side="short", stopLossPrice=0.0)]
        await sync.once()
        (turned,) = (await stored(worker))["positions"]
        assert "lossBudget" not in turned


@pytest.mark.parametrize(
    "positions",
    [[position(), position(side=None)], [position(symbol="NONE/USDT:USDT")], [isolated()]],
)
async def test_what_is_understood_in_part_is_not_written(
    redis_url: str, positions: list[Row]
) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        sync = sync_of(venue, worker)
        await sync.once()
        before = await stored(worker)
        venue.positions = positions
        with pytest.raises(InvalidInput):
            await sync.once()
        assert await stored(worker) == before


@pytest.mark.parametrize(("mark", "beyond"), [(99.0, 0), (70.0, 1)])
async def test_a_position_that_vanished_is_removed_and_told_of(
    redis_url: str, mark: float, beyond: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "plimsoll.sync")
    async with service(redis_url) as worker:
        venue = Venue()
        sync = sync_of(venue, worker)
        await sync.once()
        body = {"marks": [{"venue": "binance", "symbol": BTC, "markPrice": mark}]}
        assert (await worker.post("/v1/marks", json=body)).status_code == 200
        venue.positions = []
        await sync.once()
        assert (await stored(worker))["positions"] == []
        assert (sync.figures().vanished, sync.figures().vanished_beyond) == (1, beyond)
        was = "was beyond liquidation" if beyond else "is gone"
        assert any(f"{BTC} long (cross)" in line and was in line for line in caplog.messages)


async def test_what_vanished_is_told_before_it_is_written(redis_url: str) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        sync = sync_of(venue, worker)
        await sync.once()
        venue.positions = []
        killed = sync_of(venue, Cut(worker, "PUT"))
        with pytest.raises(StoreUnavailable):
            await killed.once()
        assert len((await stored(worker))["positions"]) == 1
        again = sync_of(venue, worker)
        await again.once()
        assert again.figures().vanished == 1
        assert (await stored(worker))["positions"] == []


class Cut(httpx.AsyncClient):
    """A client whose calls of one method get no answer; `done`: they have been carried out."""

    def __init__(self, client: httpx.AsyncClient, method: str, *, done: bool = False) -> None:
        super().__init__()
        self._client, self._method, self._done = client, method, done

    async def request(self, method: Any, url: Any, **more: Any) -> httpx.Response:
        if method != self._method or self._done:
            response = await self._client.request(method, url, **more)
        if method == self._method:
            raise httpx.ReadError("cut")
        return response


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("done", [False, True])
async def test_a_cut_at_any_call_is_made_good_by_the_next_snapshot(
    redis_url: str, method: str, done: bool
) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        with pytest.raises(StoreUnavailable):
            await sync_of(venue, Cut(worker, method, done=done)).once()
        sync = sync_of(venue, worker)
        await sync.once()
        told = await stored(worker)
        assert (told["version"], len(told["positions"])) == (1, 1)


async def test_a_write_of_somebody_else_in_between_is_not_undone(redis_url: str) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        sync = sync_of(venue, worker)
        await sync.once()
        lines = {"warning": 0.4, "marginCall": 0.7}

        class Between(Cut):
            async def request(self, method: Any, url: Any, **more: Any) -> httpx.Response:
                if method == "PUT":
                    body = {"venue": "binance", "thresholds": lines}
                    assert (await worker.put(PATH, json=body)).is_success
                return await worker.request(method, url, **more)

        venue.positions = [position(contracts=5.0)]
        with pytest.raises(VersionMismatch):
            await sync_of(venue, Between(worker, "none")).once()
        assert (await stored(worker))["thresholds"] == lines
        await sync.once()
        told = await stored(worker)
        assert (told["thresholds"], told["positions"][0]["contracts"]) == (lines, 5.0)


@asynccontextmanager
async def kept(sync: AccountSync) -> AsyncIterator[AccountSync]:
    work = asyncio.create_task(sync.run())
    try:
        yield sync
    finally:
        work.cancel()
        await asyncio.wait([work])


async def test_a_hint_brings_the_next_snapshot_sooner_and_is_not_read(redis_url: str) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        venue.can_watch = True
        async with kept(sync_of(venue, worker)) as sync:
            await until(lambda: sync.figures().written == 1)
            venue.positions = [position(contracts=4.0)]
            venue.stirs.put_nowait(None)
            await until(lambda: sync.figures().written == 2)
            for _ in range(50):
                venue.stirs.put_nowait(None)
            await until(lambda: sync.figures().hints == 51)
            asked = venue.asked
            assert asked < 10, "many hints together are one snapshot"


@pytest.mark.parametrize("kind", ["throttled", "refused", "away", "torn", "not_understood"])
async def test_trouble_is_waited_out_told_and_got_over(redis_url: str, kind: Any) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        venue.trouble = VenueTrouble(kind, "not now")
        async with kept(sync_of(venue, worker)) as sync:
            await until(lambda: sync.figures().troubles.get(kind, 0) > 2)
            assert (sync.figures().trouble, sync.figures().age_s) == (kind, None)
            venue.trouble = None
            await until(lambda: sync.figures().written == 1)
            await until(lambda: sync.figures().trouble == "")


async def test_waits_double_have_jitter_and_an_end() -> None:
    venue = Venue()
    async with httpx.AsyncClient() as client:
        sync = AccountSync(
            sync_of(venue, client)._account, venue, client, SyncPace(delay_max_s=60.0)
        )
        waits = [sync._failed("throttled", "429") for _ in range(12)]
    assert 7.5 <= waits[0] <= 15.0
    assert 15.0 <= waits[1] <= 30.0
    assert all(30.0 <= wait <= 60.0 for wait in waits[2:])
    assert len(set(waits)) == len(waits)


async def test_a_key_that_may_trade_is_warned_of(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        venue.may_trade = True
        sync = sync_of(venue, worker)
        await sync.once()
        assert sync.figures().may_trade is True
        assert any("may do more than read" in line for line in caplog.messages)
