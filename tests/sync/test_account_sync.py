"""One snapshot: what is written, what is kept of the owner's, what is reported, what is not."""

import logging
from typing import Any

import httpx
import pytest

from service.errors import InvalidInput, StoreUnavailable, VersionMismatch
from service.sync.account_sync import AccountSync
from service.sync.configured import SyncedAccount
from service.unified.records import Terms
from tests.sync.kept import BTC, PATH, QUICK, Venue, service, stored, sync_of
from tests.unified.rows import Row, binance, bybit, isolated, position

pytestmark = pytest.mark.anyio


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


@pytest.mark.parametrize(("amount", "version"), [("50.00000001", 1), ("50.0001", 2)])
async def test_the_last_digits_of_a_wallet_are_no_news(
    redis_url: str, amount: str, version: int
) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        sync = sync_of(venue, worker)
        await sync.once()
        venue.balance = binance(("USDT", amount))
        await sync.once()
        assert (await stored(worker))["version"] == version


async def test_prices_of_collateral_are_left_to_the_stream(redis_url: str) -> None:
    coins = (
        {"coin": "USDT", "walletBalance": "50", "equity": "50", "usdValue": "50.5"},
        {"coin": "USDC", "walletBalance": "9", "equity": "9", "usdValue": "9"},
    )
    async with service(redis_url) as worker:
        venue = Venue()
        venue.positions, venue.balance = [], bybit(*coins)
        account = SyncedAccount("desk-7", "bybit", "bybit", 60.0, True, Terms(), (), None, None, {})
        await AccountSync(account, venue, worker, QUICK).once()
        told = await stored(worker)
        assert told["collateralMode"] == "multi"
        assert all("price" not in row for row in told["balances"])


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
