"""Gaps in answers: to liquidation and to a debt, the most that can be lost, who pays after one."""

from typing import Any

import httpx
import pytest

from tests.api.workers import errors_of, instrument

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
MARKS = {BTC: 60_000, ETH: 2_000}
LONG = {"symbol": BTC, "side": "long", "contracts": 1, "entryPrice": 60_000}
SHORT = {"symbol": ETH, "side": "short", "contracts": 15, "entryPrice": 2_000}


def listed(symbol: str, rate: float) -> dict[str, Any]:
    tiers = [{"minNotional": 0, "maintenanceMarginRate": rate}]
    return instrument(symbol) | {"tiers": tiers, "takerFee": 0.0005}


def held(*positions: dict[str, Any], **more: Any) -> dict[str, Any]:
    balances = [{"asset": "USDT", "amount": 6_000}]
    return {"id": "a", "balances": balances, "positions": positions} | more


async def ask(client: httpx.AsyncClient, *accounts: Any, **more: Any) -> httpx.Response:
    contracts = [listed(BTC, 0.005), listed(ETH, 0.01)]
    body = {"accounts": accounts, "instruments": contracts, "marks": MARKS} | more
    return await client.post("/v1/evaluate", json=body)


async def pool_of(client: httpx.AsyncClient, *accounts: Any, **more: Any) -> Any:
    response = await ask(client, *accounts, **more)
    assert response.status_code == 200, response.text
    return response.json()["accounts"][0]["pools"][0]


async def test_a_position_alone_and_its_pool_have_the_same_gaps(alone: httpx.AsyncClient) -> None:
    """6,000 - 60,000 g = 300 (1 - g), and = 0; where nothing was asked nobody pays."""
    answer = (await ask(alone, held(LONG))).json()["accounts"][0]
    (pool,), (position,) = answer["pools"], answer["positions"]
    for found in (pool, position):
        assert found["gapToLiquidationPct"] == pytest.approx(100 * 5_700 / 59_700)
        assert found["gapToOwePct"] == pytest.approx(10)
        assert found["gapToLiquidationReason"] is None
        assert found["gapToOweReason"] is None
    assert pool["maxLoss"] == pytest.approx(60_000)
    assert pool["afterGap"] is None


async def test_betas_say_how_much_of_a_move_each_symbol_makes(alone: httpx.AsyncClient) -> None:
    """Equally: 6,000 - 30,000 g. ETH half as much again: 6,000 - 15,000 g. ETH not: 60,000 g."""
    for betas, gap in ((None, 20), ({ETH: 1}, 20), ({ETH: "1.5"}, 40), ({ETH: 0}, 10)):
        pool = await pool_of(alone, held(LONG, SHORT), betas=betas)
        assert pool["gapToOwePct"] == pytest.approx(gap)


async def test_a_gap_reaches_exactly_as_far_as_the_answer_says(alone: httpx.AsyncClient) -> None:
    """On both sides of both lines, together and with betas."""
    for betas in (None, {ETH: 1.5}):
        pool = await pool_of(alone, held(LONG, SHORT), betas=betas)
        for name, levels in (
            ("gapToLiquidationPct", (("MARGIN_CALL",), ("LIQUIDATION",))),
            ("gapToOwePct", (("LIQUIDATION",), ("BANKRUPT",))),
        ):
            for factor, expected in zip((1 - 1e-9, 1 + 1e-9), levels, strict=True):
                gap = {"movePct": -pool[name] * factor}
                after = (await pool_of(alone, held(LONG, SHORT), betas=betas, gap=gap))["afterGap"]
                assert after["level"] in expected


@pytest.mark.parametrize(
    ("venue", "payer"),
    [
        ("generic", "owed"),
        ("binance", "fund"),
        ("krakenfutures", "deleveraged"),
        ("htx", "owed"),
        ("deribit", "fund"),
    ],
)
async def test_who_pays_is_the_venues_policy(
    alone: httpx.AsyncClient, venue: str, payer: str
) -> None:
    """7,200 lost of 6,000, and 26.40 for closing: one of them pays all of it."""
    after = (await pool_of(alone, held(LONG, venue=venue), gap={"movePct": -12}))["afterGap"]
    assert (after["level"], after["reason"]) == ("BANKRUPT", None)
    assert after["equity"] == pytest.approx(-1_200)
    assert after["shortfall"] == pytest.approx(1_226.4)
    payers = ("fund", "deleveraged", "socialised", "owed", "venue")
    assert {each: after[each] for each in payers} == dict.fromkeys(payers, 0) | {
        payer: after["shortfall"]
    }


