"""POST /v1/evaluate: where marks come from, what is answered, what is refused and how."""

import asyncio
import math
from dataclasses import replace
from typing import Any

import httpx
import pytest

from service.risk.mark_rule import DOOR
from service.store.client import connect
from service.store.market_stream import Gate, MarketStream
from tests.api.workers import account, errors_of, instrument, long, open_worker, settings_of

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


async def evaluate(client: httpx.AsyncClient, *accounts: Any, **more: Any) -> httpx.Response:
    named = [{"id": f"a{index}"} | one for index, one in enumerate(accounts)]
    body = {"accounts": named, "instruments": [instrument(BTC), instrument(ETH)]} | more
    return await client.post("/v1/evaluate", json=body)


async def one(client: httpx.AsyncClient, *accounts: Any, **more: Any) -> Any:
    response = await evaluate(client, *accounts, **more)
    assert response.status_code == 200, response.text
    return response.json()["accounts"][0]


async def test_every_figure_of_a_cross_account(alone: httpx.AsyncClient) -> None:
    answer = await one(alone, account(long(leverage=10)), marks={BTC: 55_000})
    (pool,), (position,) = answer["pools"], answer["positions"]
    assert answer["level"] == pool["level"] == "HEALTHY"
    assert (pool["kind"], pool["settle"], answer["currency"]) == ("cross", "USDT", "USDT")
    assert pool["walletBalance"] == 10_000
    assert pool["unrealizedPnl"] == -5_000
    assert pool["equity"] == answer["equity"] == 5_000
    assert pool["maintenanceMargin"] == pytest.approx(55_000 * 0.005 - 50)
    assert pool["marginRatio"] == pytest.approx(225 / 5_000)
    assert pool["healthFactor"] == pytest.approx(5_000 / 225)
    assert pool["initialMargin"] == 5_500
    assert pool["availableMargin"] == 0
    assert position["notional"] == 55_000
    # 10,000 + (P - 60,000) = 0.005 P - 50 would be in the wrong tier; 0.004 P is in the right one
    assert position["liquidationPrice"] == pytest.approx(50_000 / 0.995 - 50 / 0.995)
    assert position["bankruptcyPrice"] == pytest.approx(50_000)
    distance = 100 * (55_000 - position["liquidationPrice"]) / 55_000
    assert position["distancePct"] == pytest.approx(distance)
    assert position["liquidationPriceAbove"] is None
    assert answer["toRestore"] == {"deposit": 0, "reduce": []}


async def test_a_mark_comes_from_the_body_then_the_position(alone: httpx.AsyncClient) -> None:
    positions = (long(BTC, markPrice=50_000), long(ETH, markPrice=3_000, entryPrice=3_000))
    first, second = (await one(alone, account(*positions), marks={BTC: 55_000}))["positions"]
    assert (first["markPrice"], first["markSource"], first["markAgeMs"]) == (55_000, "request", 0)
    assert (second["markPrice"], second["markSource"]) == (3_000, "position")


async def test_without_a_mark_it_is_unpriced_and_nothing_is_guessed(
    alone: httpx.AsyncClient,
) -> None:
    answer = await one(alone, account(long()))
    (pool,), (position,) = answer["pools"], answer["positions"]
    assert answer["level"] == pool["level"] == "UNPRICED"
    assert (pool["reason"], answer["totalsReason"]) == ("no_mark", "unpriced")
    assert position["liquidationPriceReason"] == "unpriced"
    figures = ("equity", "maintenanceMargin", "marginRatio", "shortfall", "owed")
    assert all(pool[name] is None and answer[name] is None for name in figures)
    assert position["markPrice"] is position["liquidationPrice"] is None


@pytest.mark.parametrize(
    ("mark", "level"),
    [
        (60_000, "HEALTHY"),
        (50_650, "HEALTHY"),
        (50_350, "WARNING"),
        (50_240, "MARGIN_CALL"),
        (50_100, "LIQUIDATION"),
        (50_000, "LIQUIDATION"),
        (49_999, "BANKRUPT"),
    ],
)
async def test_the_level_follows_the_table(
    alone: httpx.AsyncClient, mark: float, level: str
) -> None:
    answer = await one(alone, account(long()), marks={BTC: mark})
    assert (answer["level"], answer["pools"][0]["level"]) == (level, level)
    deposit = answer["toRestore"]["deposit"]
    assert (deposit > 0) == (level != "HEALTHY")
    if deposit:
        richer = account(long(), usdt=10_000 + deposit)
        assert (await one(alone, richer, marks={BTC: mark}))["level"] == "HEALTHY"
        (cut,) = answer["toRestore"]["reduce"]
        assert (cut["symbol"], cut["side"]) == (BTC, "long")


