"""Bots with keys: a good one hears its tenant's alerts, any other ends with the reason."""

import time
from collections.abc import AsyncIterator

import pytest

from plimsoll import AsyncClient, PlimsollError, Snapshot, StreamClosed, SubscriptionRefused
from service.push.admission import AdmissionRules
from service.store.api_keys import Scope
from tests.client.listening import Heard, address, listening
from tests.push.log_writer import LogWriter
from tests.push.stream import QUICK, SHARDS, Worker, open_worker, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def guarded(redis_url: str) -> AsyncIterator[Worker]:
    """A worker with keys in force."""
    async with open_worker(redis_url, QUICK, AdmissionRules()) as worker:
        yield worker


async def token_of(worker: Worker, *scopes: Scope, tenant: str = "desk-a") -> str:
    _, token = await worker.keys.create("bot", tenant, scopes, int(time.time() * 1_000))
    return token


async def ended_by(worker: Worker, token: str | None) -> PlimsollError:
    """Return what a subscription with this token ends with, at once."""
    async with AsyncClient(address(worker), token=token) as client:
        with pytest.raises(PlimsollError) as ended:
            await anext(client.alerts(give_up_after_s=0.0))
    return ended.value


async def test_a_key_hears_its_tenants_alerts(guarded: Worker) -> None:
    ours, theirs = (LogWriter(guarded.log, SHARDS, tenant) for tenant in ("desk-a", "desk-b"))
    token, heard = await token_of(guarded, "alerts:read"), Heard()
    async with listening(address(guarded), heard, token=token):
        await theirs.write(["a1", "b1"])
        ours.take_over(theirs)
        await ours.write(["a1"])
        await until(lambda: bool(heard.alerts))
    assert [alert.maintenance_margin for alert in heard.alerts] == [
        alert.maintenance_margin for alert in ours.written
    ]


@pytest.mark.parametrize("token", [None, "wrong", f"plk_{'0' * 12}_{'0' * 64}"])
async def test_a_key_that_is_no_good_ends_it(guarded: Worker, token: str | None) -> None:
    ended = await ended_by(guarded, token)
    assert isinstance(ended, StreamClosed)
    assert ended.code == 4501


async def test_a_key_that_is_revoked_ends_a_run(guarded: Worker) -> None:
    token = await token_of(guarded, "alerts:read")
    async with AsyncClient(address(guarded), token=token) as client:
        events = client.alerts()
        assert isinstance(await anext(events), Snapshot)
        await guarded.keys.revoke(token.split("_")[1], int(time.time() * 1_000))
        with pytest.raises(StreamClosed) as ended:
            await anext(events)
    assert ended.value.code == 4501


async def test_a_key_without_the_scope_is_refused_by_its_name(guarded: Worker) -> None:
    ended = await ended_by(guarded, await token_of(guarded, "accounts:read"))
    assert isinstance(ended, SubscriptionRefused)
    assert ended.code == "missing_scope"