async def test_a_loan_stays_the_traders_and_the_fund_pays_the_rest(
    alone: httpx.AsyncClient,
) -> None:
    """Of 1,226.40 missing, 500 had been borrowed."""
    balances = [
        {"asset": "USDC", "amount": 6_500, "price": 1},
        {"asset": "USDT", "amount": -500, "price": 1},
    ]
    lent = held(LONG, venue="okx", collateralMode="multi", balances=balances)
    after = (await pool_of(alone, lent, gap={"movePct": -12}))["afterGap"]
    assert after["shortfall"] == pytest.approx(1_226.4)
    assert after["owed"] == pytest.approx(500)
    assert after["fund"] == pytest.approx(726.4)


async def test_the_coin_held_falls_with_its_symbol_whoever_else_is_asked_about(
    alone: httpx.AsyncClient,
) -> None:
    """One coin and 6,000: 12 % of 60,000 less in the coin, as much again in the position."""
    coin = [
        {"asset": "BTC", "amount": 1, "price": 60_000},
        {"asset": "USDT", "amount": 6_000, "price": 1},
    ]
    long = held(LONG, collateralMode="multi", balances=coin)
    idle = held(SHORT, id="b", collateralMode="multi", balances=coin)
    gap = {"movePct": -12}
    first = await pool_of(alone, long, gap=gap)
    assert first["afterGap"]["equity"] == pytest.approx(66_000 - 2 * 7_200)
    assert await pool_of(alone, long, idle, gap=gap) == first
    # Whose pool has no symbol of that coin keeps what it is worth.
    second = await pool_of(alone, idle, gap=gap)
    assert second["afterGap"]["equity"] == pytest.approx(66_000 + 3_600)


async def test_what_cannot_be_told_is_null_with_a_reason(alone: httpx.AsyncClient) -> None:
    unpriced = await pool_of(alone, held(LONG), marks={}, gap={"movePct": -1})
    for name in ("gapToLiquidation", "gapToOwe"):
        assert (unpriced[f"{name}Pct"], unpriced[f"{name}Reason"]) == (None, "unpriced")
    assert (unpriced["maxLoss"], unpriced["maxLossReason"]) == (None, "unpriced")
    assert unpriced["afterGap"]["reason"] == "unpriced"
    assert unpriced["afterGap"]["owed"] is None
    empty = await pool_of(alone, held())
    assert (empty["gapToOwePct"], empty["gapToOweReason"]) == (None, "no_position")
    assert (empty["maxLoss"], empty["maxLossReason"]) == (0, None)
    short = await pool_of(alone, held(SHORT))
    assert (short["maxLoss"], short["maxLossReason"]) == (None, "unbounded")


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"gap": {"movePct": -100}}, "/gap/movePct", "out_of_range"),
        ({"gap": {"movePct": -60}, "betas": {BTC: 2}}, "/gap/movePct", "out_of_range"),
        ({"betas": {BTC: -0.5}}, "/betas", "out_of_range"),
        ({"gap": {}}, "/gap/movePct", "missing_field"),
    ],
)
async def test_a_gap_that_leaves_no_price_is_refused(
    alone: httpx.AsyncClient, more: dict[str, Any], pointer: str, code: str
) -> None:
    response = await ask(alone, held(LONG), **more)
    assert 400 <= response.status_code < 500
    assert errors_of(response) == [(pointer, code)]


async def test_the_least_gap_short_of_no_price_is_answered(alone: httpx.AsyncClient) -> None:
    gap = {"movePct": -99.999}
    assert (await pool_of(alone, held(LONG), gap=gap))["afterGap"]["level"] == "BANKRUPT"


async def test_a_bad_account_beside_it_changes_no_gap(alone: httpx.AsyncClient) -> None:
    bad = {"id": "b", "positions": [{"symbol": 3}]}
    gap = {"movePct": -12}
    answer = (await ask(alone, held(LONG, SHORT), bad, gap=gap, betas={ETH: 1.5})).json()
    assert len(answer["problems"]) >= 1
    (pool,) = answer["accounts"][0]["pools"]
    assert pool == await pool_of(alone, held(LONG, SHORT), gap=gap, betas={ETH: 1.5})
