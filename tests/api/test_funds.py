"""`/v1/funds`: put, shown with what the monitors' pools ask, and for the operator alone."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.guarded import Call, Guarded
from tests.api.workers import account, errors_of, long, one_tier
from tests.monitor.test_service import PATIENCE_S, running
from tests.store.stores import open_store

pytestmark = pytest.mark.anyio

FUND = "/v1/funds/okx/USDT"
BTC = "BTC/USDT:USDT"
DOCS = Path(__file__).parents[2] / "docs" / "owing.md"


async def shown(worker: httpx.AsyncClient, path: str = FUND) -> Any:
    response = await worker.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def until(worker: httpx.AsyncClient, holds: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not holds(view := await shown(worker)):
        assert time.monotonic() < deadline, view
        await asyncio.sleep(0.05)
    return view


async def test_a_fund_is_put_and_shown_before_anybody_has_spoken(worker: httpx.AsyncClient) -> None:
    assert await shown(worker, "/v1/funds") == {"funds": []}
    assert (await worker.get(FUND)).json()["code"] == "unknown_fund"
    made = await worker.put(FUND, json={"balance": "250.5", "eventLimit": 50})
    assert (made.json(), made.headers["etag"]) == (
        {"venue": "okx", "asset": "USDT", "version": 1},
        '"1"',
    )
    response = await worker.get(FUND)
    view = response.json()
    assert response.headers["etag"] == '"1"'
    assert view["updatedAt"] > 1_600_000_000_000
    assert (view["balance"], view["eventLimit"], view["version"]) == (250.5, 50.0, 1)
    unknown = ("claimed", "free", "missing", "overLimit", "expectedContribution", "claims", "asOf")
    assert {view[name] for name in unknown} == {None}
    assert view["reason"] == "pending"
    assert await shown(worker, "/v1/funds") == {"funds": [view]}


async def test_a_write_goes_by_the_version(worker: httpx.AsyncClient) -> None:
    async def put(balance: float, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await worker.put(FUND, json={"balance": balance}, headers=named)).status_code

    assert await put(1, if_match='"1"') == 412
    assert await put(1, if_match="*") == 412
    assert await put(1, if_none_match="*") == 200
    assert await put(2, if_none_match="*") == 412
    assert await put(2, if_match='"2"') == 412
    assert (await shown(worker))["balance"] == 1.0
    assert await put(3, if_match='"2", "1"') == 200
    key = {"idempotency-key": '"top-up-1"', "if-match": '"2"'}
    for _ in range(2):
        again = await worker.put(FUND, json={"balance": 4}, headers=key)
        assert (again.status_code, again.json()["version"]) == (200, 3)
    view = await shown(worker)
    assert (view["balance"], view["eventLimit"], view["version"]) == (4.0, None, 3)


@pytest.mark.parametrize(
    ("path", "body", "pointer", "code"),
    [
        ("/v1/funds/ftx/USDT", {"balance": 1}, "", "unknown_venue"),
        ("/v1/funds/okx/US%20DT", {"balance": 1}, "", "invalid_name"),
        ("/v1/funds/okx/" + "U" * 33, {"balance": 1}, "", "invalid_name"),
        (FUND, {}, "/balance", "missing_field"),
        (FUND, {"balance": -1e-9}, "/balance", "out_of_range"),
        (FUND, {"balance": "NaN"}, "/balance", "out_of_range"),
        (FUND, {"balance": None}, "/balance", "not_a_number"),
        (FUND, {"balance": 1, "eventLimit": 0}, "/eventLimit", "out_of_range"),
        (FUND + "?x=1", {"balance": 1}, "?", "unknown_parameter"),
    ],
)
async def test_one_that_means_nothing_is_refused(
    worker: httpx.AsyncClient, path: str, body: Any, pointer: str, code: str
) -> None:
    response = await worker.put(path, json=body)
    assert response.status_code == 422
    assert errors_of(response) == [(pointer, code)]
    assert await shown(worker, "/v1/funds") == {"funds": []}


async def test_what_pools_ask_comes_and_goes_with_the_mark(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    """The example of docs/owing.md, and what follows."""
    fund, told = map(json.loads, re.findall(r"```json\n(.*?)```", DOCS.read_text(), re.DOTALL))

    async def mark(price: float) -> None:
        marks = {"marks": [{"symbol": BTC, "markPrice": price}]}
        assert (await worker.post("/v1/marks", json=marks)).is_success

    assert (await worker.put("/v1/instruments", json=[one_tier()])).is_success
    await mark(60_000)
    for name, money, venue in (("a", 6_000, "okx"), ("b", 8_000, "okx"), ("c", 1_000, "binance")):
        body = account(long(), usdt=money, venue=venue)
        assert (await worker.put(f"/v1/accounts/{name}", json=body)).is_success
    assert (await worker.put(FUND, json=fund)).is_success
    async with open_store(redis_url) as store, running(store):
        view = await until(worker, lambda view: view["claimed"] == 0.0)
        assert (view["free"], view["claims"], view["reason"]) == (1_500, 0, None)
        await mark(52_300)  # "a" is 1,700 short; "b" has 300 left and needs 523
        view = await until(worker, lambda view: view["claims"] == 1)
        assert told.items() <= view.items()
        await worker.put(FUND, json={"balance": 1_500})  # its limit is gone
        view = await until(worker, lambda view: view["claimed"] == 1_700)
        assert (view["free"], view["missing"], view["overLimit"]) == (0, 200, 0)
        metrics = (await worker.get("/metrics")).text
        assert 'plimsoll_fund_claimed{asset="USDT",venue="okx"} 1700.0' in metrics
        assert 'plimsoll_fund_balance{asset="USDT",venue="okx"} 1500.0' in metrics
        assert (await worker.delete("/v1/accounts/a")).is_success  # closed at its venue
        await until(worker, lambda view: (view["claimed"], view["free"]) == (0.0, 1_500.0))
        await mark(60_000)
        view = await until(worker, lambda view: view["expectedContribution"] == 0.0)
        assert view["balance"] == 1_500.0  # the operator's, whatever happened


@pytest.mark.parametrize("scopes", [("accounts:read",), ("accounts:write", "marks:write")])
async def test_funds_are_the_operators(guarded: Guarded, scopes: Any) -> None:
    token = await guarded.token(*scopes)
    for call in (Call("GET", FUND, ()), Call("PUT", FUND, (), {"balance": 1})):
        assert (await guarded.send(call, token)).json()["code"] == "missing_scope"
