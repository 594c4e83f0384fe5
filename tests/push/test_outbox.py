"""What waits for one client: bounded, and of those who have time to wait a quarter at most."""

import asyncio

import pytest

from service.push.outbox import Outbox

pytestmark = pytest.mark.anyio


async def test_an_offer_is_taken_until_it_is_full() -> None:
    outbox = Outbox(100)
    assert outbox.offer("x" * 60)
    assert outbox.offer("x" * 40)
    assert not outbox.offer("x")
    assert outbox.size == 100


async def test_who_waits_fills_a_quarter_and_leaves_the_rest_to_publishers() -> None:
    outbox = Outbox(100)
    assert await outbox.put_within("x" * 15, 0.0)
    assert await outbox.put_within("x" * 10, 0.0)
    assert not await outbox.put_within("x", 0.01)
    assert outbox.offer("x" * 75)


async def test_an_empty_one_takes_any_frame() -> None:
    outbox = Outbox(100)
    assert await outbox.put_within("x" * 1_000, 0.0)
    assert not outbox.offer("x")


async def test_there_is_room_again_when_half_of_the_quarter_is_taken_out() -> None:
    outbox = Outbox(100)
    for _ in range(5):
        await outbox.put("x" * 5)
    waiting = asyncio.create_task(outbox.room())
    for left in (20, 15):
        await outbox.take()
        await asyncio.sleep(0)
        assert outbox.size == left
        assert not waiting.done()
    await outbox.take()
    async with asyncio.timeout(1.0):
        await waiting
