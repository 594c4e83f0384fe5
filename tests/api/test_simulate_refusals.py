"""Simulations that are refused: where it stands what is wrong, and both sides of every limit."""

from typing import Any

import httpx
import pytest

from tests.api.test_simulate import BTC, DEPTH, ETH, body_of, held
from tests.api.workers import errors_of, open_worker, settings_of

pytestmark = pytest.mark.anyio

SCENARIO = {"shocks": {"allPct": -1}}
REFUSED: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"scenarios": []}, ("/scenarios", "missing_field")),
    ({"scenarios": [{"shocks": {"allPct": -100}}]}, ("/scenarios/0/shocks/allPct", "out_of_range")),
    (
        {"scenarios": [SCENARIO, {"shocks": {"pct": {"BTC/USDT": -1}}}]},
        ("/scenarios/1/shocks/pct/BTC~1USDT", "unknown_symbol"),
    ),
    (
        {"scenarios": [{"shocks": {"path": [{"marks": {"X/Y:Y": 1}}]}}]},
        ("/scenarios/0/shocks/path/0/marks/X~1Y:Y", "unknown_symbol"),
    ),
    (
        {"scenarios": [{"shocks": {"allPct": 1, "path": [{}]}}]},
        ("/scenarios/0/shocks/path", "ambiguous"),
    ),
    (
        {"scenarios": [{"slippage": {"depth": {BTC: DEPTH[::-1]}}}]},
        ("/scenarios/0/slippage/depth/BTC~1USDT:USDT/1/pct", "out_of_order"),
    ),
    (
        {"scenarios": [{"actions": [{"type": "deposit"}]}]},
        ("/scenarios/0/actions/0/accountId", "missing_field"),
    ),
    (
        {
            "scenarios": [
                {"actions": [{"type": "leverage", "accountId": "b", "symbol": BTC, "leverage": 2}]}
            ]
        },
        ("/scenarios/0/actions/0/accountId", "unknown_account"),
    ),
    (
        {
            "scenarios": [
                {"actions": [{"type": "leverage", "accountId": "a", "symbol": ETH, "leverage": 2}]}
            ]
        },
        ("/scenarios/0/actions/0", "no_position"),
    ),
    (
        {"scenarios": [SCENARIO], "funds": 2 * [{"venue": "okx", "asset": "USDT", "balance": 1}]},
        ("/funds/1", "duplicate_fund"),
    ),
    ({"scenarios": [SCENARIO], "priceBasis": "ask"}, ("/priceBasis", "invalid_value")),
    (
        {"grid": {"axes": [{"symbol": "X/Y:Y", "pct": [1]}]}},
        ("/grid/axes/0/symbol", "unknown_symbol"),
    ),
    ({"grid": {"axes": [{"pct": [1]}, {"pct": [2]}]}}, ("/grid/axes/1/symbol", "ambiguous")),
]


@pytest.mark.parametrize(("asked", "error"), REFUSED)
async def test_what_cannot_be_supposed_is_refused_where_it_stands(
    alone: httpx.AsyncClient, asked: dict[str, Any], error: tuple[str, str]
) -> None:
    response = await alone.post("/v1/simulate", json=body_of(held("a"), **asked))
    assert response.status_code == 422
    assert errors_of(response) == [error]


async def test_a_book_with_a_fault_is_refused_whole(alone: httpx.AsyncClient) -> None:
    """Leaving an account out would change what others pay."""
    accounts = (held("a"), held("a"), held("b", entryPrice=-1))
    response = await alone.post("/v1/simulate", json=body_of(*accounts, scenarios=[SCENARIO]))
    assert response.status_code == 422
    assert errors_of(response) == [
        ("/accounts/1/id", "duplicate_id"),
        ("/accounts/2/positions/0/entryPrice", "not_positive"),
    ]


async def test_a_symbol_nobody_lists_is_refused(worker: httpx.AsyncClient) -> None:
    """Where the instruments are known; where they are not, they have to be given."""
    account = held("a", symbol="X/Y:Y")
    response = await worker.post("/v1/simulate", json=body_of(account, scenarios=[SCENARIO]))
    assert response.status_code == 422
    assert errors_of(response) == [("/accounts/0/positions/0/symbol", "unknown_symbol")]


async def test_a_scenario_beyond_numbers_is_a_problem_and_others_are_answered(
    alone: httpx.AsyncClient,
) -> None:
    scenarios = [SCENARIO, {"shocks": {"marks": {BTC: 1.7e308}}}]
    body = body_of(held("a", -100), scenarios=scenarios)
    answer = (await alone.post("/v1/simulate", json=body)).json()
    assert [each["index"] for each in answer["scenarios"]] == [0]
    (problem,) = answer["problems"]
    assert (problem["pointer"], problem["code"]) == ("/scenarios/1", "out_of_range")


@pytest.mark.parametrize(("many", "status"), [(3, 200), (4, 413)])
async def test_scenarios_are_counted(redis_url: str, many: int, status: int) -> None:
    async with open_worker(settings_of(redis_url, scenarios_max=3)) as client:
        for asked in (
            {"scenarios": many * [SCENARIO]},
            {"grid": {"axes": [{"pct": [1] * many}]}},
            {"scenarios": [SCENARIO], "grid": {"axes": [{"pct": [1] * (many - 1)}]}},
        ):
            response = await client.post("/v1/simulate", json=body_of(held("a"), **asked))
            assert response.status_code == status
            if status == 413:
                assert response.json()["code"] == "too_many_items"


@pytest.mark.parametrize(("steps", "status"), [(3, 200), (4, 413)])
async def test_accounts_times_steps_are_counted(redis_url: str, steps: int, status: int) -> None:
    async with open_worker(settings_of(redis_url, simulated_max=6)) as client:
        path: dict[str, Any] = {"shocks": {"path": steps * [{}]}}
        body = body_of(held("a"), held("b"), scenarios=[path])
        response = await client.post("/v1/simulate", json=body)
        assert response.status_code == status
