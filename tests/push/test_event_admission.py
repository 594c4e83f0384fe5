"""Who may open the event stream: keys, limits and ends are the socket's, told by HTTP."""

from collections.abc import AsyncIterator

import httpx
import pytest

from service.push.admission import AdmissionRules
from tests.push.log_writer import LogWriter
from tests.push.stream import QUICK, SHARDS, Worker, open_worker, until
from tests.push.test_admission import now_ms, opened, token_for, told, told_of
from tests.push.test_events import address, listening

pytestmark = pytest.mark.anyio


@pytest.fixture
async def guarded(redis_url: str) -> AsyncIterator[Worker]:
    """A worker with keys in force and two streams a key."""
    async with open_worker(redis_url, QUICK, AdmissionRules(connections_max=2)) as worker:
        yield worker


async def refusal(worker: Worker, token: str | None, **parameters: str) -> httpx.Response:
    """Return the answer to somebody who is not let in."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(address(worker), params=parameters, headers=headers)


async def test_a_key_hears_of_its_tenant_and_of_no_other(guarded: Worker) -> None:
    ours = LogWriter(guarded.log, SHARDS, "desk-a")
    theirs = LogWriter(guarded.log, SHARDS, "desk-b")
    await theirs.write(["a1", "b1"], "LIQUIDATION")
    async with listening(guarded, token=await token_for(guarded, "desk-a")) as events:
        await events.next("subscribed")
        assert (await events.next("snapshot"))["accounts"] == []
        await theirs.write(["a1"])
        ours.take_over(theirs)
        await ours.write(["a1"])
        assert told((await events.next("alerts"))["alerts"]) == told_of(ours)
    # A cursor of another tenant's client is a place in the log, not a permission.
    token = await token_for(guarded, "desk-b")
    async with listening(guarded, token=token, last_id=events.last_id) as events:
        assert (await events.next("subscribed"))["recovered"] is True
        theirs.take_over(ours)
        await theirs.write(["b1"])
        assert told((await events.next("alerts"))["alerts"]) == told_of(theirs)[-1:]


async def test_without_a_good_key_nothing_is_streamed(guarded: Worker) -> None:
    good = await token_for(guarded)
    revoked = await token_for(guarded)
    await guarded.keys.revoke(revoked.split("_")[1], now_ms())
    answers = set()
    for token in (None, "wrong", revoked, good[:-1] + ("0" if good[-1] != "0" else "1")):
        answer = await refusal(guarded, token)
        assert answer.status_code == 401
        answers.add(answer.content)
    assert len(answers) == 1
    without_scope = await refusal(guarded, await token_for(guarded, scopes=("accounts:read",)))
    assert (without_scope.status_code, without_scope.json()["code"]) == (403, "missing_scope")
    in_the_address = await refusal(guarded, None, access_token=good)
    assert in_the_address.status_code == 401
    assert not guarded.hub.sessions


async def test_streams_of_a_key_are_counted_by_whichever_door(guarded: Worker) -> None:
    token = await token_for(guarded)
    async with listening(guarded, token=token) as first:
        await first.next("subscribed")
        async with opened(guarded, token) as socket:
            await socket.subscribe("*")
            full = await refusal(guarded, token)
            assert (full.status_code, full.json()["code"]) == (429, "too_many_connections")
            assert full.headers["retry-after"] == "1"
            async with opened(guarded, token) as third:
                assert await third.closed() == 4011
            async with listening(guarded, token=await token_for(guarded)) as of_another:
                await of_another.next("subscribed")
        await until(lambda: len(guarded.hub.sessions) == 1)
        async with listening(guarded, token=token) as again:
            await again.next("subscribed")
    await until(lambda: not guarded.hub.sessions)
    async with listening(guarded, token=token) as after_all:
        await after_all.next("subscribed")


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_key_that_ends_ends_its_streams(guarded: Worker, how: str) -> None:
    token = await token_for(guarded, expires_ms=now_ms() + 1_000 if how == "expired" else None)
    async with (
        listening(guarded, token=token) as events,
        listening(guarded, token=await token_for(guarded)) as stays,
    ):
        await events.next("subscribed")
        await stays.next("subscribed")
        if how == "revoked":
            await guarded.keys.revoke(token.split("_")[1], now_ms())
        await events.ended()
        await until(lambda: len(guarded.hub.sessions) == 1)
        await stays.next("snapshot")
    assert (await refusal(guarded, token)).status_code == 401
