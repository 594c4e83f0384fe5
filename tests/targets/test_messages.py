"""Every alert is told to a target, a burst in one message, whatever the target does."""

import asyncio
import itertools
import logging
from functools import partial

import msgspec
import pytest

from service.contract.targets import Notification
from service.contract.webhooks import DeadLetter, read_letter, write
from service.targets.wording import NAMED_MAX
from service.webhooks.delivery import Pace
from service.webhooks.sender import Rules
from tests.targets.inboxes import JsonInbox, MailInbox
from tests.targets.world import World, counts
from tests.webhooks.receiver import until
from tests.webhooks.world import Kill

pytestmark = pytest.mark.anyio

MANY = [f"a{number:03}" for number in range(200)]


async def test_a_burst_is_one_message_with_counts_and_the_worst_by_name(
    world: World, inbox: JsonInbox
) -> None:
    await world.writer.write(["before"])
    await world.add("desk", inbox.url, window_s=1.0)
    async with world.worker():
        await world.writer.write(MANY, "WARNING")
        await world.writer.write(MANY[:30], "MARGIN_CALL")
        await world.writer.write(["a007"], "LIQUIDATION")
        await until(lambda: bool(inbox.taken))
        (message,) = inbox.taken
        assert counts(message) == "1 LIQUIDATION, 29 MARGIN_CALL, 170 WARNING"
        assert message["type"] == "failure"
        lines = message["message"].splitlines()
        assert lines[0].startswith("a007 (USDT): LIQUIDATION")
        assert sum(": " in line for line in lines) == NAMED_MAX
        assert lines[NAMED_MAX] == f"and {200 - NAMED_MAX} more"
        await world.writer.write(["a007"], "HEALTHY")
        await until(lambda: len(inbox.taken) == 2)
    assert counts(inbox.taken[1]) == "1 HEALTHY"
    assert inbox.taken[1]["type"] == "success"
    assert len(inbox.calls) == 2


async def test_a_target_hears_only_of_its_accounts_and_levels(
    world: World, inbox: JsonInbox
) -> None:
    await world.add("desk", inbox.url, accounts=["desk.*"], levels=["LIQUIDATION"])
    async with world.worker():
        await world.writer.write(["desk.1", "other"], "WARNING")
        await world.writer.write(["desk.1", "other"], "LIQUIDATION")
        await until(lambda: bool(inbox.taken))
    assert counts(inbox.taken[0]) == "1 LIQUIDATION"
    assert "other" not in inbox.taken[0]["message"]


async def test_mail_arrives_and_a_server_that_hangs_holds_up_nobody_else(
    world: World, mails: MailInbox, inbox: JsonInbox
) -> None:
    mails.hangs = True
    key = await world.add("mail", mails.url)
    await world.add("good", inbox.url)
    async with world.worker(timeout_s=0.3):
        for number in range(1, 4):
            await world.writer.write(["a1"])
            await until(partial(has, inbox, number))
        await until(lambda: mails.greeted == 1)
        async with asyncio.timeout(10.0):
            while "not ended yet" not in await error_of(world, key):
                pass
        assert mails.greeted == 1, "one thread a target"
    mails.hangs = False
    async with world.worker():  # the next process
        await until(lambda: bool(mails.mails))
    (mail,) = mails.mails
    assert mail["subject"] == "Plimsoll: 1 WARNING"
    assert mail["to"] == "desk@example.com"
    body = mail.get_body()
    assert body is not None
    assert "a1" in body.get_content()


def has(inbox: JsonInbox, count: int) -> bool:
    return len(inbox.taken) == count


