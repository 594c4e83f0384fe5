"""Scenarios on a book of any number: what a body with these accounts is told, out of sums."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from service.contract.map_parts import MapCell, MapRefused, encode_map
from service.contract.scenario_parts import (
    SCENARIOS,
    ScenarioFound,
    ScenariosPart,
    ScenariosQuestion,
    WorstShort,
)
from service.store.questions import Question, Questions
from tests.api.test_simulate_map import NDJSON, Say, lines_of, monitor
from tests.api.workers import SHARDS, errors_of, instrument, open_worker, settings_of
from tests.monitor.test_service import running
from tests.store.stores import open_store

pytestmark = pytest.mark.anyio

PATH = "/v1/simulate"
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
PRICES = {BTC: 60_000.0, ETH: 3_000.0}
VENUES = ("generic", "binance", "okx", "hyperliquid", "dydx", "drift", "bitmex", "bybit")
MONITORED: dict[str, Any] = {"accounts": "monitored"}
BY_SUMS: dict[str, Any] = MONITORED | {"settledBy": "sums"}
FALL: dict[str, Any] = {"scenarios": [{"shocks": {"allPct": -12}}]}
SUPPOSED: dict[str, Any] = {
    "scenarios": [
        {"name": "as it is"},
        {"name": "a fall", "shocks": {"allPct": -25}},
        {"name": "two ways", "shocks": {"pct": {BTC: -15}, "marks": {ETH: 3_600}}},
        {
            "name": "there and back",
            "shocks": {"path": [{"pct": {BTC: -8}}, {"allPct": -20}, {"allPct": 15}]},
            "slippage": {"impact": {"coefficient": 0.1, "dailyVolume": 1e8}},
        },
        {
            "name": "thin",
            "shocks": {"allPct": -18},
            "slippage": {
                "depth": {
                    BTC: {
                        "bids": [{"pct": 2, "notional": 50_000}],
                        "asks": [{"pct": 0.1, "notional": 9e9}],
                    },
                    ETH: [{"pct": 1, "notional": 1_000}, {"pct": 3, "notional": 20_000}],
                }
            },
        },
    ],
    "grid": {"axes": [{"symbol": BTC, "pct": [-20, 10]}, {"pct": [-10, 30]}]},
    "policies": {"mexc": {"fund": True}, "drift": {"surplusRate": 0.01}},
}


def book(count: int) -> dict[str, dict[str, Any]]:
    """Accounts of every venue, levered 2 to 30 times; some hold coins and owe dollars."""
    source = np.random.default_rng(11)
    found = {}
    for number in range(count):
        positions: list[dict[str, Any]] = [
            {
                "symbol": symbol,
                "side": "long" if source.random() < 0.6 else "short",
                "contracts": float(source.uniform(1_000.0, 60_000.0)) / price,
                "entryPrice": price * float(source.uniform(0.97, 1.03)),
                "marginMode": "cross" if source.random() < 0.7 else "isolated",
                "leverage": 20,
            }
            for symbol, price in PRICES.items()
            if source.random() < 0.8
        ]
        worth = sum(row["contracts"] * PRICES[row["symbol"]] for row in positions) or 100.0
        wallet = worth / float(source.uniform(2.0, 30.0))
        balances = [{"asset": "USDT", "amount": wallet}]
        multi = number % 5 == 4
        if multi:
            coins = {"asset": "BTC", "amount": 1.4 * wallet / PRICES[BTC], "weight": 0.95}
            balances = [{"asset": "USDT", "amount": -0.3 * wallet}, coins]
        found[f"a{number:03d}"] = {
            "venue": VENUES[number % len(VENUES)],
            "collateralMode": "multi" if multi else "single",
            "balances": balances,
            "positions": positions,
        }
    return found


@asynccontextmanager
async def filled(
    redis_url: str, accounts: dict[str, dict[str, Any]], **more: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A worker and a monitor, both at work on these accounts."""
    async with (
        open_store(redis_url) as store,
        open_worker(settings_of(redis_url, pegged_assets=(), **more)) as worker,
    ):
        await worker.put("/v1/instruments", json=[instrument(symbol) for symbol in PRICES])
        prices = PRICES | {"BTC/USD": 60_000.0, "USDT/USD": 1.0}
        marks = [{"symbol": symbol, "markPrice": price} for symbol, price in prices.items()]
        assert (await worker.post("/v1/marks", json={"marks": marks})).status_code == 200
        listed = [document | {"id": name} for name, document in accounts.items()]
        for start in range(0, len(listed), 10):
            some = listed[start : start + 10]
            assert (await worker.post("/v1/accounts:batch", json=some)).status_code == 200
        async with running(store):
            yield worker


