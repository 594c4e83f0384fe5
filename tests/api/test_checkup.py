"""Findings through the HTTP door: both sides of a limit, and doing what one says clears it."""

import copy
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.workers import LENIENT, account, errors_of, long, one_tier

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
HOUR_S = 3_600
CALM = {"annual": 0.0}


async def ask(client: httpx.AsyncClient, holder: Any, **more: Any) -> httpx.Response:
    body = {
        "accounts": [{"id": "a"} | holder],
        "instruments": [one_tier(BTC, takerFee=0)],
        "marks": {BTC: 60_000},
    }
    return await client.post("/v1/evaluate", json=body | more)


async def findings(client: httpx.AsyncClient, holder: Any, **more: Any) -> list[Any]:
    response = await ask(client, holder, **more)
    assert response.status_code == 200, response.text
    found: list[Any] = response.json()["accounts"][0]["findings"]
    return found


def limits(**more: Any) -> dict[str, Any]:
    return {"healthLimits": LENIENT | more}


def deposited(holder: Any, amount: float) -> Any:
    changed = copy.deepcopy(holder)
    changed["balances"][0]["amount"] += amount
    return changed


def with_stop(holder: Any, amount: float) -> Any:
    changed = copy.deepcopy(holder)
    changed["positions"][0]["stopLossPrice"] = amount
    return changed


def reduced(holder: Any, amount: float) -> Any:
    """At the entry price nothing is realised."""
    changed = copy.deepcopy(holder)
    changed["positions"][0]["contracts"] -= amount
    return changed


def reduced_by_share(holder: Any, amount: float) -> Any:
    return reduced(holder, amount * holder["positions"][0]["contracts"])


DOING: dict[str, Callable[[Any, float], Any]] = {
    "deposit": deposited,
    "set_stop": with_stop,
    "reduce": reduced,
    "reduce_pool": reduced_by_share,
}


@pytest.mark.parametrize(
    ("code", "holder", "asked", "within"),
    [
        ("leverage_above_limit", account(long()), {"leverageMax": 5}, {"leverageMax": 6}),
        (
            "position_too_large",
            account(long(leverage=10)),
            {"positionShareMax": 0.5},
            {"positionShareMax": 0.6},
        ),
        ("no_stop_loss", account(long()), {"stops": "expected"}, {"stops": "optional"}),
        (
            "stop_loss_above_budget",
            account(long(stopLossPrice=58_000)),
            {"budgetShare": 0.19},
            {"budgetShare": 0.2},
        ),
        (
            "buffer_thin",
            account(long()),
            {"bufferDeviationsMin": 40, "bufferHorizonS": HOUR_S},
            {"bufferDeviationsMin": 10, "bufferHorizonS": HOUR_S},
        ),
    ],
)
async def test_what_is_over_a_limit_is_found_and_what_it_says_clears_it(
    alone: httpx.AsyncClient, code: str, holder: Any, asked: Any, within: Any
) -> None:
    more = {"volatility": {BTC: {"annual": 0.5}}}
    assert await findings(alone, holder, **more, **limits(**within)) == []
    (found,) = await findings(alone, holder, **more, **limits(**asked))
    assert (found["code"], found["pool"]) == (code, {"kind": "cross", "settle": "USDT"})
    assert found["changes"]
    for change in found["changes"]:
        done = DOING[change["action"]](holder, change["amount"])
        assert await findings(alone, done, **more, **limits(**asked)) == [], change


async def test_a_finding_says_what_was_measured_and_of_what(alone: httpx.AsyncClient) -> None:
    holder = account(long(leverage=10), usdt=4_000)
    shares = await findings(alone, holder, **limits(positionShareMax=1.25))
    assert shares == [
        {
            "code": "position_too_large",
            "severity": "warning",
            "pool": {"kind": "cross", "settle": "USDT"},
            "symbol": BTC,
            "side": "long",
            "measured": 1.5,
            "limit": 1.25,
            "unit": "ratio",
            "changes": [
                {"action": "deposit", "amount": pytest.approx(800)},
                {"action": "reduce", "amount": pytest.approx(1 / 6)},
            ],
            "figures": {},
        }
    ]


async def test_the_worst_come_first_and_nothing_is_said_unasked(alone: httpx.AsyncClient) -> None:
    holder = account(long(stopLossPrice=40_000), usdt=6_000)
    found = await findings(alone, holder, findings=True)
    assert [one["code"] for one in found] == [
        "stop_loss_beyond_liquidation",
        "position_too_large",
        "stop_loss_above_budget",
    ]
    for unasked in ({}, {"findings": False}, {"findings": None}):
        (answer,) = (await ask(alone, holder, **unasked)).json()["accounts"]
        assert (answer["findings"], answer["likelihood"]) == (None, None)


async def test_no_stop_is_what_a_venue_writes_as_0(alone: httpx.AsyncClient) -> None:
    for none in ({}, {"stopLossPrice": None}, {"stopLossPrice": 0, "takeProfitPrice": 0}):
        found = await findings(alone, account(long(**none)), **limits(stops="expected"))
        assert [one["code"] for one in found] == ["no_stop_loss"]


