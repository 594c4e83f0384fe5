"""`POST /v1/evaluate:ccxt`: objects as they are, understood, evaluated, or refused by place."""

from typing import Any

import pytest

from service.api.ccxt_examples import ANSWER, REQUEST
from tests.api.workers import errors_of
from tests.sync.objects import post
from tests.unified.rows import binance, hyperliquid, position

pytestmark = pytest.mark.anyio

TIERS = {
    "BTC/USDT:USDT": [
        {"minNotional": 0, "maxNotional": 1e6, "maintenanceMarginRate": 0.01, "info": {"cum": "0"}}
    ]
}


def body(**more: Any) -> dict[str, Any]:
    told = {"venue": "binance", "positions": [position()], "balance": binance()}
    return told | {"leverageTiers": TIERS} | more


async def test_the_example_is_what_is_answered() -> None:
    response = await post("/v1/evaluate:ccxt", REQUEST)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["read"]["account"] == ANSWER["read"]["account"]
    assert answer["read"]["remarks"] == ANSWER["read"]["remarks"]
    for name in ("level", "equity", "maintenanceMargin", "currency"):
        assert answer["accounts"][0][name] == ANSWER["accounts"][0][name]


async def test_what_was_read_can_be_evaluated_again_and_gives_the_same() -> None:
    first = (await post("/v1/evaluate:ccxt", body())).json()
    read = first["read"]
    again = {"accounts": [{"id": "ccxt", **read["account"]}], "instruments": read["instruments"]}
    second = (await post("/v1/evaluate", again)).json()
    assert second["accounts"] == first["accounts"]
    assert first["accounts"][0]["positions"][0]["liquidationPrice"] is not None


async def test_marks_of_the_call_go_before_the_positions_own() -> None:
    answer = (await post("/v1/evaluate:ccxt", body(marks={"BTC/USDT:USDT": 120.0}))).json()
    assert answer["accounts"][0]["positions"][0]["markPrice"] == 120.0


async def test_terms_that_only_a_position_says_are_taken_from_it() -> None:
    info = {"position": {"szi": "2", "maxLeverage": 50}}
    told = {"venue": "hyperliquid", "balance": hyperliquid("50")}
    answer = (await post("/v1/evaluate:ccxt", told | {"positions": [position(info)]})).json()
    (instrument,) = answer["read"]["instruments"]
    assert instrument["tiers"] == [{"minNotional": 0.0, "maintenanceMarginRate": 0.01}]
    (remark,) = answer["read"]["remarks"]
    assert (remark["pointer"], remark["code"]) == ("/positions/0/info", "terms_of_position")


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"venue": "kucoin"}, [("/venue", "venue_not_understood")]),
        ({"venue": "nasdaq"}, [("/venue", "unknown_venue")]),
        ({"positions": 5}, [("/positions", "wrong_type")]),
        ({"positions": [5]}, [("/positions/0", "wrong_type")]),
        ({"balance": {}}, [("/balance/info/assets", "not_a_futures_account")]),
        ({"balance": None}, [("/balance", "wrong_type")]),
        ({"weights": {"BTC": 2.0}}, [("/weights", "out_of_range")]),
        ({"marks": {"BTC/USDT:USDT": 0}}, [("/marks", "out_of_range")]),
        (
            {"positions": [position(contracts=0), position(side="up")]},
            [("/positions/1/side", "missing_field")],
        ),
        ({"leverageTiers": {"BTC/USDT:USDT": 5}}, [("/leverageTiers", "wrong_type")]),
        (
            {"leverageTiers": {"BTC/USDT:USDT": [{"minNotional": 0}]}},
            [("/leverageTiers", "missing_field")],
        ),
    ],
)
async def test_what_is_not_understood_is_refused_by_its_place(
    changes: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    response = await post("/v1/evaluate:ccxt", body(**changes))
    assert response.status_code == 422
    assert errors_of(response) == errors


async def test_without_terms_and_without_a_store_it_is_not_answered() -> None:
    response = await post("/v1/evaluate:ccxt", body(leverageTiers=None))
    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")


async def test_an_account_without_positions_is_its_balances() -> None:
    answer = (await post("/v1/evaluate:ccxt", body(positions=[]))).json()
    assert (answer["accounts"][0]["equity"], answer["accounts"][0]["level"]) == (50.0, "HEALTHY")
