"""A worker with too much to do: it says so at once, finishes what it took, and stays in reach."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from service.api.load import SMALL_BYTES, BodyRoom, EngineQueue
from service.errors import Overloaded
from tests.api.workers import account, instrument, long, open_worker, settings_of

pytestmark = pytest.mark.anyio

WAITING = 8
JSON = {"content-type": "application/json"}
BODY = json.dumps(
    {
        "accounts": [account(long()) | {"id": "a"}],
        "instruments": [instrument()],
        "marks": {"BTC/USDT:USDT": 60_000},
    }
).encode()


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A worker that takes on little at a time."""
    settings = settings_of(redis_url, evaluations_max=WAITING, bodies_max_bytes=2**20)
    async with open_worker(settings) as client:
        yield client


def overloaded(answer: httpx.Response) -> bool:
    """Whether a call was shed, after checking how that was said."""
    if answer.status_code != 503:
        return False
    assert answer.json()["code"] == "overloaded"
    assert answer.headers["retry-after"] == "1"
    return True


async def shed(worker: httpx.AsyncClient, reason: str) -> int:
    text = (await worker.get("/metrics")).text
    found = re.search(rf'plimsoll_shed_total{{reason="{reason}"}} (\S+)', text)
    assert found is not None
    return int(float(found[1]))


async def test_a_flood_is_refused_and_those_who_wait_are_answered(
    worker: httpx.AsyncClient,
) -> None:
    evaluations = [worker.post("/v1/evaluate", content=BODY, headers=JSON) for _ in range(100)]
    calls = [*evaluations, worker.get("/livez"), worker.get("/v1/marks")]
    *answers, alive, small = await asyncio.gather(*calls)
    refused = sum(overloaded(answer) for answer in answers)
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) >= WAITING
    assert refused == 100 - len(good) > 0
    assert all(answer.json()["accounts"][0]["id"] == "a" for answer in good)
    assert (alive.status_code, small.status_code) == (200, 200)
    assert await shed(worker, "evaluations") == refused
    assert "plimsoll_evaluations_waiting 0.0" in (await worker.get("/metrics")).text


async def test_as_many_as_may_wait_are_all_answered(worker: httpx.AsyncClient) -> None:
    for _ in range(3):
        answers = await asyncio.gather(
            *[worker.post("/v1/evaluate", content=BODY, headers=JSON) for _ in range(WAITING)]
        )
        assert [answer.status_code for answer in answers] == [200] * WAITING


async def test_evaluations_take_turns_in_the_order_they_came() -> None:
    queue, done = EngineQueue(3, 100), []

    async def evaluate(number: int) -> None:
        async with queue.turn(1):
            done.append(number)

    async def look() -> None:
        done.append(-1)

    await asyncio.gather(evaluate(0), evaluate(1), look(), evaluate(2))
    assert done == [-1, 0, 1, 2]
    assert queue.waiting == 0


async def test_the_queue_is_bounded_in_number() -> None:
    queue = EngineQueue(2, 100)
    async with queue.turn(1):
        second = asyncio.create_task(_wait(queue, 1))
        await _until(lambda: queue.waiting == 2)
        with pytest.raises(Overloaded):
            queue.check()
        with pytest.raises(Overloaded):
            await _wait(queue, 1)
    await second
    queue.check()
    assert queue.waiting == 0


async def test_the_queue_is_bounded_in_weight_for_large_ones() -> None:
    queue = EngineQueue(10, 3 * SMALL_BYTES)
    async with queue.turn(9 * SMALL_BYTES):  # one alone may be larger
        with pytest.raises(Overloaded):
            await _wait(queue, SMALL_BYTES + 1)
        small = asyncio.create_task(_wait(queue, SMALL_BYTES))
        await _until(lambda: queue.waiting == 2)
    await small
    async with queue.turn(1):
        fits = asyncio.create_task(_wait(queue, 3 * SMALL_BYTES - 1))
        await _until(lambda: queue.waiting == 2)
        with pytest.raises(Overloaded):
            await _wait(queue, SMALL_BYTES + 1)
    await fits


async def test_who_gives_up_leaves_the_queue() -> None:
    queue = EngineQueue(2, 100)
    async with queue.turn(1):
        second = asyncio.create_task(_wait(queue, 1))
        await _until(lambda: queue.waiting == 2)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert queue.waiting == 1
        third = asyncio.create_task(_wait(queue, 1))
        await _until(lambda: queue.waiting == 2)
    await third


async def _wait(queue: EngineQueue, size: int) -> None:
    async with queue.turn(size):
        pass


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - there is no event for what others do
            await asyncio.sleep(0)


def test_the_room_for_bodies_is_bounded_for_large_ones() -> None:
    room, limit = BodyRoom(4 * SMALL_BYTES), 4 * SMALL_BYTES
    first, second, third = {"n": 1}, {"n": 2}, {"n": 3}
    room.hold(first, limit + 1)  # one alone may be larger
    room.hold(second, SMALL_BYTES)  # small: not counted
    assert room.held == limit + 1
    with pytest.raises(Overloaded):
        room.hold(second, SMALL_BYTES + 1)
    room.hold(first, 2 * SMALL_BYTES)
    room.hold(second, 2 * SMALL_BYTES)
    with pytest.raises(Overloaded):
        room.hold(third, SMALL_BYTES + 1)
    with pytest.raises(Overloaded):
        room.hold(second, 2 * SMALL_BYTES + 1)
    assert room.held == limit
    for scope in (first, second, third):
        room.release(scope)
        room.release(scope)
    assert room.held == 0


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
async def test_large_bodies_are_refused_while_others_take_the_room(
    worker: httpx.AsyncClient, media_type: str
) -> None:
    first_is_in, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b" " * (2**20 - 1_000)
        first_is_in.set()
        await go_on.wait()
        yield b'{"accounts":[]}'

    headers = {"content-type": media_type}
    path = "/v1/accounts:batch"
    first = asyncio.create_task(worker.post(path, content=slow(), headers=headers))
    await first_is_in.wait()
    large = b" " * (SMALL_BYTES + 1)
    await asyncio.sleep(0)
    assert overloaded(await worker.post("/v1/marks", content=large, headers=JSON))
    assert (await worker.post("/v1/evaluate", content=BODY, headers=JSON)).status_code == 200
    go_on.set()
    assert (await first).status_code == 422
    assert (await worker.post("/v1/marks", content=large, headers=JSON)).status_code == 400
    assert await shed(worker, "bodies") == 1
