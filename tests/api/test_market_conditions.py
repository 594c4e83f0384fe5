"""`GET /v1/markets`: what marks say of their market, which bands it is outside of, and that every
worker says the same.
"""

import asyncio
import math
from typing import Any

import httpx
import numpy as np
import pytest

from service.risk.conditions import MarketTrack
from service.store.client import connect
from service.store.epoch import settle
from tests.api.test_moves import BTC, START_MS, Feed, streams, up_to, working
from tests.api.workers import (
    LENIENT,
    SHARDS,
    account,
    errors_of,
    instrument,
    long,
    open_worker,
    settings_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def begun(redis_url: str) -> None:
    """Have the store begun before a worker does that: its ids leap then, and no figure is made of
    marks that came before.
    """
    async with connect(redis_url) as client:
        await settle(client, SHARDS)


async def markets(worker: httpx.AsyncClient, **asked: str) -> list[dict[str, Any]]:
    """Return the markets as soon as the worker knows what their marks say."""
    async with asyncio.timeout(10.0):
        while True:
            response = await worker.get("/v1/markets", params=asked)
            assert response.status_code == 200, response.text
            found: list[dict[str, Any]] = response.json()["markets"]
            if not found or all(one["day"]["reason"] is None for one in found):
                return found
            await asyncio.sleep(0.01)


async def post(worker: httpx.AsyncClient, *marks: dict[str, Any]) -> None:
    response = await worker.post("/v1/marks", json={"marks": list(marks)})
    assert response.json()["accepted"] == len(marks), response.text


def walk(seconds: int, end_ms: int, volatility: float) -> list[dict[str, Any]]:
    """Marks a second apart by their own clock, of a random walk of that volatility a year."""
    size = volatility / math.sqrt(365 * 86_400)
    moves = np.random.default_rng(3).normal(0.0, size, seconds)
    prices = 100.0 * np.exp(np.cumsum(moves))
    return [
        {"symbol": BTC, "markPrice": price, "timestamp": end_ms - 1_000 * (seconds - 1 - second)}
        for second, price in enumerate(prices.tolist())
    ]


async def test_a_market_that_just_began_says_what_it_lacks(worker: httpx.AsyncClient) -> None:
    assert await markets(worker) == []
    await post(worker, {"symbol": BTC, "markPrice": 120})
    await post(worker, {"symbol": BTC, "markPrice": 90, "venue": "binance", "indexPrice": 90})
    await post(worker, {"symbol": BTC, "markPrice": 96, "fundingRate": 0.0001})
    binance, own = await markets(worker, symbol=BTC)
    assert (binance["venue"], own["venue"]) == ("binance", "generic")
    assert own["day"] == {
        "high": 120.0,
        "low": 96.0,
        "drawdown": pytest.approx(0.2),
        "rise": 0.0,
        "reason": None,
    }
    assert own["volatility"] == {
        "ewma": None,
        "total": None,
        "samples": 0,
        "reason": "warming_up",
    }
    assert own["range"] == {"annual": None, "minutes": 0, "reason": "warming_up"}
    assert own["divergence"] == {"ratio": None, "reason": "no_index"}
    assert binance["divergence"] == {"ratio": 0.0, "reason": None}
    assert own["funding"] == {"rate": 0.0001, "intervalH": 8.0, "annual": pytest.approx(0.1095)}
    assert binance["funding"] == {"rate": None, "intervalH": 8.0, "annual": None}
    assert (own["quality"], own["outside"]) == ("good", [])
    assert own["activity"] == {"openInterest": None, "dayVolume": None, "reason": "not_given"}
    active = {"symbol": BTC, "markPrice": 96, "openInterest": "12.5", "dayVolume": 0}
    await post(worker, active)
    [_, told] = await markets(worker, symbol=BTC)
    assert told["activity"] == {"openInterest": 12.5, "dayVolume": 0.0, "reason": None}
    shown = (await worker.get("/v1/marks", params={"symbol": BTC})).json()["marks"][1]
    assert (shown["openInterest"], shown["dayVolume"]) == (12.5, 0.0)
    for name in ("openInterest", "dayVolume"):
        refused = await worker.post("/v1/marks", json={"marks": [active | {name: -0.1}]})
        assert refused.json()["results"][0]["errors"][0]["pointer"] == f"/marks/0/{name}"
    assert 0 <= own["ageMs"] < 60_000


async def test_both_volatilities_are_those_of_the_walk_and_leave_their_band(
    redis_url: str,
) -> None:
    """By the marks' own clock, an hour of a market that moves ten times as much as it may."""
    settings = settings_of(redis_url, event_time="source", market_volatility_band=0.3)
    async with open_worker(settings) as worker:
        eth = {"symbol": "ETH/USDT:USDT", "markPrice": 1}
        await post(worker, *walk(3_600, START_MS, 3.0))
        [market] = await markets(worker, symbol=BTC)
        assert market["volatility"]["ewma"] == pytest.approx(3.0, rel=0.15)
        assert market["volatility"]["reason"] is None
        assert market["range"]["annual"] == pytest.approx(3.0, rel=0.15)
        assert market["range"]["minutes"] == 60
        [outside] = market["outside"]
        assert (outside["condition"], outside["limit"]) == ("volatile", 0.3)
        assert START_MS - 3_600_000 < outside["since"] < START_MS - 3_000_000
        await post(worker, eth | {"timestamp": START_MS + 60_000})
        assert (await markets(worker, symbol=BTC))[0]["range"]["reason"] is None
        await post(worker, eth | {"timestamp": START_MS + 60_001})
        [market] = await markets(worker, symbol=BTC)
        assert market["volatility"]["ewma"] is market["range"]["annual"] is None
        assert market["volatility"]["reason"] == market["range"]["reason"] == "stale_marks"
        assert market["quality"] == "stale"
        assert market["outside"] == [outside], "until marks say that it is back"
        assert await markets(worker, condition="volatile", quality="stale") == [market]
    calm = settings_of(redis_url, event_time="source", market_volatility_band=0.0)
    async with open_worker(calm) as worker:
        response = (await worker.get("/v1/markets")).json()
        assert response["bands"] == {"volatility": 0.0, "divergence": 0.02, "hysteresis": 0.2}


async def test_divergence_leaves_its_band_and_comes_back(worker: httpx.AsyncClient) -> None:
    mark = {"symbol": BTC, "indexPrice": 100.0}
    for price, outside in ((102.0, []), (102.1, ["diverged"]), (98.3, ["diverged"]), (98.5, [])):
        await post(worker, mark | {"markPrice": price})
        [market] = await markets(worker, symbol=BTC)
        assert market["divergence"]["ratio"] == pytest.approx(price / 100.0 - 1.0)
        assert [each["condition"] for each in market["outside"]] == outside, price
        assert len(await markets(worker, condition="diverged")) == len(outside)
        told = (await worker.get("/metrics")).text
        assert f'plimsoll_markets_outside{{condition="diverged"}} {len(outside)}.0' in told
        assert 'plimsoll_markets_outside{condition="volatile"} 0.0' in told


async def test_markets_are_found_by_what_they_are(worker: httpx.AsyncClient) -> None:
    for venue in ("binance", "okx"):
        for symbol in (BTC, "ETH/USDT:USDT"):
            await post(worker, {"venue": venue, "symbol": symbol, "markPrice": 100})
    for asked, count in (
        ({}, 4),
        ({"venue": "okx"}, 2),
        ({"symbol": BTC}, 2),
        ({"venue": "okx", "symbol": BTC}, 1),
        ({"quality": "good"}, 4),
        ({"quality": "suspect"}, 0),
        ({"condition": "diverged"}, 0),
    ):
        assert len(await markets(worker, **asked)) == count, asked


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ("venue=nowhere", ("?venue", "invalid_value")),
        ("quality=perfect", ("?quality", "invalid_value")),
        ("condition=calm", ("?condition", "invalid_value")),
        ("condition=volatile&condition=diverged", ("?condition", "repeated_parameter")),
        ("limit=5", ("?", "unknown_parameter")),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    worker: httpx.AsyncClient, asked: str, fault: tuple[str, str]
) -> None:
    response = await worker.get(f"/v1/markets?{asked}")
    assert response.status_code == 422
    assert errors_of(response) == [fault]