async def test_what_is_owed_is_the_venues_policy(alone: httpx.AsyncClient) -> None:
    for venue, owed in (("generic", 5_000), ("binance", 0)):
        answer = await one(alone, account(long(), venue=venue), marks={BTC: 45_000})
        assert (answer["level"], answer["shortfall"], answer["owed"]) == ("BANKRUPT", 5_000, owed)
        assert answer["marginRatio"] is None
        assert answer["pools"][0]["reason"] == "no_equity"


async def test_totals_over_two_assets_are_in_dollars_or_not_at_all(
    alone: httpx.AsyncClient,
) -> None:
    inverse = instrument("BTC/USD:BTC", linear=False, contractSize=100)
    coins = long("BTC/USD:BTC", contracts=10)
    holder = account(long(), coins) | {
        "balances": [{"asset": "USDT", "amount": 10_000}, {"asset": "BTC", "amount": 1}]
    }
    listed = [instrument(BTC), inverse]
    marks = {BTC: 60_000, "BTC/USD:BTC": 60_000}
    answer = await one(alone, holder, marks=marks, instruments=listed)
    assert answer["currency"] == "USD"
    assert (answer["equity"], answer["totalsReason"]) == (None, "no_conversion_price")
    assert [pool["equity"] for pool in answer["pools"]] == [1.0, 10_000.0]
    priced = marks | {"USDT/USD": 0.5}
    answer = await one(alone, holder, marks=priced, instruments=listed)
    assert answer["equity"] == pytest.approx(60_000 + 5_000)


async def test_isolated_positions_are_pools_of_their_own(alone: httpx.AsyncClient) -> None:
    isolated = long(marginMode="isolated", margin=6_000)
    answer = await one(alone, account(isolated, long(ETH)), marks={BTC: 60_000, ETH: 60_000})
    assert [pool["kind"] for pool in answer["pools"]] == ["cross", "isolated"]
    assert answer["pools"][1]["walletBalance"] == 6_000
    assert answer["equity"] == 16_000


async def test_a_bad_account_is_named_and_the_good_ones_are_answered(
    worker: httpx.AsyncClient,
) -> None:
    accounts = [account(long(contracts=True)), account(long()), account(long("NO/USDT:USDT"))]
    response = await evaluate(worker, *accounts, marks={BTC: 60_000})
    assert response.status_code == 200
    answer = response.json()
    assert [one["id"] for one in answer["accounts"]] == ["a1"]
    named = [(problem["pointer"], problem["code"]) for problem in answer["problems"]]
    assert named == [
        ("/accounts/0/positions/0/contracts", "not_a_number"),
        ("/accounts/2/positions/0/symbol", "unknown_symbol"),
    ]


async def test_an_unknown_symbol_waits_for_the_picture_or_is_refused(
    alone: httpx.AsyncClient, worker: httpx.AsyncClient
) -> None:
    stranger = account(long("NO/USDT:USDT"))
    response = await evaluate(alone, stranger)
    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
    response = await evaluate(worker, stranger)
    assert response.status_code == 422
    assert errors_of(response) == [("/accounts/0/positions/0/symbol", "unknown_symbol")]


async def test_one_id_twice_is_refused_both_times(alone: httpx.AsyncClient) -> None:
    response = await evaluate(alone, {"id": "x"}, {"id": "x"})
    assert response.status_code == 422
    assert [code for _, code in errors_of(response)] == ["duplicate_id", "duplicate_id"]


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"marks": {BTC: -1}}, "/marks"),
        ({"marks": {BTC: "NaN"}}, "/marks"),
        ({"marks": []}, "/marks"),
        ({"instruments": [instrument(contractSize=0)]}, "/instruments/0/contractSize"),
        ({"instruments": [instrument(), {}]}, "/instruments/1/symbol"),
        ({"accounts": []}, "/accounts"),
        ({"accounts": None}, "/accounts"),
        ({"accounts": [1]}, "/accounts/0"),
    ],
)
async def test_what_every_account_needs_is_refused_as_a_whole(
    alone: httpx.AsyncClient, more: dict[str, Any], pointer: str
) -> None:
    response = await evaluate(alone, account(long()), **more)
    assert response.status_code == 422
    assert errors_of(response)[0][0] == pointer


