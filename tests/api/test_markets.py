"""Instruments and marks over REST: item by item, in order, read back at once."""

from typing import Any

import httpx
import pytest

from tests.api.workers import errors_of, instrument, open_worker, settings_of

pytestmark = pytest.mark.anyio

BTC = "BTC/USDT:USDT"


async def post(worker: httpx.AsyncClient, *marks: Any) -> httpx.Response:
    return await worker.post("/v1/marks", json={"marks": list(marks)})


async def test_instruments_are_taken_one_by_one(worker: httpx.AsyncClient) -> None:
    gap = [
        {"minNotional": 0, "maxNotional": 5, "maintenanceMarginRate": 0.01},
        {"minNotional": 6, "maintenanceMarginRate": 0.02},
    ]
    listed = [instrument(), instrument(tiers=gap), instrument("ETH/USDT:USDT", venue="okx")]
    response = await worker.put("/v1/instruments", json=listed)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["accepted"], answer["refused"]) == (2, 1)
    assert answer["results"][1]["errors"][0]["code"] == "tier_gap"
    assert answer["results"][1]["errors"][0]["pointer"].startswith("/1/tiers/1")
    found = (await worker.get("/v1/instruments")).json()["instruments"]
    assert [(one["venue"], one["symbol"]) for one in found] == [
        ("generic", BTC),
        ("okx", "ETH/USDT:USDT"),
    ]
    assert found[0]["tiers"][1] == {"minNotional": 50_000, "maintenanceMarginRate": 0.005}
    (okx,) = (await worker.get("/v1/instruments", params={"venue": "okx"})).json()["instruments"]
    assert okx["symbol"] == "ETH/USDT:USDT"
    none = await worker.get("/v1/instruments", params={"symbol": "X"})
    assert none.json() == {"instruments": []}


async def test_the_same_instrument_twice_is_refused(worker: httpx.AsyncClient) -> None:
    response = await worker.put("/v1/instruments", json=[instrument(), instrument()])
    assert response.status_code == 422
    assert [code for _, code in errors_of(response)] == ["duplicate_instrument"] * 2
    again = [await worker.put("/v1/instruments", json=[instrument()]) for _ in range(2)]
    assert [response.status_code for response in again] == [200, 200]


@pytest.mark.parametrize("body", [{}, {"instruments": []}, "x", [1], [[]]])
async def test_instruments_are_a_list_of_objects(worker: httpx.AsyncClient, body: Any) -> None:
    response = await worker.put("/v1/instruments", json=body)
    assert response.status_code == 422
    assert errors_of(response)


async def test_marks_are_taken_in_order_and_read_back(worker: httpx.AsyncClient) -> None:
    first = {"symbol": BTC, "markPrice": 60_000}
    response = await post(worker, first, first | {"markPrice": "61000.5", "indexPrice": 61_000})
    results = response.json()["results"]
    assert [result["status"] for result in results] == ["ok", "ok"]
    assert results[1]["marketId"] == results[0]["marketId"] + 1
    (mark,) = (await worker.get("/v1/marks")).json()["marks"]
    assert (mark["venue"], mark["markPrice"], mark["indexPrice"]) == ("generic", 61_000.5, 61_000)
    assert mark["stale"] is False
    assert 0 <= mark["ageMs"] < 60_000
    assert (await worker.get("/v1/marks", params={"venue": "okx"})).json() == {"marks": []}


async def test_an_older_timestamp_is_refused_and_an_equal_one_is_not(
    worker: httpx.AsyncClient,
) -> None:
    time_ms = 1_700_000_000_000
    mark = {"symbol": BTC, "markPrice": 60_000, "timestamp": time_ms}
    older = mark | {"timestamp": time_ms - 1}
    assert (await post(worker, mark)).status_code == 200
    assert (await post(worker, mark)).status_code == 200
    assert (await post(worker, older | {"source": "other"})).status_code == 200
    response = await post(worker, older)
    assert response.status_code == 422
    assert errors_of(response) == [("/marks/0", "stale_timestamp")]
    response = await post(worker, older, mark)
    assert [one["status"] for one in response.json()["results"]] == ["refused", "ok"]
    response = await post(worker, mark | {"timestamp": 2**52})
    assert errors_of(response) == [("/marks/0", "future_timestamp")]


async def test_bad_marks_do_not_hold_up_the_good_ones(worker: httpx.AsyncClient) -> None:
    bad: list[Any] = [0, -1, True, None, "NaN", [], {}]
    marks = [{"symbol": BTC, "markPrice": price} for price in bad]
    response = await post(worker, *marks, {"symbol": BTC, "markPrice": 1}, {"symbol": "A B"})
    assert response.status_code == 200
    answer = response.json()
    assert (answer["accepted"], answer["refused"]) == (1, 8)
    assert answer["results"][0]["errors"][0]["pointer"] == "/marks/0/markPrice"


@pytest.mark.parametrize("body", [{}, [], {"marks": {}}, {"marks": []}, {"marks": [1]}, 1])
async def test_a_body_without_marks_is_refused(worker: httpx.AsyncClient, body: Any) -> None:
    response = await worker.post("/v1/marks", json=body)
    assert response.status_code == 422
    assert errors_of(response)


async def test_a_second_worker_starts_with_the_whole_picture(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    await worker.put("/v1/instruments", json=[instrument()])
    await post(worker, {"symbol": BTC, "markPrice": 60_000})
    async with open_worker(settings_of(redis_url)) as second:
        (mark,) = (await second.get("/v1/marks")).json()["marks"]
        assert mark["markPrice"] == 60_000
        body = {"accounts": [{"id": "a", "positions": [_position()]}]}
        answer = (await second.post("/v1/evaluate", json=body)).json()["accounts"][0]
        assert answer["positions"][0]["markPrice"] == 60_000


def _position() -> dict[str, Any]:
    return {"symbol": BTC, "side": "short", "contracts": 1, "entryPrice": 1}
