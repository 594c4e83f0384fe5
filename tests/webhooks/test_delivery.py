"""Every alert reaches a receiver once by id and in order, whatever the receiver does."""

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from service.contract.webhooks import WebhookDocument, beginning_of, read_letter, write
from service.store.receivers import Addressee, Webhooks
from service.webhooks.batches import Size
from service.webhooks.delivery import ATTEMPTS_MIN, Pace
from tests.push.log_writer import LogWriter
from tests.webhooks.receiver import Receiver, open_receiver, until
from tests.webhooks.world import LOOPBACK, QUICK, SHARDS, World, patient

pytestmark = pytest.mark.anyio

ALERTS_MAX = Size().alerts_max


def logged(world: World) -> list[str]:
    return [alert.id for alert in world.writer.written]


async def test_alerts_are_signed_and_arrive_once_in_calls_of_a_bounded_size(
    world: World, receiver: Receiver
) -> None:
    await world.writer.write(["before"])
    key = await world.add("ops", receiver)
    async with world.worker():
        await world.writer.write([f"a{number:03}" for number in range(2 * ALERTS_MAX + 1)])
        await world.writer.write(["a000"], "LIQUIDATION")
        await until(lambda: len(receiver.alerts) == 2 * ALERTS_MAX + 2)
        assert sorted(receiver.alerts) == sorted(logged(world)[1:])
        seqs = [name for name in receiver.alerts if name.startswith("a000-")]
        assert seqs == ["a000-1", "a000-2"]
        sizes = [len(each["data"]["alerts"]) for each in receiver.deliveries.values()]
        assert max(sizes) == ALERTS_MAX
        (first, *_) = receiver.deliveries.values()
        assert (first["type"], first["data"]["webhook"]) == ("alerts", "ops")
        assert first["data"]["recovered"] is True
        last = list(receiver.deliveries.values())[-1]
        async with asyncio.timeout(10.0):
            while (await world.progress(key)).cursor != last["data"]["cursor"]:
                pass


async def test_a_webhook_hears_only_of_its_tenants_accounts_and_levels(
    world: World, receiver: Receiver
) -> None:
    await world.add("ops", receiver, accounts=["desk.*", "fund"], levels=["LIQUIDATION"])
    stranger = LogWriter(world.log, SHARDS, tenant="stranger")
    async with world.worker():
        await stranger.write(["desk.1", "fund"], "LIQUIDATION")
        world.writer.take_over(stranger)
        await world.writer.write(["desk.1", "fund", "other"], "WARNING")
        await world.writer.write(["desk.1", "fund", "other"], "LIQUIDATION")
        await until(lambda: len(receiver.alerts) == 2)
        await world.writer.write(["fund"], "LIQUIDATION")
        await until(lambda: len(receiver.alerts) == 3)
    assert receiver.alerts == ["desk.1-2", "fund-2", "fund-3"]


@pytest.mark.parametrize("answer", [500, 404, 302, "break", "hang"])
async def test_what_is_not_taken_is_sent_again_under_the_same_id(
    world: World, receiver: Receiver, answer: int | str
) -> None:
    receiver.answers = [answer, answer, 200]
    receiver.headers = f"location: {receiver.url}/elsewhere\r\n"
    await world.add("ops", receiver)
    async with world.worker(rules=replace(LOOPBACK, timeout_s=0.2)):
        await world.writer.write(["a1"])
        await until(lambda: bool(receiver.deliveries))
        assert receiver.alerts == ["a1-1"]
        assert len({name for name, _ in receiver.calls}) == 1
        assert len(receiver.calls) == 3
        assert set(receiver.paths) == {"/in"}, "a redirect was followed"


async def test_retry_after_is_waited_for(world: World, receiver: Receiver) -> None:
    receiver.answers, receiver.headers = [503, 200], "retry-after: 1\r\n"
    await world.add("ops", receiver)
    async with world.worker(Pace(first_s=0.001, longest_s=5.0)):
        await world.writer.write(["a1"])
        await until(lambda: len(receiver.calls) == 1)
        began = time.monotonic()
        await until(lambda: len(receiver.calls) == 2)
        assert time.monotonic() - began > 0.9


