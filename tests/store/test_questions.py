"""Questions to the monitors: an answer counts when every shard has spoken."""

import asyncio
from collections.abc import Sequence

import pytest

from service.errors import MonitorUnavailable
from service.store.questions import Question, Questions
from tests.store.stores import SHARDS, Store, names

pytestmark = pytest.mark.anyio


def end_of(store: Store) -> Questions:
    return Questions(store.client, store.blocking, SHARDS)


async def answer_one(store: Store, shards: Sequence[int], prefix: bytes) -> None:
    """A monitor that answers the first question it sees."""
    end = end_of(store)
    while not (questions := await end.next_questions(1_000)):
        pass
    await end.answer(questions[0], shards, prefix + questions[0].payload)


async def test_monitors_answer_together(store: Store) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(answer_one(store, [0, 2], b"even "))
        tasks.create_task(answer_one(store, [1, 3], b"odd "))
        asked = tasks.create_task(end_of(store).ask("worst", b"10", 10.0))
    assert sorted(asked.result()) == [b"even 10", b"odd 10"]


async def test_without_every_shard_there_is_no_answer(store: Store) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(answer_one(store, [0, 1, 2], b""))
        with pytest.raises(MonitorUnavailable, match="1 shards"):
            await end_of(store).ask("worst", b"", 0.4)


async def test_two_owners_of_a_shard_do_not_stand_for_another(store: Store) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(answer_one(store, [0, 1], b""))
        with pytest.raises(MonitorUnavailable, match="2 shards"):
            await end_of(store).ask("worst", b"", 0.4)


async def test_a_question_given_up_is_not_shown(store: Store) -> None:
    asker, monitor = end_of(store), end_of(store)
    with pytest.raises(MonitorUnavailable):
        await asker.ask("old", b"", 0.02)
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(asker.ask("new", b"x", 10.0))
        while not (questions := await monitor.next_questions(1_000)):
            pass
        assert [(found.kind, found.payload) for found in questions] == [("new", b"x")]
        assert await monitor.next_questions(1) == []
        await monitor.answer(questions[0], [], b"I own nothing")
        await monitor.answer(questions[0], [0, 1, 2, 3], b"all")
    assert asked.result() == [b"all"]


async def test_an_answer_does_not_outlive_its_asker_for_long(store: Store) -> None:
    await end_of(store).answer(Question("q1", "worst", b""), [0], b"late")
    [name] = await names(store, "*answer*")
    assert 0 < await store.client.call("PTTL", name) <= 30_000
