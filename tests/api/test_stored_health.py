"""The health of stored accounts: their own limits and stops, funding, old and missing marks."""

from typing import Any

import httpx
import pytest

from tests.api.workers import LENIENT, account, errors_of, long, one_tier

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


async def stored(worker: httpx.AsyncClient, holder: Any) -> None:
    listed = [one_tier(BTC), one_tier(ETH)]
    assert (await worker.put("/v1/instruments", json=listed)).status_code == 200
    assert (await worker.put("/v1/accounts/a1", json=holder)).status_code == 200


async def mark(worker: httpx.AsyncClient, **more: Any) -> None:
    body = {"marks": [{"symbol": BTC, "markPrice": 60_000} | more]}
    assert (await worker.post("/v1/marks", json=body)).status_code == 200


async def health(worker: httpx.AsyncClient) -> Any:
    response = await worker.get("/v1/accounts/a1/health")
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_stored_account_has_its_own_limits_and_stops(worker: httpx.AsyncClient) -> None:
    own = LENIENT | {"leverageMax": 5, "stops": "expected"}
    await stored(worker, account(long(takeProfitPrice=70_000), healthLimits=own))
    await mark(worker)
    answer = await health(worker)
    assert answer["limits"]["leverageMax"] == 5
    assert (answer["id"], answer["version"], answer["level"]) == ("a1", 1, "HEALTHY")
    codes = [one["code"] for one in answer["findings"]]
    assert codes == ["leverage_above_limit", "no_stop_loss"]
    (stop,) = [one for one in answer["findings"][1]["changes"] if one["action"] == "set_stop"]
    kept = (await worker.get("/v1/accounts/a1")).json()
    assert kept["positions"][0]["takeProfitPrice"] == 70_000
    assert kept["healthLimits"] == own
    stopped = account(long(stopLossPrice=stop["amount"]), healthLimits=own)
    await worker.put("/v1/accounts/a1", json=stopped)
    assert [one["code"] for one in (await health(worker))["findings"]] == ["leverage_above_limit"]
    risk = (await worker.get("/v1/accounts/a1/risk?findings=true")).json()
    assert [one["code"] for one in risk["findings"]] == ["leverage_above_limit"]
    assert (await worker.get("/v1/accounts/a1/risk")).json()["findings"] is None


async def test_it_is_the_same_while_nothing_moves(worker: httpx.AsyncClient) -> None:
    await stored(worker, account(long()))
    await mark(worker)
    answer = await worker.get("/v1/accounts/a1/health")
    same = {"if-none-match": answer.headers["etag"]}
    assert (await worker.get("/v1/accounts/a1/health", headers=same)).status_code == 304
    await mark(worker, markPrice=60_001)
    assert (await worker.get("/v1/accounts/a1/health", headers=same)).status_code == 200


@pytest.mark.parametrize(
    ("venue", "interval_h", "hours"),
    [(None, None, 75.2), (None, 4, 37.6), ("dydx", None, 9.4), ("dydx", 8, 75.2)],
)
async def test_funding_is_reckoned_by_the_hour(
    worker: httpx.AsyncClient, venue: str | None, interval_h: float | None, hours: float
) -> None:
    """9,400 are not required; a payment of 1,000 comes every 8 hours, on dYdX every hour."""
    own = LENIENT | {"fundingHoursMin": hours * (1 + 1e-9)}
    await stored(worker, account(long(), venue=venue, healthLimits=own))
    await mark(worker, fundingRate=1_000 / 60_000, fundingIntervalH=interval_h)
    (found,) = (await health(worker))["findings"]
    assert found["code"] == "funding_eats_margin"
    assert found["measured"] == pytest.approx(hours)
    own["fundingHoursMin"] = hours * (1 - 1e-9)
    await worker.put("/v1/accounts/a1", json=account(long(), venue=venue, healthLimits=own))
    assert (await health(worker))["findings"] == []
    shown = (await worker.get("/v1/marks")).json()["marks"][0]
    assert shown.get("fundingIntervalH") == interval_h


async def test_missing_and_old_marks_are_findings(worker: httpx.AsyncClient) -> None:
    await stored(worker, account(long(), healthLimits=LENIENT))
    (found,) = (await health(worker))["findings"]
    assert (found["code"], found["changes"]) == (
        "mark_missing",
        [{"action": "post_mark", "amount": None}],
    )
    await mark(worker)
    assert (await health(worker))["findings"] == []
    strict = account(long(), healthLimits=LENIENT | {"markAgeMaxMs": 0})
    await worker.put("/v1/accounts/a1", json=strict)

    while not (told := (await health(worker))["findings"]):
        pass  # until it is older than 0 ms
    (found,) = told
    assert (found["code"], found["limit"]) == ("mark_stale", 0)


async def test_nobodys_account_has_no_health(worker: httpx.AsyncClient) -> None:
    response = await worker.get("/v1/accounts/nobody/health")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_account")
    response = await worker.get("/v1/accounts/nobody/health?limit=1")
    assert errors_of(response) == [("?", "unknown_parameter")]