async def test_a_receiver_that_hangs_holds_up_nobody_else(world: World, receiver: Receiver) -> None:
    receiver.answers = ["hang"]
    await world.add("stuck", receiver)
    async with open_receiver() as good:
        await world.add("good", good)
        async with world.worker():
            for number in range(1, 4):
                await world.writer.write(["a1"])
                await until(partial(has, good, number), 2.0)
    assert len(receiver.calls) == 1


def has(receiver: Receiver, count: int) -> bool:
    return len(receiver.alerts) == count


async def test_what_is_given_up_is_a_dead_letter_that_can_be_sent_again(
    world: World, receiver: Receiver
) -> None:
    receiver.answers = [500]
    key = await world.add("ops", receiver)
    async with world.worker(Pace(first_s=0.01, longest_s=0.02, give_up_s=0.1)):
        await world.writer.write(["a1"])
        await letters(world, key, 1)
        await world.writer.write(["a2"])
        await letters(world, key, 2)
        assert not receiver.deliveries
        receiver.answers = [200]
        await world.writer.write(["a3"])
        await until(lambda: receiver.alerts == ["a3-1"])
        first, second = map(read_letter, await world.webhooks.letters(key))
        assert first.error == "answered 500"
        assert first.attempts > 1
        assert await world.webhooks.replay(key, beginning_of("msg_unknown")) == 0
        assert await world.webhooks.replay(key, beginning_of(second.id[:-1])) == 0
        assert await world.webhooks.replay(key, beginning_of(second.id)) == 1
        await until(lambda: "a2-1" in receiver.alerts)
        assert await world.webhooks.replay(key) == 1
        await until(lambda: "a1-1" in receiver.alerts)
        assert {first.id, second.id} <= set(receiver.deliveries)
        receiver.answers = [500]
    assert await world.webhooks.letters(key) == []


async def test_nothing_is_given_up_before_the_third_attempt(
    world: World, receiver: Receiver
) -> None:
    """However long ago it was written down: whoever delivers may have been away."""
    receiver.answers = [500]
    key = await world.add("ops", receiver)
    async with world.worker(Pace(first_s=0.01, longest_s=0.02, give_up_s=0.0)):
        await world.writer.write(["a1"])
        (letter,) = await letters(world, key, 1)
    assert (read_letter(letter).attempts, len(receiver.calls)) == (ATTEMPTS_MIN, ATTEMPTS_MIN)


async def test_a_replay_that_fails_is_a_dead_letter_again(world: World, receiver: Receiver) -> None:
    receiver.answers = [500]
    key = await world.add("ops", receiver)
    async with world.worker(Pace(first_s=0.01, longest_s=0.02, give_up_s=0.05)):
        await world.writer.write(["a1"])
        (before,) = await letters(world, key, 1)
        await world.webhooks.replay(key)
        calls = len(receiver.calls)
        await until(lambda: len(receiver.calls) >= calls + 3)
        (after,) = await letters(world, key, 1)
    assert read_letter(after).id == read_letter(before).id
    assert read_letter(after).attempts == read_letter(before).attempts + 3


async def test_a_receiver_that_is_back_gets_what_waits_at_once_after_a_replay(
    world: World, receiver: Receiver
) -> None:
    receiver.answers = [500]
    key = await world.add("ops", receiver)
    async with world.worker(Pace(first_s=0.01, longest_s=0.02, give_up_s=0.05)):
        await world.writer.write(["a1"])
        await letters(world, key, 1)
    async with world.worker(patient(QUICK)):
        await world.writer.write(["a2"])
        await until(lambda: any(name.startswith("a2") for name in told(receiver)))
        receiver.answers = [200]
        await world.webhooks.replay(key)
        await until(lambda: sorted(receiver.alerts) == ["a1-1", "a2-1"])


