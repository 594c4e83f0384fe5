"""Scenarios on what is monitored: the same as of a body with those accounts, within its limits."""

from typing import Any

import httpx
import pytest

from service.contract.questions import NAMES, NamesQuestion, encode_names
from service.store.questions import Question, Questions
from tests.api.guarded import open_guarded
from tests.api.test_simulate_map import monitor
from tests.api.workers import SHARDS, account, errors_of, instrument, long, open_worker, settings_of

pytestmark = pytest.mark.anyio

PATH = "/v1/simulate"
FALL = {"scenarios": [{"shocks": {"allPct": -12}}]}
HOLDERS = {f"a{number}": account(long(), usdt=3_000 * number) for number in (1, 2, 3)}


def named(*keys: str) -> Any:
    """Monitors that hold these accounts, each named by half of the shards' owners."""

    async def say(questions: Questions, question: Question, asked: NamesQuestion) -> None:
        found = [key for key in keys if key.startswith(f"{asked.tenant}/")]
        for shards in (range(0, SHARDS, 2), range(1, SHARDS, 2)):
            await questions.answer(question, list(shards), encode_names(found[: asked.limit + 1]))

    return say


async def fill(worker: httpx.AsyncClient) -> None:
    await worker.put("/v1/instruments", json=[instrument()])
    await worker.post("/v1/marks", json={"marks": [{"symbol": long()["symbol"], "markPrice": 6e4}]})
    for name, document in HOLDERS.items():
        assert (await worker.put(f"/v1/accounts/{name}", json=document)).status_code == 200


async def test_it_is_the_simulation_of_a_body_with_these_accounts(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    await fill(worker)
    keys = [f"default/{name}" for name in ("a1", "a2", "gone")]
    async with monitor(redis_url, named(*keys), NAMES):
        found = await worker.post(PATH, json={"accounts": "monitored"} | FALL)
    assert found.status_code == 200, found.text
    bodies = [HOLDERS[name] | {"id": name} for name in ("a1", "a2")]
    wanted = await worker.post(PATH, json={"accounts": bodies} | FALL)
    assert found.json()["scenarios"] == wanted.json()["scenarios"]
    assert found.json()["scenarios"][0]["levels"]["BANKRUPT"] == 2


async def test_nobody_monitored_is_no_book(worker: httpx.AsyncClient, redis_url: str) -> None:
    async with monitor(redis_url, named("other/a1"), NAMES):
        response = await worker.post(PATH, json={"accounts": "monitored"} | FALL)
    assert response.status_code == 422
    assert errors_of(response) == [("/accounts", "no_accounts")]


@pytest.mark.parametrize(("most", "status"), [(3, 200), (2, 413)])
async def test_a_book_settled_by_the_queue_has_the_limits_of_a_body(
    redis_url: str, most: int, status: int
) -> None:
    async with open_worker(settings_of(redis_url, accounts_max=most)) as worker:
        await fill(worker)
        async with monitor(redis_url, named(*(f"default/{name}" for name in HOLDERS)), NAMES):
            body = {"accounts": "monitored", "settledBy": "queue"} | FALL
            response = await worker.post(PATH, json=body)
        assert response.status_code == status, response.text


async def test_a_key_sees_its_own_and_needs_to_read_accounts(redis_url: str) -> None:
    async with (
        open_guarded(redis_url) as guarded,
        monitor(redis_url, named("default/a1"), NAMES),
    ):
        reader = await guarded.token("evaluate", "accounts:read")
        for token, status in ((await guarded.token("evaluate"), 403), (reader, 422)):
            headers = {"Authorization": f"Bearer {token}"}
            body = {"accounts": "monitored"} | FALL
            answer = await guarded.http.post(PATH, json=body, headers=headers)
            assert answer.status_code == status, answer.text
