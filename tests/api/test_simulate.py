"""Simulations over HTTP: what is supposed, who falls and pays, what is refused and where."""

import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from service.api.checkup_examples import TIME_MS
from service.api.simulate_examples import SIMULATE, SIMULATE_ANSWER
from tests.api.test_openapi import rounded
from tests.api.workers import one_tier

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
CONTRACTS = [one_tier(BTC, takerFee=0), one_tier(ETH, takerFee=0)]
MARKS = {BTC: 100, ETH: 10}


def held(name: str, contracts: float = 1, usdt: float = 10, **more: Any) -> dict[str, Any]:
    """An account with BTC from 100, long where contracts > 0."""
    side = "long" if contracts > 0 else "short"
    position = {"symbol": BTC, "side": side, "contracts": abs(contracts), "entryPrice": 100}
    balances = [{"asset": "USDT", "amount": usdt}]
    return {"id": name, "balances": balances, "positions": [position | more]}


def body_of(*accounts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"accounts": accounts, "instruments": CONTRACTS, "marks": MARKS} | more


async def scenario_of(client: httpx.AsyncClient, *accounts: Any, **more: Any) -> Any:
    """The one scenario's answer; what is not a field of the body is one of the scenario."""
    fields = {"funds", "policies", "lastPrices", "indexPrices", "priceBasis", "compare", "marks"}
    of_body = {name: more.pop(name) for name in fields & more.keys()}
    body = body_of(*accounts, scenarios=[more], **of_body)
    response = await client.post("/v1/simulate", json=body)
    assert response.status_code == 200, response.text
    return response.json()["scenarios"][0]


def fall(pct: float) -> dict[str, Any]:
    return {"pct": {BTC: pct}}


async def test_the_example_is_its_answer(alone: httpx.AsyncClient) -> None:
    answer = (await alone.post("/v1/simulate", json=SIMULATE)).json()
    assert rounded(answer | {"timestamp": TIME_MS}) == SIMULATE_ANSWER


async def test_the_page_says_what_is_answered(alone: httpx.AsyncClient) -> None:
    """The request of the page is the example; what it shows of the answer is in the answer."""
    page = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text(encoding="utf-8")
    asked, shown = map(orjson.loads, re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL))
    assert asked == SIMULATE
    (found,) = rounded((await alone.post("/v1/simulate", json=asked)).json())["scenarios"]
    check_shown(shown, found)


def check_shown(shown: Any, found: Any) -> None:
    if isinstance(shown, dict):
        for name, value in shown.items():
            check_shown(value, found[name])
    elif isinstance(shown, list):
        for one, other in zip(shown, found, strict=True):
            check_shown(one, other)
    else:
        assert shown == found


async def test_prices_stay_where_nothing_is_supposed(alone: httpx.AsyncClient) -> None:
    found = await scenario_of(alone, held("a"))
    assert found["levels"]["HEALTHY"] == 1
    assert found["liquidations"] == []
    assert found["totals"][0]["owed"] == 0


@pytest.mark.parametrize(("pct", "owed"), [(-9.99, 0.0), (-10, 0.0), (-10.1, 0.1), (-50, 40.0)])
async def test_what_is_below_zero_is_owed(
    alone: httpx.AsyncClient, pct: float, owed: float
) -> None:
    found = await scenario_of(alone, held("a"), shocks=fall(pct))
    assert found["totals"][0]["owed"] == pytest.approx(owed)
    assert found["accounts"][0]["money"][0]["owed"] == pytest.approx(owed)
    assert found["totals"][0]["worstAccountId"] == ("a" if owed else None)


@pytest.mark.parametrize(
    ("shocks", "mark"),
    [
        ({"marks": {BTC: 80}, "pct": {BTC: -50}, "allPct": -70}, 80),
        ({"pct": {BTC: -50}, "allPct": -70}, 50),
        ({"allPct": -70}, 30),
        ({"allPct": "-7e1"}, 30),
    ],
)
async def test_a_mark_comes_before_a_percentage_and_that_before_all(
    alone: httpx.AsyncClient, shocks: dict[str, Any], mark: float
) -> None:
    found = await scenario_of(alone, held("a"), shocks=shocks)
    assert found["liquidations"][0]["positions"][0]["markPrice"] == pytest.approx(mark)


async def test_liquidations_happen_at_the_step_that_crosses_the_line(
    alone: httpx.AsyncClient,
) -> None:
    """The price comes back too late for who fell, and falls further for who had more."""
    path = [fall(-5), fall(-12), fall(0), fall(-30)]
    accounts = (held("little", usdt=10), held("more", usdt=25), held("enough", usdt=60))
    found = await scenario_of(alone, *accounts, shocks={"path": path})
    told = [(row["accountId"], row["step"], row["shortfall"]) for row in found["liquidations"]]
    assert told == [("little", 1, pytest.approx(2)), ("more", 3, pytest.approx(5))]
    assert [row["level"] for row in found["accounts"]] == ["BANKRUPT", "BANKRUPT", "HEALTHY"]