def told(receiver: Receiver) -> list[str]:
    return [alert["id"] for _, each in receiver.calls for alert in each["data"]["alerts"]]


async def letters(world: World, key: str, count: int) -> list[bytes]:
    async with asyncio.timeout(10.0):
        while len(found := await world.webhooks.letters(key)) != count:
            pass
    return found


async def test_what_the_log_no_longer_has_is_told(world: World, receiver: Receiver) -> None:
    await world.add("ops", receiver)
    await world.writer.write(["a1"])
    for shard in range(SHARDS):
        await world.log.trim_log(shard, 2**60, 0)
    async with world.worker():
        await until(lambda: len(receiver.deliveries) == 1)
        (payload,) = receiver.deliveries.values()
        assert (payload["data"]["recovered"], payload["data"]["alerts"]) == (False, [])
        await world.writer.write(["a1"])
        await until(lambda: receiver.alerts == ["a1-2"])


async def test_a_change_counts_for_all_that_is_logged_after_it(
    world: World, receiver: Receiver
) -> None:
    key = await world.add("ops", receiver, accounts=["none"])
    async with world.worker():
        for name in ("a1", "a2", "a3"):
            document = WebhookDocument(receiver.url, [name])
            assert not await world.webhooks.put(key, write(document), "", b"")
            await world.writer.write(["a1", "a2", "a3"])
            await until(lambda: told(receiver)[-1:] == [f"{name}-{name[1]}"])  # noqa: B023
    assert receiver.alerts == ["a1-1", "a2-2", "a3-3"]


async def test_a_webhook_made_again_begins_anew(world: World, receiver: Receiver) -> None:
    """What its forerunner of the same name had passed over or not yet looked at is not its."""
    key, looks = await world.add("ops", receiver, accounts=["none"]), Looks(world.webhooks)
    async with world.worker(webhooks=looks):
        await world.writer.write(["a1"])
        await until(lambda: looks.count >= 2)
        looks.let_in.clear()
        await world.writer.write(["a2"])
        before = looks.count
        await until(lambda: looks.count > before)
        await world.webhooks.delete(key)
        receiver.secret = ""
        await world.add("ops", receiver, incarnation="another")
        looks.let_in.set()
        await world.writer.write(["a3"])
        await until(lambda: bool(receiver.alerts))
    assert receiver.alerts == ["a3-1"]


class Looks:
    """Passes calls on to the store; who looks at a webhook can be held up before it does."""

    def __init__(self, inner: Webhooks) -> None:
        self.let_in = asyncio.Event()
        self.let_in.set()
        self.count = 0
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def addressee(self, key: str) -> Addressee | None:
        self.count += 1
        await self.let_in.wait()
        return await self._inner.addressee(key)


async def test_a_deleted_webhook_is_called_no_more(world: World, receiver: Receiver) -> None:
    key = await world.add("ops", receiver)
    async with open_receiver() as other:
        await world.add("other", other)
        async with world.worker():
            await world.writer.write(["a1"])
            await until(lambda: receiver.alerts == ["a1-1"])
            await world.webhooks.delete(key)
            await world.writer.write(["a2"])
            await until(lambda: other.alerts == ["a1-1", "a2-1"])
            receiver.secret = ""
            await world.add("ops", receiver)
            await world.writer.write(["a3"])
            await until(lambda: len(receiver.calls) == 2)
    assert receiver.alerts == ["a1-1", "a3-1"]


async def test_after_a_rotation_both_secrets_verify(world: World, receiver: Receiver) -> None:
    key = await world.add("ops", receiver)
    async with world.worker():
        await world.webhooks.rotate(key, "whsec_" + "bmV3" * 8, int(time.time() * 1e3) + 60_000)
        await world.writer.write(["a1"])
        await until(lambda: receiver.alerts == ["a1-1"])
    receiver.secret = "whsec_" + "bmV3" * 8
    async with world.worker():
        await world.writer.write(["a2"])
        await until(lambda: receiver.alerts == ["a1-1", "a2-1"])
