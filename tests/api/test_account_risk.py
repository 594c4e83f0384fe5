"""Accounts by level: several monitors' answers merged, in pages without gap or repeat."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.contract.questions import (
    RankedPlace,
    ShardCount,
    WorstAnswer,
    decode_question,
    encode_answer,
)
from service.risk.model import Level
from service.store import client as store_client
from service.store.questions import Questions
from tests.api.workers import SHARDS, errors_of

pytestmark = pytest.mark.anyio

# By falling level, then ratio; "b" and "c" are equals. Two monitors have half of them each.
ORDER = [
    RankedPlace(5, None, "default/a"),
    RankedPlace(4, 1.5, "default/b"),
    RankedPlace(4, 1.5, "default/c"),
    RankedPlace(3, 0.9, "default/d"),
    RankedPlace(2, 0.6, "default/e"),
]


async def answer_for(questions: Questions, shards: list[int], places: list[RankedPlace]) -> None:
    """Be a monitor that holds these accounts in these shards."""
    while True:
        for question in await questions.next_questions(100):
            asked = decode_question(question.payload)
            found = [place for place in places if place.level >= asked.level]
            if asked.after is not None:
                found = [place for place in found if place.order() > asked.after.order()]
            counts = [ShardCount(shard, [shard, 0, 1, 0, 0, 0]) for shard in shards]
            answer = WorstAnswer(found[: asked.limit], counts if asked.counts else [])
            await questions.answer(question, shards, encode_answer(answer))


@pytest.fixture
async def desk(worker: httpx.AsyncClient, redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        store_client.connect(redis_url) as client,
        store_client.connect_blocking(redis_url) as blocking,
    ):
        halves = [
            asyncio.create_task(
                answer_for(Questions(client, blocking, SHARDS), shards, ORDER[half::2])
            )
            for half, shards in enumerate(([0, 1], [2, 3]))
        ]
        yield worker
        for task in halves:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def listed(worker: httpx.AsyncClient, **parameters: Any) -> Any:
    response = await worker.get("/v1/accounts", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_worst_come_first(desk: httpx.AsyncClient) -> None:
    found = await listed(desk, level="MARGIN_CALL")
    assert found["cursor"] is None
    assert [(one["id"], one["level"], one["marginRatio"]) for one in found["accounts"]] == [
        ("a", "BANKRUPT", None),
        ("b", "LIQUIDATION", 1.5),
        ("c", "LIQUIDATION", 1.5),
        ("d", "MARGIN_CALL", 0.9),
    ]
    assert [one["id"] for one in (await listed(desk))["accounts"]] == list("abcde")


async def test_counts_are_added_up_where_asked_for(desk: httpx.AsyncClient) -> None:
    assert (await listed(desk))["counts"] is None
    counts = (await listed(desk, counts="true"))["counts"]
    assert list(counts) == [level.name for level in Level]
    assert (counts["HEALTHY"], counts["WARNING"], sum(counts.values())) == (0 + 1 + 2 + 3, 4, 10)


@pytest.mark.parametrize(
    ("parameter", "code"),
    [({"match": "a/b"}, "invalid_name"), ({"counts": "yes"}, "invalid_value")],
)
async def test_what_is_no_search_is_refused(
    desk: httpx.AsyncClient, parameter: dict[str, str], code: str
) -> None:
    response = await desk.get("/v1/accounts", params=parameter)
    assert response.status_code == 422
    assert errors_of(response) == [(f"?{next(iter(parameter))}", code)]


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_pages_neither_repeat_nor_leave_out(desk: httpx.AsyncClient, limit: int) -> None:
    names: list[str] = []
    found = await listed(desk, limit=limit)
    while True:
        names += [one["id"] for one in found["accounts"]]
        if found["cursor"] is None:
            break
        found = await listed(desk, limit=limit, cursor=found["cursor"])
    assert names == list("abcde")


async def test_a_shard_that_changes_hands_is_not_shown_twice(
    desk: httpx.AsyncClient, redis_url: str
) -> None:
    async with (
        store_client.connect(redis_url) as client,
        store_client.connect_blocking(redis_url) as blocking,
    ):
        questions = Questions(client, blocking, SHARDS)
        both = [asyncio.create_task(answer_for(questions, [0, 1], ORDER[0::2]))]
        for _ in range(5):  # the answer of the second owner may come after the last that is needed
            found = await listed(desk, counts="true")
            assert [one["id"] for one in found["accounts"]] == list("abcde")
            assert sum(found["counts"].values()) == 10
        both[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await both[0]


async def test_without_a_monitor_there_is_no_answer(worker: httpx.AsyncClient) -> None:
    response = await worker.get("/v1/accounts")
    assert (response.status_code, response.json()["code"]) == (503, "monitor_unavailable")
