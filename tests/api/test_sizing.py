"""`POST /v1/size`: the answer holds when it is evaluated, and what cannot be sized is refused."""

from typing import Any

import httpx
import pytest

from tests.api.workers import errors_of, instrument, one_tier

pytestmark = pytest.mark.anyio

BTC = "BTC/USDT:USDT"
LONG = {
    "symbol": BTC,
    "side": "long",
    "entryPrice": 60_000,
    "stopPrice": 58_800,
    "budget": 300,
    "capital": 5_000,
}


async def size(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    body = LONG | {"instruments": [one_tier(BTC, takerFee=0.0005)]} | more
    return await client.post("/v1/size", json=body)


async def test_the_stop_loses_the_budget_fee_in(alone: httpx.AsyncClient) -> None:
    response = await size(alone)
    assert response.status_code == 200, response.text
    found = response.json()
    assert found["boundBy"] == "budget"
    assert found["contracts"] == pytest.approx(300 / (1_200 + 58_800 * 0.0005))
    assert found["lossAtStop"] == pytest.approx(300)
    assert (found["settle"], found["venue"], found["instrumentVenue"]) == (
        "USDT",
        "generic",
        "generic",
    )
    # The stop comes before liquidation: a tenth of the way from entry to stop beyond it.
    assert found["liquidationPrice"] == pytest.approx(58_800 - 120, rel=1e-6)


@pytest.mark.parametrize("side", ["long", "short"])
async def test_what_it_says_is_what_an_evaluation_finds(
    alone: httpx.AsyncClient, side: str
) -> None:
    stop = 58_800 if side == "long" else 61_200
    found = (await size(alone, side=side, stopPrice=stop)).json()
    position = {
        "symbol": BTC,
        "side": side,
        "contracts": found["contracts"],
        "entryPrice": 60_000,
        "marginMode": "isolated",
        "leverage": found["leverage"],
    }
    for mark, level in ((stop, False), (found["liquidationPrice"], True)):
        body = {
            "accounts": [{"id": "a", "positions": [position]}],
            "instruments": [one_tier(BTC, takerFee=0.0005)],
            "marks": {BTC: mark * (1 + 1e-7 * (1 if side == "short" else -1) * level)},
        }
        (answer,) = (await alone.post("/v1/evaluate", json=body)).json()["accounts"]
        assert (answer["level"] in ("LIQUIDATION", "BANKRUPT")) == level


async def test_little_capital_bounds_it(alone: httpx.AsyncClient) -> None:
    found = (await size(alone, capital=100)).json()
    assert found["boundBy"] == "capital"
    assert found["margin"] <= 100
    assert found["lossAtStop"] < 300
    most = (await size(alone, capital=100, leverageMax=5)).json()
    assert most["leverage"] <= 5
    assert most["contracts"] == pytest.approx(100 * 5 / 60_000)


async def test_it_enters_at_the_streamed_mark(worker: httpx.AsyncClient) -> None:
    without = {name: value for name, value in LONG.items() if name != "entryPrice"}
    assert errors_of(await worker.post("/v1/size", json=without)) == [("/symbol", "unknown_symbol")]
    await worker.put("/v1/instruments", json=[instrument(BTC, venue="okx")])
    asked = without | {"venue": "okx"}
    missing = await worker.post("/v1/size", json=asked)
    assert errors_of(missing) == [("/entryPrice", "missing_field")]
    await worker.post("/v1/marks", json={"marks": [{"symbol": BTC, "markPrice": 60_500}]})
    found = (await worker.post("/v1/size", json=asked)).json()
    assert (found["entryPrice"], found["instrumentVenue"]) == (60_500, "okx")


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"stopPrice": 60_000}, "/stopPrice", "stop_on_wrong_side"),
        ({"side": "short"}, "/stopPrice", "stop_on_wrong_side"),
        ({"budget": 0}, "/budget", "out_of_range"),
        ({"capital": "NaN"}, "/capital", "out_of_range"),
        ({"clearance": -0.1}, "/clearance", "out_of_range"),
        ({"venue": "mtgox"}, "/venue", "unknown_venue"),
        ({"side": "up"}, "/side", "invalid_value"),
        ({"stopPrice": None}, "/stopPrice", "not_a_number"),
        ({"budget": 1e300}, "", "out_of_range"),
        ({"entryPrice": 1e-308, "stopPrice": 1e-309}, "", "out_of_range"),
        ({"instruments": [{}]}, "/instruments/0/symbol", "missing_field"),
        ({"instruments": [one_tier(BTC) | {"linear": 1}]}, "/instruments/0/linear", "wrong_type"),
    ],
)
async def test_what_cannot_be_sized_is_refused(
    alone: httpx.AsyncClient, more: Any, pointer: str, code: str
) -> None:
    assert errors_of(await size(alone, **more)) == [(pointer, code)]


async def test_without_a_picture_nobody_knows_the_contract(alone: httpx.AsyncClient) -> None:
    response = await size(alone, instruments=None)
    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