@pytest.mark.parametrize(
    "position",
    [
        {"contracts": 1e308, "entryPrice": 1e300},
        {"contracts": 1e308, "contractSize": 1e308},
        {"entryPrice": 5e-324},
        {"leverage": 5e-324},
        {"marginMode": "isolated", "margin": 1.7e308, "contracts": 1e305},
    ],
)
async def test_a_figure_that_overflows_is_a_problem(
    alone: httpx.AsyncClient, position: dict[str, Any]
) -> None:
    response = await evaluate(alone, account(long() | position), marks={BTC: 60_000})
    if response.status_code == 422:
        assert errors_of(response) == [("/accounts/0", "out_of_range")]
    else:
        assert finite(response.json())


def finite(node: Any) -> bool:
    if isinstance(node, dict):
        return all(finite(value) for value in node.values())
    if isinstance(node, list):
        return all(finite(value) for value in node)
    return not isinstance(node, float) or math.isfinite(node)


async def test_an_account_without_anything_is_healthy(alone: httpx.AsyncClient) -> None:
    answer = await one(alone, {})
    assert (answer["level"], answer["equity"], answer["pools"]) == ("HEALTHY", 0, [])


async def test_streamed_marks_and_stored_instruments_serve_an_evaluate(
    worker: httpx.AsyncClient,
) -> None:
    await worker.put("/v1/instruments", json=[instrument(BTC, venue="binance")])
    await worker.post("/v1/marks", json={"marks": [{"symbol": BTC, "markPrice": 61_000}]})
    body = {"accounts": [account(long(), id="a", venue="binance")]}
    (position,) = (await worker.post("/v1/evaluate", json=body)).json()["accounts"][0]["positions"]
    assert (position["markPrice"], position["markSource"]) == (61_000, "stream")
    assert (position["instrumentVenue"], position["markVenue"]) == ("binance", "generic")
    assert 0 <= position["markAgeMs"] < 60_000


async def test_a_stale_mark_liquidates_nobody_and_the_answer_says_so(redis_url: str) -> None:
    settings = settings_of(redis_url, mark_max_age_s=0.2)
    async with open_worker(settings) as worker, connect(redis_url) as client:
        await worker.put("/v1/instruments", json=[instrument(BTC)])
        await worker.put("/v1/accounts/a0", json=account(long()))
        await worker.post("/v1/marks", json={"marks": [{"symbol": BTC, "markPrice": 45_000}]})
        body = {"accounts": [account(long(), id="a0")]}
        fresh = (await worker.post("/v1/evaluate", json=body)).json()["accounts"][0]
        assert (fresh["level"], fresh["stale"]) == ("BANKRUPT", False)
        gate = MarketStream(client, Gate(rule=replace(DOOR, max_age_s=0.2)))
        async with asyncio.timeout(10.0):
            while not (await worker.get("/v1/marks")).json()["marks"][0]["stale"]:
                await gate.append_clock()
        for answer in (
            (await worker.post("/v1/evaluate", json=body)).json()["accounts"][0],
            (await worker.get("/v1/accounts/a0/risk")).json(),
        ):
            assert (answer["level"], answer["stale"]) == ("MARGIN_CALL", True)
            assert answer["pools"][0]["stale"] is answer["positions"][0]["stale"] is True
            assert answer["shortfall"] == 5_000


async def test_linear_in_a_body_is_a_boolean(alone: httpx.AsyncClient) -> None:
    body = {"accounts": [account(id="a")], "instruments": [instrument(linear=1)]}
    response = await alone.post("/v1/evaluate", json=body)
    assert response.status_code == 422
    assert errors_of(response) == [("/instruments/0/linear", "wrong_type")]


async def test_marks_are_counted_at_each_venue(redis_url: str) -> None:
    async with open_worker(settings_of(redis_url, positions_max=3)) as client:
        accounts = [account(id="a"), account(id="b", venue="okx"), account(id="c", venue="okx")]
        body = {"accounts": accounts, "marks": {"X": 1}}
        assert (await client.post("/v1/evaluate", json=body)).status_code == 200
        body["marks"] = {"X": 1, "Y": 1}
        assert (await client.post("/v1/evaluate", json=body)).status_code == 413
