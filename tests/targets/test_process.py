"""The process that tells targets, killed in the middle of a message: it is told all the same."""

import asyncio
import contextlib

import pytest

from service.contract.targets import service_of
from tests.part_process import part_process
from tests.targets.inboxes import JsonInbox
from tests.targets.world import SHARDS, World, counts
from tests.webhooks.receiver import until

pytestmark = pytest.mark.anyio


def process(
    redis_url: str, **more: str
) -> contextlib.AbstractAsyncContextManager[asyncio.subprocess.Process]:
    given = {"redis_url": redis_url, "shards": f"{SHARDS}", "targets": "true"}
    allowed = {"webhook_allow_http": "true"} | more
    return part_process("targets", log_level="debug", **given, **allowed)


async def test_a_message_that_was_cut_off_is_sent_again_whole(
    world: World, inbox: JsonInbox, redis_url: str
) -> None:
    inbox.answers = ["hang", 200]
    await world.add("desk", inbox.url, window_s=0.2)
    allowed = {"webhook_allow_private": "true"}
    async with process(redis_url, **allowed) as first:
        await world.writer.write(["a1", "a2"], "WARNING")
        await world.writer.write(["a1"], "LIQUIDATION")
        await until(lambda: len(inbox.calls) == 1)
        first.kill()
    await world.writer.write(["a3"], "WARNING")
    async with process(redis_url, **allowed) as second:
        await until(lambda: len(inbox.taken) == 2)
        assert counts(inbox.taken[0]) == "1 LIQUIDATION, 1 WARNING"
        assert counts(inbox.taken[1]) == "1 WARNING"
        assert inbox.taken[0] == inbox.calls[0], "the same, under the same id"
        second.terminate()
        assert second.stderr is not None
        said = (await second.stderr.read()).decode()
    assert "this process delivers to targets" in said
    for secret in ("s3cr3t", "t0k3n"):
        assert secret not in said


async def test_loopback_is_not_called_unless_allowed(
    world: World, inbox: JsonInbox, redis_url: str
) -> None:
    url = inbox.url.replace("127.0.0.1", "localhost")
    assert service_of(url, allow_http=True, allow_private=False) == "json"
    key = await world.add("desk", url)
    async with process(redis_url), asyncio.timeout(20.0):
        await world.writer.write(["a1"])
        while (pending := (await world.progress(key)).pending) is None or not pending.error:
            pass
        assert pending.error == "the host has an address that is not public"
    assert not inbox.calls