async def test_a_worker_that_starts_later_has_the_same_tracks(redis_url: str) -> None:
    """To the last bit, whatever of the marks waits to be taken together."""
    async with streams(redis_url) as (stream, store), streams(redis_url) as (other, others):
        feed = Feed(stream)
        await feed.run(201)
        async with working(stream, store) as first:
            await feed.run(301)
            first.track(("generic", BTC))  # what waited is taken now; the other takes it together
            async with working(other, others) as second:
                newest = await feed.run(402)
                tracks = []
                for moves in (first, second):
                    await up_to(moves.picture, moves, newest)  # type: ignore[arg-type]
                    tracks.append(moves.track(("generic", BTC)))
        assert tracks[0] == tracks[1] != MarketTrack()
        assert tracks[0] is not None
        assert tracks[0].volatile_ms > 0
        assert tracks[0].ranges > 5


async def test_an_account_hears_of_its_markets_by_its_findings(worker: httpx.AsyncClient) -> None:
    """By the marks of its own venue, else by generic's."""
    await worker.put("/v1/instruments", json=[instrument(venue="binance"), instrument()])
    body = {"accounts": [account(long(), id="a", venue="binance")], "healthLimits": LENIENT}
    for venue, price, expected in (
        ("generic", 102.0, []),
        ("generic", 102.1, ["market_diverged"]),
        ("binance", 102.0, []),
        ("binance", 97.9, ["market_diverged"]),
    ):
        mark = {"venue": venue, "symbol": BTC, "markPrice": price, "indexPrice": 100}
        await post(worker, mark)
        await markets(worker)
        answer = (await worker.post("/v1/evaluate", json=body)).json()["accounts"][0]
        found = [each for each in answer["findings"] if each["code"].startswith("market_")]
        assert [each["code"] for each in found] == expected, (venue, price)
        assert all(each["symbol"] == BTC and each["limit"] == 0.02 for each in found)