async def test_the_riskiest_is_liquidated_first_and_the_fund_pays_in_that_order(
    alone: httpx.AsyncClient,
) -> None:
    accounts = (held("mild", usdt=15), held("bad", usdt=5), held("worse", usdt=0.1))
    found = await scenario_of(
        alone,
        *accounts,
        shocks=fall(-20),
        funds=[{"venue": "generic", "asset": "USDT", "balance": 20, "eventLimit": 18}],
        policies={"generic": {"fund": True}},
    )
    told = [(row["accountId"], row["fund"], row["owed"]) for row in found["liquidations"]]
    expected = [("worse", 18, 1.9), ("bad", 2, 13), ("mild", 0, 5)]
    assert [row[0] for row in told] == [row[0] for row in expected]
    assert [row[1:] for row in told] == [pytest.approx(row[1:]) for row in expected]
    (fund,) = found["funds"]
    assert (fund["before"], fund["paid"], fund["after"]) == (20, pytest.approx(20), 0)


async def test_a_fund_that_nobody_stated_pays_and_does_not_say_what_it_holds(
    alone: httpx.AsyncClient,
) -> None:
    policies = {"generic": {"fund": True}}
    found = await scenario_of(alone, held("a"), shocks=fall(-20), policies=policies)
    (fund,) = found["funds"]
    assert fund["paid"] == pytest.approx(10)
    assert (fund["before"], fund["after"], fund["reason"]) == (None, None, "not_stated")


async def test_socialised_loss_is_borne_by_who_is_open(alone: httpx.AsyncClient) -> None:
    """The long is 10 short; the short, who won 20, has it taken off and still is not liquidated."""
    policies = {"generic": {"socialises": True, "negativeBalanceProtection": True}}
    accounts = (held("long"), held("short", -1))
    found = await scenario_of(alone, *accounts, shocks=fall(-20), policies=policies)
    (row,) = found["liquidations"]
    assert (row["socialised"], row["owed"]) == (pytest.approx(10), 0)
    money = found["conservation"][0]
    assert money["totalIn"] == pytest.approx(money["totalOut"])
    assert money["moneyOut"]["wallets"] == pytest.approx(10 - 10)


DEPTH = [{"pct": 1, "notional": 40}, {"pct": 5, "notional": 60}]


@pytest.mark.parametrize(
    ("slippage", "fill", "beyond"),
    [
        (None, 80, 0),
        # 40 of the 80 at 1 %, 20 at 5 %, the rest at the last price: 0.4 + 1 + 1 of 80.
        ({"depth": {BTC: DEPTH}}, 80 * (1 - 2.4 / 80), 20),
        ({"depth": {ETH: DEPTH}}, 80, 0),
        # ln(price) falls by 0.1 x sqrt(80 / 8,000).
        ({"impact": {"coefficient": 0.1, "dailyVolume": 8_000}}, 80 * 2.718281828 ** (-0.01), 0),
    ],
)
async def test_closing_fills_through_the_depth_or_by_impact(
    alone: httpx.AsyncClient, slippage: Any, fill: float, beyond: float
) -> None:
    found = await scenario_of(alone, held("a"), shocks=fall(-20), slippage=slippage)
    (position,) = found["liquidations"][0]["positions"]
    assert position["fillPrice"] == pytest.approx(fill)
    assert position["beyondDepth"] == pytest.approx(beyond)
    assert found["totals"][0]["shortfall"] == pytest.approx(10 + 80 - fill)


async def test_a_cascade_reaches_who_was_safe_and_comes_to_rest(alone: httpx.AsyncClient) -> None:
    """90 of notional pushes by 0.5 x sqrt(90 / 900): the price of 90 falls to 76.8."""
    impact = {"coefficient": 0.5, "dailyVolume": 900}
    accounts = (held("first", usdt=10.5), held("next", usdt=23), held("far", usdt=90))
    shocks = fall(-10)
    calm = await scenario_of(alone, *accounts, shocks=shocks)
    assert [row["accountId"] for row in calm["liquidations"]] == ["first"]
    cascade = {"impact": impact}
    found = await scenario_of(alone, *accounts, shocks=shocks, cascade=cascade)
    assert [row["accountId"] for row in found["liquidations"]] == ["first", "next"]
    assert [row["round"] for row in found["liquidations"]] == [0, 1]
    second = found["liquidations"][1]["positions"][0]["markPrice"]
    assert second == pytest.approx(90 * 2.718281828 ** (-0.5 * 0.1**0.5))
    assert found["atRest"]
    cut = {"impact": impact, "roundsMax": 1}
    short = await scenario_of(alone, *accounts, shocks=shocks, cascade=cut)
    assert not short["atRest"]
    assert len(short["liquidations"]) == 1


