"""Whoever delivers is killed at every step it takes: nothing is lost, and a repeat has its id."""

import asyncio
import itertools

import pytest

from service.contract.webhooks import read_letter
from service.store.alert_log import LEASE_MS
from service.store.keys import HOOKS
from service.store.receivers import LETTERS_KEPT
from service.webhooks.delivery import Pace
from tests.webhooks.receiver import Receiver, until
from tests.webhooks.world import Kill, LosingAnswers, World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_kill_at_every_step_loses_nothing_and_doubles_nothing_by_id(
    world: World, receiver: Receiver, before: bool
) -> None:
    """A step is a write to the store or a call to the receiver, which fails now and then."""
    key = await world.add("ops", receiver)
    for at in itertools.count(1):
        receiver.answers = [500, 200]
        kill = Kill(at, before)
        already = len(receiver.alerts)
        await world.writer.write(["a1", "a2"])
        await world.writer.write(["a1"])
        async with world.worker(kill=kill), asyncio.timeout(20.0):
            while not kill.happened:
                settled = await world.settled(key) and len(receiver.alerts) == already + 3
                if settled and not kill.reached:
                    break
        async with world.worker():
            await until(lambda: len(receiver.alerts) == already + 3)  # noqa: B023
        if not kill.happened:
            break
    assert at > 5, "it takes: write down, call in vain, write that down, call, write that down"
    assert sorted(receiver.alerts) == sorted(alert.id for alert in world.writer.written)
    for account in ("a1", "a2"):
        heard = [name for name in receiver.alerts if name.startswith(account)]
        assert heard == [f"{account}-{seq}" for seq in range(1, len(heard) + 1)]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_kill_while_giving_up_or_replaying_loses_no_letter(
    world: World, receiver: Receiver, before: bool
) -> None:
    hopeless = Pace(first_s=0.001, longest_s=0.001, give_up_s=0.0)
    key = await world.add("ops", receiver)
    for at in range(1, 4):
        receiver.answers = [500]
        await world.writer.write(["a1"])
        kill = Kill(at, before)
        async with world.worker(hopeless, kill=kill):
            await until(lambda: kill.happened)  # noqa: B023
        async with world.worker(hopeless):
            await letters(world, key, 1)
        receiver.answers = [200]
        await world.webhooks.replay(key)
        kill = Kill(1 + at % 2, before)
        async with world.worker(kill=kill):
            await until(lambda: kill.happened)  # noqa: B023
        async with world.worker():
            await until(lambda: len(receiver.alerts) == at)  # noqa: B023
            await letters(world, key, 0)
    assert receiver.alerts == [alert.id for alert in world.writer.written]


async def test_a_store_that_loses_answers_loses_no_alert(world: World, receiver: Receiver) -> None:
    receiver.answers = [500, 200]
    key = await world.add("ops", receiver)
    async with world.worker(webhooks=LosingAnswers(world.webhooks)):
        for number in range(1, 7):
            await world.writer.write(["a1"])
            await until(lambda: len(receiver.alerts) == number)  # noqa: B023
    assert receiver.alerts == [f"a1-{number}" for number in range(1, 7)]
    assert len(receiver.calls) > 7, "none was sent twice: no answer was lost"
    assert not await world.webhooks.letters(key)


async def letters(world: World, key: str, count: int) -> None:
    found = await world.webhooks.letters(key)
    while len(found) != count or await world.webhooks.again([key]):
        found = await world.webhooks.letters(key)
    assert len({read_letter(each).id for each in found}) == count


async def test_a_letter_is_settled_once_and_only_while_its_webhook_is_there(
    world: World, receiver: Receiver
) -> None:
    key = await world.add("ops", receiver)
    for left, sends in ((b"still", 2), (None, 1)):
        await world.client.call("RPUSH", HOOKS.letters_again(key), b"letter")
        for _ in range(sends):
            await world.webhooks.settle_letter(key, b"letter", left)
        assert await world.webhooks.letters(key) == [b"still"]
    for number in range(LETTERS_KEPT):
        await world.client.call("RPUSH", HOOKS.letters_again(key), b"%d" % number)
        await world.webhooks.settle_letter(key, b"%d" % number, b"left %d" % number)
    kept = await world.webhooks.letters(key)
    assert (len(kept), kept[0], kept[-1]) == (LETTERS_KEPT, b"left 0", b"left 99")
    await world.client.call("RPUSH", HOOKS.letters_again(key), b"letter")
    await world.webhooks.delete(key)
    await world.webhooks.settle_letter(key, b"letter", b"still")
    assert await world.webhooks.letters(key) == []


async def test_only_one_delivers_and_the_next_takes_over(world: World, receiver: Receiver) -> None:
    await world.add("ops", receiver)
    token = await world.webhooks.acquire(60_000)
    assert token is not None
    async with world.worker():
        await world.writer.write(["a1"])
        assert await world.webhooks.acquire(LEASE_MS) is None
        assert not receiver.calls
        await world.webhooks.renew(token, 0)
        await until(lambda: receiver.alerts == ["a1-1"])
        assert not await world.webhooks.renew(token, LEASE_MS)


async def test_who_lost_its_lease_writes_nothing(world: World, receiver: Receiver) -> None:
    key = await world.add("ops", receiver)
    token = await world.webhooks.acquire(1)
    assert token is not None
    stored = (await world.webhooks.get(key)).progress
    newer = None
    while newer is None:
        newer = await world.webhooks.acquire(60_000)
    assert await world.webhooks.advance(token, key, stored, b"{}", b"{}") == "lease_lost"
    assert await world.webhooks.advance(newer, key, b"other", b"{}") == "out_of_step"
    assert await world.webhooks.advance(newer, key, stored, b"new", b"letter") == "done"
    assert await world.webhooks.advance(newer, key, stored, b"new", b"letter") == "repeated"
    assert await world.webhooks.letters(key) == [b"letter"]
    await world.webhooks.delete(key)
    assert await world.webhooks.advance(newer, key, b"new", b"newer") == "out_of_step"
    assert await world.webhooks.addressee(key) is None