async def simulated(worker: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    response = await worker.post(PATH, json=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def check_near(row: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, found in row.items():
        if isinstance(found, float):
            assert found == pytest.approx(wanted[name], rel=1e-9, abs=1e-9), name
        else:
            assert found == wanted[name], name


def check_same(ours: dict[str, Any], body: dict[str, Any], worst: int) -> None:
    """Hold a scenario settled by sums against the same where the accounts are."""
    assert (ours["name"], ours["index"], ours["moves"]) == tuple(
        body[name] for name in ("name", "index", "moves")
    )
    assert ours["levels"] == body["levels"]
    wanted = {row["asset"]: row for row in body["totals"] if row["liquidated"]}
    assert [row["asset"] for row in ours["totals"]] == sorted(wanted)
    for row in ours["totals"]:
        check_near(row, wanted[row["asset"]])
    funds = {(row["venue"], row["asset"]): row for row in body["funds"]}
    assert len(ours["funds"]) == len(funds)
    for fund in ours["funds"]:
        check_near(fund, funds[fund["venue"], fund["asset"]])
    short = {
        each["id"]: sum(row["shortfall"] for row in each["money"]) for each in body["accounts"]
    }
    ranked = sorted((-usd, name) for name, usd in short.items() if usd > 0.0)[:worst]
    assert [each["id"] for each in ours["worst"]] == [name for _, name in ranked]
    assert [-each["shortfallUsd"] for each in ours["worst"]] == pytest.approx(
        [usd for usd, _ in ranked], rel=1e-9
    )
    levels = {each["id"]: each["level"] for each in body["accounts"]}
    assert all(each["level"] == levels[each["id"]] for each in ours["worst"])


async def test_sums_are_what_a_body_is_told(redis_url: str) -> None:
    accounts = book(64)
    async with filled(redis_url, accounts) as worker:
        sums = await simulated(worker, BY_SUMS | SUPPOSED | {"worst": 3})
        body = await simulated(worker, MONITORED | SUPPOSED)
        *progress, last = lines_of(
            await worker.post(PATH, json=BY_SUMS | SUPPOSED | {"worst": 3}, headers=NDJSON)
        )
    assert (sums["settledBy"], sums["accounts"], sums["problems"]) == ("sums", 64, [])
    assert "settledBy" not in body
    assert len(sums["scenarios"]) == len(body["scenarios"]) == 9
    for ours, theirs in zip(sums["scenarios"], body["scenarios"], strict=True):
        check_same(ours, theirs, 3)
    fallen = sums["scenarios"][1]
    assert len(fallen["worst"]) == 3
    assert fallen["levels"]["BANKRUPT"] >= 5
    met = {
        name
        for one in sums["scenarios"]
        for row in one["totals"]
        for name, money in row.items()
        if money
    }
    assert {"owed", "fund", "contributed", "fees"} <= met
    assert [line["progress"]["done"] for line in progress] == list(range(1, SHARDS + 1))
    assert progress[-1]["progress"]["accounts"] == 64
    assert last["result"]["scenarios"] == sums["scenarios"]


async def test_the_queue_has_what_the_fund_has_not(redis_url: str) -> None:
    """A fund of 100 and a queue that can take the rest: sums and the queue say the same."""
    held = {"symbol": BTC, "entryPrice": 60_000}
    accounts = {
        name: {
            "venue": "binance",
            "balances": [{"asset": "USDT", "amount": usdt}],
            "positions": [held | {"side": side, "contracts": contracts}],
        }
        for name, side, contracts, usdt in (
            ("a", "long", 1, 6_000),
            ("b", "long", 1, 7_000),
            ("c", "short", 3, 900_000),
        )
    }
    funds = {"funds": [{"venue": "binance", "asset": "USDT", "balance": 100}]}
    async with filled(redis_url, accounts) as worker:
        body = await simulated(worker, MONITORED | FALL | funds)
        sums = await simulated(worker, BY_SUMS | FALL | funds)
        unlisted = await simulated(worker, BY_SUMS | FALL)
    check_same(sums["scenarios"][0], body["scenarios"][0], 10)
    (total,) = sums["scenarios"][0]["totals"]
    assert (total["shortfall"], total["fund"], total["owed"]) == pytest.approx((1_400, 100, 0))
    assert total["deleveraged"] == pytest.approx(1_300)
    assert unlisted["scenarios"][0]["totals"][0]["fund"] == pytest.approx(1_400)
    assert unlisted["scenarios"][0]["funds"][0]["after"] is None


@pytest.mark.parametrize("most", [12, 11])
async def test_a_book_that_no_body_could_be_is_settled_by_sums(redis_url: str, most: int) -> None:
    async with filled(redis_url, book(12), accounts_max=most) as worker:
        found = await simulated(worker, MONITORED | FALL)
        by_queue = await worker.post(PATH, json=MONITORED | FALL | {"settledBy": "queue"})
    assert ("settledBy" in found) is (most == 11)
    assert by_queue.status_code == (200 if most == 12 else 413), by_queue.text


def told(worst: list[WorstShort], *, price: float = 1.0, missing: float = 30.0) -> Say:
    """Monitors that all say the same of each shard, under one name a shard."""
    sums = [2.0, 500.0, 0.0, missing, 0.0, 0.0, 0.0, 1.0, 2.0]

    async def say(questions: Questions, question: Question, asked: ScenariosQuestion) -> None:
        for shard in asked.shards:
            cell = MapCell("generic", "USDT", [price], sums)
            mine = [
                WorstShort(each.usd, f"{each.account_key}-{shard}", 5, each.money) for each in worst
            ]
            found = ScenarioFound([1, 0, 0, 0, 0, 2], [cell], mine, 1)
            part = ScenariosPart(7 + shard, 3, [found])
            await questions.answer(question, [shard], encode_map(part))

    return say


async def test_shards_are_added_up_and_the_worst_of_all_are_named(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    worst = [WorstShort(20.0, "default/x", 5, [("USDT", 20.0)])]
    async with monitor(redis_url, told(worst), SCENARIOS):
        found = await simulated(worker, BY_SUMS | FALL | {"worst": 2})
    assert (found["accounts"], found["marketIds"]) == (12, {"first": 7, "last": 10})
    (one,) = found["scenarios"]
    assert (one["levels"]["HEALTHY"], one["levels"]["BANKRUPT"], one["unranked"]) == (4, 8, 4)
    assert (one["notionalUsd"], one["shortfallUsd"], one["owedUsd"]) == (2_000.0, 120.0, 120.0)
    assert [each["id"] for each in one["worst"]] == ["x-0", "x-1"]
    (total,) = one["totals"]
    assert (total["liquidated"], total["fees"], total["owed"]) == (8, 4.0, 120.0)


async def test_money_without_a_price_is_in_no_total_in_dollars(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async with monitor(redis_url, told([], price=float("nan")), SCENARIOS):
        (one,) = (await simulated(worker, BY_SUMS | FALL))["scenarios"]
    assert (one["notionalUsd"], one["owedUsd"], one["totals"][0]["owed"]) == (None, None, 120.0)


async def test_what_is_too_large_for_a_number_is_no_answer(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async with monitor(redis_url, told([], missing=float("inf")), SCENARIOS):
        response = await worker.post(PATH, json=BY_SUMS | FALL)
    assert response.status_code == 422
    assert errors_of(response) == [("/scenarios/0", "out_of_range")]


async def test_monitors_that_have_enough_to_do_refuse(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async def say(questions: Questions, question: Question, asked: ScenariosQuestion) -> None:
        await questions.answer(question, asked.shards, encode_map(MapRefused()))

    async with monitor(redis_url, say, SCENARIOS):
        response = await worker.post(PATH, json=BY_SUMS | FALL)
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