async def error_of(world: World, key: str) -> str:
    pending = (await world.progress(key)).pending
    return "" if pending is None else pending.error


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_kill_at_every_step_loses_nothing_and_repeats_under_its_id(
    world: World, inbox: JsonInbox, before: bool
) -> None:
    """A step is a write to the store or a message, which fails now and then."""
    key = await world.add("desk", inbox.url, window_s=0.05)
    for at in itertools.count(1):
        inbox.answers = [500, 200]
        kill, already = Kill(at, before), len(set(inbox.refs))
        await world.writer.write([f"a{at}", f"b{at}"])
        async with world.worker(kill=kill), asyncio.timeout(20.0):
            while not kill.happened:
                idle = (await world.progress(key)).pending is None
                if len(set(inbox.refs)) > already and idle and not kill.reached:
                    break
        async with world.worker():
            await until(lambda: len(set(inbox.refs)) > already)  # noqa: B023
            async with asyncio.timeout(10.0):
                while (await world.progress(key)).pending is not None:
                    pass
        if not kill.happened:
            break
    assert at > 5, "it takes: write down, send in vain, write that down, send, write that down"
    assert len(set(inbox.refs)) == at, "grouped: one message a burst"
    text = "\n".join(each["message"] for each in inbox.taken)
    for number in range(1, at + 1):
        assert f"a{number} (USDT)" in text
        assert f"b{number} (USDT)" in text
    for ref in set(inbox.refs):
        bodies = {each["message"] for each in inbox.taken if each["message"].endswith(ref)}
        assert len(bodies) == 1, "another message under an old id"


async def test_what_is_given_up_is_a_dead_letter_that_can_be_sent_again(
    world: World, inbox: JsonInbox
) -> None:
    inbox.answers = [401]
    key = await world.add("desk", inbox.url)
    async with world.worker(Pace(first_s=0.01, longest_s=0.02, give_up_s=0.1)):
        await world.writer.write(["a1"])
        async with asyncio.timeout(10.0):
            while not (letters := await world.targets.letters(key)):
                pass
        letter = read_letter(letters[0])
        assert letter.error == "answered 401"
        told = msgspec.json.decode(letter.payload, type=Notification)
        assert (told.title, told.alerts) == ("Plimsoll: 1 WARNING", 1)
        assert b"s3cr3t" not in letters[0]
        inbox.answers = [200]
        assert await world.targets.replay(key) == 1
        await until(lambda: inbox.refs == [letter.id])


async def test_a_test_message_is_sent_at_once(world: World, inbox: JsonInbox) -> None:
    key = await world.add("desk", inbox.url, window_s=3_600.0)
    body = write(Notification("info", "a test", "it arrived", 0))
    async with world.worker():
        await world.writer.write(["a1"])  # waits for its window
        await world.targets.send(key, write(DeadLetter("msg_1", 0, 0, "", msgspec.Raw(body))))
        await until(lambda: inbox.refs == ["msg_1"])
        assert await world.targets.letters(key) == []


async def test_nothing_of_a_url_is_logged(
    world: World, inbox: JsonInbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    inbox.answers = [500, 403, 200]
    await world.add("desk", inbox.url)
    async with world.worker():
        await world.writer.write(["a1"])
        await until(lambda: bool(inbox.taken))
    for secret in ("s3cr3t", "t0k3n", f":{inbox.port}"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1", "the address is not public"),
        ("localhost", "the host has an address that is not public"),
        ("2130706433", "the host has an address that is not public"),
    ],
)
async def test_an_address_that_is_not_public_is_not_called(
    world: World, inbox: JsonInbox, host: str, said: str
) -> None:
    url = inbox.url.replace("127.0.0.1", host)
    key = await world.add("desk", url)
    async with world.worker(rules=Rules(allow_http=True)):
        await world.writer.write(["a1"])
        async with asyncio.timeout(10.0):
            while not await error_of(world, key):
                pass
    assert await error_of(world, key) == said
    assert not inbox.calls


async def test_a_redirect_is_not_followed(world: World, inbox: JsonInbox) -> None:
    inbox.answers, inbox.location = [302, 200], inbox.url.replace("json", "http")
    await world.add("desk", inbox.url)
    async with world.worker():
        await world.writer.write(["a1"])
        await until(lambda: bool(inbox.taken))
    assert len(inbox.calls) == 2, "one for each attempt"
