"""`plimsoll serve` with feeds, and `plimsoll feed` beside it: marks of venues in the answers."""

import asyncio
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.e2e.running_service import RunningService, until
from tests.feeds.venues.binance import BinanceDialect
from tests.feeds.venues.mock import MockVenue
from tests.feeds.venues.okx import OkxDialect

pytestmark = pytest.mark.anyio


def _marks(service: RunningService, venue: str) -> set[str]:
    answer = service.http.get("/v1/marks", params={"venue": venue}).json()
    return {mark["symbol"] for mark in answer["marks"] if not mark["stale"]}


async def test_a_service_takes_marks_of_venues_and_is_well_again_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        MockVenue(BinanceDialect(6)).running() as binance,
        MockVenue(OkxDialect(5)).running() as okx,
    ):
        urls = {"binance": binance.origin, "okx": okx.origin}
        monkeypatch.setenv("PLIMSOLL_FEEDS", "binance")
        monkeypatch.setenv("PLIMSOLL_FEED_URLS", orjson.dumps(urls).decode())
        expected = {"binance": set(binance.prices(0)), "okx": set(okx.prices(0))}
        await asyncio.to_thread(_lives, tmp_path, expected)


def _lives(data_dir: Path, expected: dict[str, set[str]]) -> None:
    service = RunningService(data_dir)
    try:
        until(lambda: _marks(service, "binance") == expected["binance"])
        service.kill("--role feed")
        until(lambda: _status(service) == "ok")
        beside = subprocess.Popen(
            [sys.executable, "-m", "service", "feed", "okx", "--data-dir", str(data_dir)]
        )
        try:
            until(lambda: _marks(service, "okx") == expected["okx"])
        finally:
            beside.terminate()
            assert beside.wait(10.0) == 0
        assert any("binance usd-m: connected to 127.0.0.1" in line for line in service.lines)
    finally:
        service.process.terminate()
        assert service.ended() == 0


def _status(service: RunningService) -> str:
    return str(service.http.get("/readyz").json()["status"])
