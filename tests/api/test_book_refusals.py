"""What sums cannot tell is refused by name; there are limits; everybody has his own accounts."""

from typing import Any

import httpx
import pytest

from service.api import book_scenarios
from service.contract.scenario_parts import SCENARIOS, ScenariosQuestion
from service.store.questions import Question, Questions
from tests.api.guarded import open_guarded
from tests.api.test_book_scenarios import BTC, BY_SUMS, FALL, PATH, told
from tests.api.test_simulate_map import monitor
from tests.api.workers import errors_of, instrument, open_worker, settings_of

pytestmark = pytest.mark.anyio

CASCADE = {"impact": {"coefficient": 0.1, "dailyVolume": 1e9}}


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (FALL | {"compare": "last"}, "/compare", "not_by_sums"),
        (FALL | {"priceBasis": "last"}, "/priceBasis", "not_by_sums"),
        (FALL | {"marks": {BTC: 1}}, "/marks", "not_by_sums"),
        (FALL | {"instruments": [instrument()]}, "/instruments", "not_by_sums"),
        (FALL | {"detail": "all"}, "/detail", "not_by_sums"),
        ({"scenarios": [{}, {"cascade": CASCADE}]}, "/scenarios/1/cascade", "not_by_sums"),
        (
            {
                "scenarios": [
                    {
                        "actions": [
                            {"type": "deposit", "accountId": "a", "asset": "USDT", "amount": 1}
                        ]
                    }
                ]
            },
            "/scenarios/0/actions",
            "not_by_sums",
        ),
        (
            {"grid": {"axes": [{"pct": [1]}], "cascade": CASCADE}},
            "/grid/cascade",
            "not_by_sums",
        ),
        ({}, "/scenarios", "missing_field"),
        (FALL | {"worst": 101}, "/worst", "out_of_range"),
        (FALL | {"worst": -1}, "/worst", "out_of_range"),
        (FALL | {"settledBy": "both"}, "/settledBy", "invalid_value"),
        (
            {"scenarios": [{"shocks": {"pct": {"NO/USDT:USDT": 1}}}]},
            "/scenarios/0/shocks/pct/NO~1USDT:USDT",
            "unknown_symbol",
        ),
        (
            {
                "scenarios": [
                    {
                        "slippage": {
                            "depth": {
                                BTC: {
                                    "bids": [{"pct": 1, "notional": 1}],
                                    "asks": [
                                        {"pct": 2, "notional": 1},
                                        {"pct": 1, "notional": 2},
                                    ],
                                }
                            }
                        }
                    }
                ]
            },
            "/scenarios/0/slippage/depth/BTC~1USDT:USDT/asks/1/pct",
            "out_of_order",
        ),
        (
            FALL | {"funds": [{"venue": "okx", "asset": "USDT", "balance": 1}] * 2},
            "/funds/1",
            "duplicate_fund",
        ),
    ],
)
async def test_what_sums_cannot_tell_is_refused_with_its_place(
    worker: httpx.AsyncClient, body: dict[str, Any], pointer: str, code: str
) -> None:
    await worker.put("/v1/instruments", json=[instrument()])
    response = await worker.post(PATH, json=BY_SUMS | body)
    assert response.status_code == 422, response.text
    assert errors_of(response) == [(pointer, code)]


async def test_a_body_is_not_settled_by_sums(worker: httpx.AsyncClient) -> None:
    response = await worker.post(PATH, json=FALL | {"accounts": [], "settledBy": "sums"})
    assert errors_of(response) == [("/settledBy", "not_monitored")]


async def test_there_are_limits(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_scenarios, "NAMED_MAX", 30)
    monkeypatch.setattr(book_scenarios, "QUESTION_MAX_BYTES", 400)
    step = {"allPct": -1}
    async with (
        open_worker(settings_of(redis_url, scenarios_max=3)) as worker,
        monitor(redis_url, told([]), SCENARIOS),
    ):
        for body, status in (
            ({"scenarios": [{"shocks": {"path": [step] * 3}}]}, 200),
            ({"scenarios": [{"shocks": {"path": [step] * 4}}]}, 413),
            (FALL | {"grid": {"axes": [{"pct": [1, 2, 3]}]}}, 413),
            (FALL | {"worst": 30}, 200),
            (FALL | {"worst": 31}, 413),
            ({"scenarios": [{"shocks": {"path": [step | {"pct": {}}] * 3}}] * 2}, 413),
            ({"scenarios": [{"name": "n" * 128}]}, 200),
            ({"scenarios": [{"name": "n" * 128}] * 3, "worst": 1}, 413),
        ):
            answer = await worker.post(PATH, json=BY_SUMS | body)
            assert answer.status_code == status, (body, answer.text)


async def test_a_key_has_its_own_accounts_and_pays_by_the_step(redis_url: str) -> None:
    tenants: list[str] = []
    tell = told([])

    async def say(questions: Questions, question: Question, asked: ScenariosQuestion) -> None:
        tenants.append(asked.tenant)
        await tell(questions, question, asked)

    async with open_guarded(redis_url) as guarded, monitor(redis_url, say, SCENARIOS):
        for scopes, status in (
            (("evaluate",), 403),
            (("accounts:read",), 403),
            (("evaluate", "accounts:read"), 200),
            (("admin",), 200),
        ):
            headers = {"Authorization": f"Bearer {await guarded.token(*scopes)}"}
            body = BY_SUMS | FALL
            answer = await guarded.http.post(PATH, json=body, headers=headers)
            assert answer.status_code == status, answer.text
    assert tenants == ["desk-a", "desk-a"]
