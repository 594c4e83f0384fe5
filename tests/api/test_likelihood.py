"""How likely, through the HTTP door: the caller's volatility or the stream's, and every input."""

from math import erfc, log, sqrt
from typing import Any

import httpx
import pytest

from tests.api.workers import account, long, one_tier, open_worker, settings_of

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
START_MS = 1_760_000_000_000
DAY = {"horizonS": 86_400}


async def asked(client: httpx.AsyncClient, *positions: Any, **more: Any) -> Any:
    body = {
        "accounts": [{"id": "a"} | account(*positions)],
        "instruments": [one_tier(BTC, takerFee=0), one_tier(ETH, takerFee=0)],
        "marks": {BTC: 60_000, ETH: 60_000},
        "likelihood": DAY,
    }
    response = await client.post("/v1/evaluate", json=body | more)
    assert response.status_code == 200, response.text
    return response.json()["accounts"][0]["likelihood"]


async def test_without_jumps_it_is_twice_the_normal_tail(alone: httpx.AsyncClient) -> None:
    """Liquidated at 50,000 / 0.99; without a jump nothing is ever missing."""
    found = await asked(alone, long(), volatility={BTC: {"annual": "2"}})
    (pool,), (position,) = found["pools"], found["positions"]
    distance, deviation = log(60_000 / (50_000 / 0.99)), 2 * sqrt(1 / 365)
    expected = erfc(distance / deviation / sqrt(2))
    assert position["liquidation"] == pytest.approx(expected, rel=1e-5)
    assert pool["liquidation"] == pytest.approx(position["liquidation"], rel=1e-12)
    assert found["liquidation"] == {"atLeast": pool["liquidation"], "atMost": pool["liquidation"]}
    assert (position["shortfall"], position["owing"], found["owing"]["atMost"]) == (0, 0, 0)
    assert position["distanceBelow"] == pytest.approx(distance)
    assert position["gapBelow"] == pytest.approx(-log(0.99))
    assert position["model"] == pool["model"] == "double_exponential_jump_diffusion"
    assert (found["horizonS"], found["correlation"]) == (86_400, 0.7)
    told = position["volatility"]
    assert (told["source"], told["reason"], told["samples"]) == ("request", None, None)
    assert told["annual"] == pytest.approx(2)


async def test_jumps_leave_debts_where_the_venue_asks_for_them(alone: httpx.AsyncClient) -> None:
    jumps = {BTC: {"diffusionPerSqrtS": 1e-4, "jumpsPerS": 1e-4, "jumpMean": 0.05}}
    found = await asked(alone, long(), volatility=jumps)
    assert 0 < found["owing"]["atLeast"] == found["shortfall"]["atLeast"]
    assert found["shortfall"]["atLeast"] < found["liquidation"]["atLeast"] < 1
    holder = {"id": "a", "venue": "binance"} | account(long())
    protected = await asked(alone, accounts=[holder], volatility=jumps)
    assert protected["shortfall"] == found["shortfall"]
    assert protected["owing"] == {"atLeast": 0, "atMost": 0}


async def test_several_markets_move_together_as_asked(alone: httpx.AsyncClient) -> None:
    """A hedge is worth more, the more alike its sides move."""
    moves = {symbol: {"annual": 0.8} for symbol in (BTC, ETH)}
    hedged = (long(BTC), long(ETH, side="short"))
    apart, together = [
        await asked(alone, *hedged, volatility=moves, likelihood=DAY | {"correlation": each})
        for each in (0, 0.9)
    ]
    (first,), (second,) = apart["pools"], together["pools"]
    assert first["model"] == "likeliest_path_diffusion"
    assert first["liquidation"] > second["liquidation"] > 0
    assert first["distance"] < second["distance"]


async def test_without_a_volatility_there_is_a_reason_and_no_figure(
    alone: httpx.AsyncClient,
) -> None:
    found = await asked(alone, long())
    (pool,), (position,) = found["pools"], found["positions"]
    assert position["reason"] == pool["reason"] == position["volatility"]["reason"] == "warming_up"
    for each in (pool, position):
        assert each["liquidation"] is each["shortfall"] is each["owing"] is None
    assert found["liquidation"] == {"atLeast": None, "atMost": None}
    assert position["volatility"]["annual"] is None


async def test_an_account_without_positions_has_nothing_to_fear(alone: httpx.AsyncClient) -> None:
    found = await asked(alone)
    assert found["liquidation"] == {"atLeast": 0, "atMost": 0}


@pytest.mark.parametrize(("returns", "reason"), [(29, "warming_up"), (30, None)])
async def test_a_stored_account_is_told_by_the_streamed_marks(
    redis_url: str, returns: int, reason: str | None
) -> None:
    settings = settings_of(redis_url, event_time="source", mark_max_ahead_s=1e12)
    marks = [
        {
            "symbol": BTC,
            "markPrice": 60_000 + 10 * (at % 2),
            "timestamp": START_MS + 5_000 * at,
        }
        for at in range(returns + 1)
    ]
    async with open_worker(settings) as worker:
        await worker.put("/v1/instruments", json=[one_tier(BTC)])
        await worker.put("/v1/accounts/a1", json=account(long(), venue="binance"))
        assert (await worker.post("/v1/marks", json={"marks": marks})).json()["refused"] == 0
        while True:  # until the worker's figures have all marks
            answer = await worker.get("/v1/accounts/a1/risk?horizonS=3600")
            assert answer.status_code == 200, answer.text
            (position,) = answer.json()["likelihood"]["positions"]
            told = position["volatility"]
            if told["samples"] == returns:
                break
        assert (told["source"], told["venue"], told["reason"]) == ("stream", "generic", reason)
        assert position["reason"] == reason
        assert (position["liquidation"] is None) == (told["annual"] is None) == (reason is not None)
        assert (await worker.get("/v1/accounts/a1/risk")).json()["likelihood"] is None


@pytest.mark.parametrize("horizon", ["0", "-1", "1.5", "2678401", "soon"])
async def test_a_horizon_is_seconds(worker: httpx.AsyncClient, horizon: str) -> None:
    response = await worker.get(f"/v1/accounts/a1/risk?horizonS={horizon}")
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "?horizonS")