@pytest.mark.parametrize(
    ("action", "equity"),
    [
        ({"type": "deposit", "asset": "USDT", "amount": 5}, 15 - 20),
        ({"type": "withdrawal", "asset": "USDT", "amount": 5}, 5 - 20),
        ({"type": "fill", "symbol": BTC, "side": "buy", "contracts": 1, "price": 110}, -40),
        ({"type": "fill", "symbol": BTC, "side": "sell", "contracts": 0.5, "price": 102}, 1.0),
        ({"type": "leverage", "symbol": BTC, "leverage": 5}, 10 - 20),
    ],
)
async def test_actions_come_before_the_shock(
    alone: httpx.AsyncClient, action: dict[str, Any], equity: float
) -> None:
    actions = [action | {"accountId": "a"}]
    found = await scenario_of(alone, held("a"), actions=actions, shocks=fall(-20))
    (row,) = found["liquidations"] or [{"remainder": equity}]
    assert row["remainder"] == pytest.approx(equity)


async def test_isolated_bounds_the_loss_that_cross_does_not(alone: httpx.AsyncClient) -> None:
    account = held("a", usdt=50, leverage=10)
    for mode, shortfall in (("cross", 20.0), ("isolated", 60.0)):
        to_mode = {
            "type": "marginMode",
            "accountId": "a",
            "symbol": BTC,
            "marginMode": mode,
        }
        found = await scenario_of(
            alone,
            account,
            actions=[to_mode],
            shocks=fall(-70),
            policies={"generic": {"negativeBalanceProtection": True}},
        )
        assert found["totals"][0]["venue"] == pytest.approx(shortfall)


async def test_a_grid_is_the_product_of_its_axes(alone: httpx.AsyncClient) -> None:
    grid = {"axes": [{"symbol": BTC, "pct": [-20, 0]}, {"pct": [-5, -1, 10]}]}
    response = await alone.post("/v1/simulate", json=body_of(held("a"), grid=grid))
    found = response.json()["scenarios"]
    pairs = [(-20, -5), (-20, -1), (-20, 10), (0, -5), (0, -1), (0, 10)]
    assert [tuple(each["moves"].values()) for each in found] == pairs
    assert [each["levels"]["BANKRUPT"] for each in found] == [1, 1, 1, 0, 0, 0]


async def test_only_totals_where_only_they_are_asked_for(alone: httpx.AsyncClient) -> None:
    scenarios = [{"shocks": fall(-20)}]
    body = body_of(held("a"), scenarios=scenarios, detail="totals")
    (found,) = (await alone.post("/v1/simulate", json=body)).json()["scenarios"]
    assert found["accounts"] == found["liquidations"] == found["deleveraged"] == []
    assert found["totals"][0]["owed"] == pytest.approx(10)


async def test_who_falls_on_last_and_not_on_the_mark(alone: httpx.AsyncClient) -> None:
    other = {"symbol": ETH, "side": "long", "contracts": 1, "entryPrice": 10}
    unknown = {"id": "u", "balances": [{"asset": "USDT", "amount": 9}], "positions": [other]}
    accounts = (held("weak", usdt=2), held("strong", usdt=15), held("short", -1, 3), unknown)
    prices: dict[str, Any] = {"lastPrices": {BTC: 88}, "compare": "last"}
    comparison = (await scenario_of(alone, *accounts, **prices, shocks=fall(1)))["comparison"]
    only = [row["accountId"] for row in comparison["poolsOnlyOnOther"]]
    assert (comparison["basis"], comparison["withBasis"]) == ("mark", "last")
    assert only == ["weak"]
    assert (comparison["onBoth"], comparison["onlyOnBasis"]) == (0, 0)
    assert comparison["unpricedOnOther"] == 1, "ETH has no last price: it is on neither list"
    turned = prices | {"compare": "mark", "priceBasis": "last"}
    comparison = (await scenario_of(alone, *accounts, **turned))["comparison"]
    assert [row["accountId"] for row in comparison["poolsOnlyOnBasis"]] == ["weak"]


async def test_evaluate_values_positions_at_the_basis_asked_for(alone: httpx.AsyncClient) -> None:
    last = {"lastPrices": {BTC: 95}}
    for basis, equity in (("mark", 10), ("last", 5), ("index", None)):
        account = held("a", markPrice=100)
        body = body_of(account, priceBasis=basis, **last)
        (found,) = (await alone.post("/v1/evaluate", json=body)).json()["accounts"]
        assert found["equity"] == equity
        assert found["level"] == ("UNPRICED" if equity is None else "HEALTHY")
