"""A liquidation map over HTTP: parts added up once each, told of by the line, refused clearly."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Any

import httpx
import orjson
import pytest

from service.api import book_parts
from service.contract.map_parts import (
    FORGET_MAP,
    MAP,
    MapCell,
    MapPart,
    MapQuestion,
    MapRefused,
    decode_map_question,
    encode_map,
)
from service.contract.questions import NAMES, decode_names_question
from service.contract.scenario_parts import SCENARIOS, decode_scenarios_question
from service.store import client as store_client
from service.store.questions import Question, Questions
from tests.api.guarded import open_guarded
from tests.api.workers import SHARDS, errors_of, instrument, open_worker, settings_of

pytestmark = pytest.mark.anyio

NDJSON = {"Accept": "application/x-ndjson"}
PATH = "/v1/simulate"
DECODERS: dict[str, Callable[[bytes], Any]] = {
    MAP: decode_map_question,
    NAMES: decode_names_question,
    SCENARIOS: decode_scenarios_question,
}
TWO = {"map": {"fromPct": -50, "toPct": 50, "points": 2}}
Say = Callable[[Questions, Question, Any], Awaitable[None]]


def cell(venue: str, asset: str, *rows: Sequence[float], price: float = 1.0) -> MapCell:
    """Sums at two points: pools, long, short, shortfall, claimed, asked of the fund, gained."""
    return MapCell(venue, asset, [price] * 2, [value for row in rows for value in row])


NONE = (0.0,) * 7
FALLEN = (2.0, 500.0, 0.0, 30.0, 0.0, 30.0, 4.0)


def part(*cells: MapCell, **more: Any) -> MapPart:
    facts: dict[str, Any] = {"market_id": 7, "accounts": 3, "pools": 4, "unpriced": 1}
    facts |= {"liquidated": [2, 0], "short": [1, 0]} | more
    return MapPart(cells=list(cells), **facts)


async def say_all(questions: Questions, question: Question, asked: MapQuestion) -> None:
    for shard in asked.shards:
        told = part(cell("binance", "USDT", FALLEN, NONE), market_id=7 + shard)
        await questions.answer(question, [shard], encode_map(told))


@asynccontextmanager
async def monitor(redis_url: str, say: Say, kind: str = MAP) -> AsyncIterator[list[Question]]:
    """Be all monitors; yields what was heard. `say` is given a question and what it decodes to."""
    heard: list[Question] = []
    async with (
        store_client.connect(redis_url) as client,
        store_client.connect_blocking(redis_url) as blocking,
    ):
        questions = Questions(client, blocking, SHARDS)

        async def listen() -> None:
            while True:
                for question in await questions.next_questions(100):
                    heard.append(question)
                    if question.kind == kind:
                        await say(questions, question, DECODERS[kind](question.payload))

        task = asyncio.create_task(listen())
        yield heard
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def lines_of(response: httpx.Response) -> list[Any]:
    assert response.headers["content-type"].startswith("application/x-ndjson")
    return [orjson.loads(line) for line in response.text.splitlines()]


async def test_parts_are_added_up_and_the_venue_pays_as_it_does(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    fund = {"venue": "binance", "asset": "USDT", "balance": 100}
    async with monitor(redis_url, say_all):
        response = await worker.post(PATH, json=TWO | {"funds": [fund]})
    assert response.status_code == 200, response.text
    found = response.json()
    assert (found["accounts"], found["pools"], found["unpricedPools"]) == (12, 16, 4)
    assert found["marketIds"] == {"first": 7, "last": 10}
    down, up = found["points"]
    assert (down["movePct"], down["accounts"], down["accountsShort"]) == (-50.0, 8, 4)
    assert (down["pools"], down["notionalUsd"], down["shortfallUsd"]) == (8, 2_000.0, 120.0)
    (money,) = down["byAsset"]
    assert (money["venue"], money["asset"], money["longNotional"]) == ("binance", "USDT", 2_000.0)
    assert (money["shortfall"], money["fund"], money["deleveraged"]) == (120.0, 100.0, 20.0)
    assert (money["owed"], money["venuePays"], money["fundAfter"]) == (0.0, 0.0, 16.0)
    assert up == {
        "movePct": 50.0,
        "accounts": 0,
        "accountsShort": 0,
        "pools": 0,
        "notionalUsd": 0.0,
        "shortfallUsd": 0.0,
        "owedUsd": 0.0,
        "byAsset": [],
    }


async def test_a_fund_nobody_tells_of_pays_all_and_has_no_balance_after(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async with monitor(redis_url, say_all):
        found = (await worker.post(PATH, json=TWO)).json()
    (money,) = found["points"][0]["byAsset"]
    assert (money["fund"], money["deleveraged"], money["fundAfter"]) == (120.0, 0.0, None)


async def test_the_trader_owes_where_nobody_else_pays(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async def say(questions: Questions, question: Question, asked: MapQuestion) -> None:
        row = (1.0, 0.0, 50.0, 5.0, 0.0, 0.0, 0.0)
        told = part(cell("generic", "BTC", row, NONE, price=float("nan")))
        await questions.answer(question, asked.shards, encode_map(told))

    async with monitor(redis_url, say):
        (down, _) = (await worker.post(PATH, json=TWO)).json()["points"]
    assert down["byAsset"][0]["owed"] == 20.0
    assert (down["notionalUsd"], down["owedUsd"]) == (None, None)  # a price is missing


async def test_progress_comes_by_the_line_and_the_result_last(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async with monitor(redis_url, say_all):
        whole = (await worker.post(PATH, json=TWO)).json()
        *progress, last = lines_of(await worker.post(PATH, json=TWO, headers=NDJSON))
    assert [one["progress"]["done"] for one in progress] == [1, 2, 3, 4]
    assert {one["progress"]["total"] for one in progress} == {SHARDS}
    assert progress[-1]["progress"]["accounts"] == 12
    assert last["result"]["points"] == whole["points"]


async def test_a_shard_counts_once_however_many_answer_for_it(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async def say(questions: Questions, question: Question, _: MapQuestion) -> None:
        for shard in (0, 0, 1, 0, 1, 2, 3, 3):
            await questions.answer(question, [shard], encode_map(part()))

    async with monitor(redis_url, say):
        found = (await worker.post(PATH, json=TWO)).json()
    assert found["accounts"] == 3 * SHARDS


async def test_shards_nobody_spoke_of_are_asked_for_again(
    worker: httpx.AsyncClient, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_parts, "SILENCE_S", 0.05)
    wanted: list[list[int]] = []

    async def say(questions: Questions, question: Question, asked: MapQuestion) -> None:
        wanted.append(asked.shards)
        await questions.answer(question, [asked.shards[0]], encode_map(part()))

    async with monitor(redis_url, say) as heard:
        found = (await worker.post(PATH, json=TWO)).json()
    assert found["accounts"] == 3 * SHARDS
    # One that is slower to answer than the silence lasts is asked for the same again.
    assert [shards for shards, _ in groupby(wanted)] == [[0, 1, 2, 3], [1, 2, 3], [2, 3], [3]]
    assert len({decode_map_question(each.payload).job for each in heard}) == 1


async def test_without_monitors_there_is_no_map_and_they_are_told_to_stop(
    redis_url: str,
) -> None:
    async def say(questions: Questions, question: Question, asked: MapQuestion) -> None:
        if 0 in asked.shards:
            await questions.answer(question, [0], encode_map(part()))

    async with (
        open_worker(settings_of(redis_url, map_timeout_s=0.3)) as worker,
        monitor(redis_url, say) as heard,
    ):
        response = await worker.post(PATH, json=TWO)
        assert (response.status_code, response.json()["code"]) == (503, "monitor_unavailable")
        assert response.headers["retry-after"] == "1"
        *_, last = lines_of(await worker.post(PATH, json=TWO, headers=NDJSON))
        assert last["problem"]["code"] == "monitor_unavailable"
        async with asyncio.timeout(5.0):
            while heard[-1].kind != FORGET_MAP:  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.01)


async def test_monitors_that_have_enough_to_do_refuse(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async def say(questions: Questions, question: Question, asked: MapQuestion) -> None:
        await questions.answer(question, asked.shards, encode_map(MapRefused()))

    async with monitor(redis_url, say):
        for headers in ({}, NDJSON):
            response = await worker.post(PATH, json=TWO, headers=headers)
            assert (response.status_code, response.json()["code"]) == (503, "overloaded")
            assert response.headers["retry-after"] == "1"


async def test_a_worker_makes_so_many_maps_at_a_time(redis_url: str) -> None:
    async def say(*_: object) -> None:
        """Nobody answers."""

    settings = settings_of(redis_url, map_timeout_s=0.5)
    async with open_worker(settings) as worker, monitor(redis_url, say):
        many = book_parts.ASKING_MAX + 1
        answers = await asyncio.gather(*(worker.post(PATH, json=TWO) for _ in range(many)))
        codes = sorted(answer.json()["code"] for answer in answers)
        assert codes == ["monitor_unavailable"] * (many - 1) + ["overloaded"]
        assert (await worker.post(PATH, json=TWO)).json()["code"] == "monitor_unavailable"


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"map": {"fromPct": -100}}, "/map/fromPct", "out_of_range"),
        ({"map": {"fromPct": 5, "toPct": 5}}, "/map/toPct", "out_of_range"),
        ({"map": {"points": 1}}, "/map/points", "out_of_range"),
        ({"map": {"points": 1_002}}, "/map/points", "out_of_range"),
        ({"map": {"points": 2.5}}, "/map/points", "not_a_number"),
        ({"map": {"symbol": "NO/USDT:USDT"}}, "/map/symbol", "unknown_symbol"),
        ({"map": {"venue": "nowhere"}}, "/map/venue", "unknown_venue"),
        ({"accounts": "all", "map": {}}, "/accounts", "invalid_value"),
        ({"map": {}, "tenants": "some"}, "/tenants", "invalid_value"),
        ({"map": 5}, "/map", "wrong_type"),
        ({"map": None}, "/accounts", "missing_field"),  # as if it were not there
        (
            {"map": {}, "funds": [{"venue": "okx", "asset": "USDT", "balance": 1}] * 2},
            "/funds/1",
            "duplicate_fund",
        ),
        (
            {"map": {}, "funds": [{"venue": "binance", "asset": "USDT", "balance": -1}]},
            "/funds/0/balance",
            "out_of_range",
        ),
    ],
)
async def test_what_is_no_map_is_refused_with_its_place(
    worker: httpx.AsyncClient, body: dict[str, Any], pointer: str, code: str
) -> None:
    await worker.put("/v1/instruments", json=[instrument()])
    response = await worker.post(PATH, json=body)
    assert response.status_code == 422
    assert errors_of(response) == [(pointer, code)]


async def test_a_key_has_its_own_accounts_and_an_operator_all(redis_url: str) -> None:
    tenants: list[str | None] = []

    async def say(questions: Questions, question: Question, asked: MapQuestion) -> None:
        tenants.append(asked.tenant)
        await say_all(questions, question, asked)

    async with open_guarded(redis_url) as guarded, monitor(redis_url, say):
        evaluator = await guarded.token("evaluate")
        reader = await guarded.token("evaluate", "accounts:read")
        operator = await guarded.token("admin")
        for token, body, status in (
            (evaluator, TWO, 403),
            (reader, TWO, 200),
            (reader, TWO | {"tenants": "all"}, 403),
            (operator, TWO, 200),
            (operator, TWO | {"tenants": "all"}, 200),
        ):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await guarded.http.post(PATH, json=body, headers=headers)
            assert answer.status_code == status, answer.text
    assert tenants == ["desk-a", "desk-a", None]