async def test_a_positions_own_budget_goes_first(alone: httpx.AsyncClient) -> None:
    for budget, codes in ((2_000, []), (1_999, ["stop_loss_above_budget"])):
        holder = account(long(stopLossPrice=58_000, lossBudget=budget))
        found = await findings(alone, holder, **limits(budgetShare=0.001))
        assert [one["code"] for one in found] == codes


async def test_an_accounts_own_limits_go_before_the_calls(alone: httpx.AsyncClient) -> None:
    own = account(long(), healthLimits=LENIENT | {"leverageMax": 5})
    more = account(long(), healthLimits=LENIENT)
    body = {
        "accounts": [{"id": "a"} | account(long()), {"id": "b"} | own, {"id": "c"} | more],
        "instruments": [one_tier(BTC)],
        "marks": {BTC: 60_000},
        "healthLimits": LENIENT | {"stops": "expected"},
    }
    answers = (await alone.post("/v1/evaluate", json=body)).json()["accounts"]
    codes = [[one["code"] for one in answer["findings"]] for answer in answers]
    assert codes == [["no_stop_loss"], ["leverage_above_limit"], []]
    assert [one["symbol"] for one in answers[0]["findings"]] == [BTC]


async def test_cross_stands_beside_isolated(alone: httpx.AsyncClient) -> None:
    (found,) = await findings(alone, account(long(leverage=20)), **limits(boundFactorMax=3))
    assert (found["code"], found["measured"]) == (
        "isolated_would_bound_loss",
        pytest.approx(10 / 3),
    )
    assert found["figures"]["crossMaxLoss"] == 10_000
    assert found["figures"]["isolatedMaxLoss"] == 3_000
    assert found["changes"] == [{"action": "isolate", "amount": 3_000}]


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"healthLimits": {"leverageMax": 0}}, "/healthLimits/leverageMax", "out_of_range"),
        (
            {"healthLimits": {"concentrationMax": 1.1}},
            "/healthLimits/concentrationMax",
            "out_of_range",
        ),
        ({"healthLimits": {"stops": True}}, "/healthLimits/stops", "wrong_type"),
        ({"healthLimits": []}, "/healthLimits", "wrong_type"),
        ({"findings": "true"}, "/findings", "wrong_type"),
        ({"findings": 1}, "/findings", "wrong_type"),
        ({"likelihood": {}}, "/likelihood/horizonS", "missing_field"),
        ({"likelihood": {"horizonS": 0.5}}, "/likelihood/horizonS", "out_of_range"),
        ({"likelihood": {"horizonS": 1e9}}, "/likelihood/horizonS", "out_of_range"),
        (
            {"likelihood": {"horizonS": 60, "correlation": 2}},
            "/likelihood/correlation",
            "out_of_range",
        ),
        ({"volatility": {BTC: {"annual": -1}}}, "/volatility", "out_of_range"),
        ({"volatility": {BTC: {}}}, "/volatility", "invalid_volatility"),
        ({"volatility": {BTC: {"annual": 1, "jumpMean": 1}}}, "/volatility", "invalid_volatility"),
        (
            {"volatility": {BTC: CALM | {"diffusionPerSqrtS": 0}}},
            "/volatility",
            "invalid_volatility",
        ),
    ],
)
async def test_what_is_asked_wrongly_is_refused_where_it_stands(
    alone: httpx.AsyncClient, more: Any, pointer: str, code: str
) -> None:
    for holder in (account(long()), account(long(contracts="many"))):
        response = await ask(alone, holder, **more)
        assert response.status_code == 422
        assert (pointer, code) in errors_of(response)


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"stopLossPrice": -1}, "stopLossPrice"),
        ({"takeProfitPrice": -1}, "takeProfitPrice"),
        ({"lossBudget": 0}, "lossBudget"),
    ],
)
async def test_a_stop_is_a_price(alone: httpx.AsyncClient, more: Any, pointer: str) -> None:
    response = await ask(alone, account(long(**more)))
    assert errors_of(response) == [(f"/accounts/0/positions/0/{pointer}", "not_positive")]


async def test_what_is_too_much_to_check_is_refused(alone: httpx.AsyncClient) -> None:
    four = [
        long(side=side, marginMode=mode, leverage=10)
        for side in ("long", "short")
        for mode in ("cross", "isolated")
    ]
    many = [{"id": f"a{at}"} | account(*four) for at in range(2_501)]
    for accounts, status in ((many[:-1], 200), (many, 413)):
        asked = {"accounts": accounts, "instruments": [one_tier(BTC)], "findings": True}
        response = await alone.post("/v1/evaluate", json=asked)
        assert response.status_code == status


async def test_accounts_with_too_many_different_limits_are_refused(
    alone: httpx.AsyncClient,
) -> None:
    own = [
        {"id": f"a{at}"} | account(long(), healthLimits={"leverageMax": 1 + at})
        for at in range(101)
    ]
    for accounts, status in ((own[:-1], 200), (own, 413)):
        asked = {"accounts": accounts, "instruments": [one_tier(BTC)], "findings": True}
        response = await alone.post("/v1/evaluate", json=asked)
        assert response.status_code == status
