"""Silences and webhooks: passed over, unless asked for; a delivery tried again is the same one."""

import msgspec
import pytest

from service.contract.silences import SilenceView
from tests.webhooks.receiver import Receiver, open_receiver, until
from tests.webhooks.test_delivery import told
from tests.webhooks.world import World

pytestmark = pytest.mark.anyio

LOGGED_AT = 1_700_000_000_001  # the time of all that a LogWriter logs


async def test_a_webhook_is_not_told_what_is_silenced_unless_it_asks(
    world: World, receiver: Receiver
) -> None:
    await world.add("ops", receiver)
    one = SilenceView("1", ["a1"], None, LOGGED_AT, LOGGED_AT + 1, "")
    await world.silences.put("default", "1", msgspec.json.encode(one))
    async with open_receiver() as another, world.worker():
        await world.add("audit", another, silenced=True)
        await world.writer.write(["a1", "a2"])
        await world.writer.write(["a1"])
        await until(lambda: len(another.alerts) == 3)
        await until(lambda: receiver.alerts == ["a2-1"])


async def test_a_delivery_that_is_tried_after_the_silence_has_the_same_alerts(
    world: World, receiver: Receiver
) -> None:
    receiver.answers = [500, 500, 200]
    await world.add("ops", receiver)
    one = SilenceView("1", ["a1"], None, LOGGED_AT, LOGGED_AT + 1, "")
    await world.silences.put("default", "1", msgspec.json.encode(one))
    async with world.worker():
        await world.writer.write(["a1", "a2"])
        await until(lambda: receiver.alerts == ["a2-1"])
    assert told(receiver) == ["a2-1"] * 3
