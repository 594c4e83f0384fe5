"""Who may open the stream: by header, by first frame, in time, from where, how often, how long."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from service.push.admission import AdmissionRules
from service.store.api_keys import Scope
from tests.push.log_writer import LogWriter
from tests.push.stream import QUICK, SHARDS, Client, Worker, open_worker, until

pytestmark = pytest.mark.anyio

RULES = AdmissionRules(frozenset({"https://desk.example"}), connections_max=2, first_frame_s=1.0)
ALL: tuple[Scope, ...] = ("alerts:read",)


@pytest.fixture
async def guarded(redis_url: str) -> AsyncIterator[Worker]:
    """A worker with keys in force."""
    async with open_worker(redis_url, QUICK, RULES) as worker:
        yield worker


async def token_for(
    worker: Worker,
    tenant: str = "default",
    scopes: tuple[Scope, ...] = ALL,
    expires_ms: int | None = None,
) -> str:
    _, token = await worker.keys.create("bot", tenant, scopes, now_ms(), expires_ms)
    return token


def now_ms() -> int:
    return int(time.time() * 1_000)


def opened(worker: Worker, token: str) -> contextlib.AbstractAsyncContextManager[Client]:
    return Client.open(worker.url, headers={"Authorization": f"Bearer {token}"})


async def test_a_key_by_header_hears_of_its_tenant_and_of_no_other(guarded: Worker) -> None:
    ours = LogWriter(guarded.log, SHARDS, "desk-a")
    theirs = LogWriter(guarded.log, SHARDS, "desk-b")
    await theirs.write(["a1", "b1"], "LIQUIDATION")
    async with opened(guarded, await token_for(guarded, "desk-a")) as client:
        for subscription, account in (("all", "*"), ("one", "b1"), ("some", "b*")):
            await client.subscribe(account, id=subscription)
            assert (await client.read("snapshot"))["accounts"] == []
        await theirs.write(["a1", "b1"])
        ours.take_over(theirs)
        await ours.write(["a1"])
        frame = await client.read("alerts")
        assert frame["id"] == "all"
        assert told(frame["alerts"]) == told_of(ours)
        cursor = frame["cursor"]
        await client.send(op="ping")
        assert (await client.read())["type"] == "pong"
    async with opened(guarded, await token_for(guarded, "desk-b")) as client:
        # A cursor of another tenant's client is a place in the log, not a permission.
        await client.subscribe("*", since=cursor)
        theirs.take_over(ours)
        await theirs.write(["b1"])
        heard = told(await client.alerts(1))
        while heard[-1:] != told_of(theirs)[-1:]:  # nodes of a cluster are read one by one
            heard += told(await client.alerts(1))
        assert set(heard) <= set(told_of(theirs))


def told(alerts: list[Any]) -> list[float]:
    """What tells alerts apart: ids are unique within a tenant only, a random figure is ours."""
    return [alert["maintenanceMargin"] for alert in alerts]


def told_of(writer: LogWriter) -> list[float | None]:
    return [alert.maintenance_margin for alert in writer.written]


async def test_a_key_by_the_first_frame(guarded: Worker) -> None:
    writer = LogWriter(guarded.log, SHARDS, "desk-a")
    token = await token_for(guarded, "desk-a")
    async with Client.open(guarded.url) as client:
        await client.send(op="auth", token=token)
        await client.subscribe("*")
        await client.read("snapshot")
        await writer.write(["a1"])
        assert len(await client.alerts(1)) == 1
        await client.send(op="auth", token="another")
        assert (await client.read("error"))["code"] == "already_authenticated"


@pytest.mark.parametrize(
    "first",
    [
        '{"op":"auth","token":"wrong"}',
        '{"op":"auth"}',
        '{"op":"ping"}',
        '{"op":"subscribe","id":"1","channel":"alerts","accounts":["*"]}',
        "nonsense",
        b'{"op":"auth","token":"wrong"}',
        None,
    ],
)
async def test_any_other_first_frame_or_none_in_time_ends_it(
    guarded: Worker, first: str | bytes | None
) -> None:
    async with Client.open(guarded.url) as client:
        if first is not None:
            await client.connection.send(first)
        assert await client.closed() == 4501
    assert not guarded.hub.sessions


async def test_a_good_frame_is_waited_for_so_long_and_no_longer(guarded: Worker) -> None:
    assert AdmissionRules().first_frame_s == 10.0
    token = await token_for(guarded)
    started = time.monotonic()
    async with Client.open(guarded.url) as client:
        assert await client.closed() == 4501
        assert time.monotonic() - started >= RULES.first_frame_s
        with pytest.raises(ConnectionClosed):
            await client.send(op="auth", token=token)
    async with Client.open(guarded.url) as client:
        await client.send(op="auth", token=token)
        await client.send(op="ping")
        assert (await client.read())["type"] == "pong"


async def test_who_hangs_up_while_waited_for_leaves_nothing(guarded: Worker) -> None:
    for _ in range(3):
        async with Client.open(guarded.url) as client:
            client.connection.transport.abort()
    async with opened(guarded, await token_for(guarded)) as client:
        await client.subscribe("*")


async def test_a_bad_header_is_told_not_to_come_back(guarded: Worker) -> None:
    good = await token_for(guarded)
    revoked = await token_for(guarded)
    await guarded.keys.revoke(revoked.split("_")[1], now_ms())
    wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
    reasons = set()
    for token in (wrong, revoked, good.replace("plk_", "plk_0")[:81], ""):
        async with opened(guarded, token) as client:
            assert await client.closed() == 4501
            reasons.add(client.connection.close_reason)
    assert len(reasons) == 1


async def test_no_token_in_the_address(guarded: Worker) -> None:
    token = await token_for(guarded)
    for query in (f"token={token}", f"access_token={token}", "x"):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{guarded.url}?{query}"):
                pass
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize("keys", [True, False])
async def test_a_page_of_another_site_is_refused(redis_url: str, keys: bool) -> None:
    async with open_worker(redis_url, QUICK, RULES if keys else None) as worker:
        host = worker.url.split("/")[2]
        token = await token_for(worker)
        good = [f"http://{host}", f"https://{host}"] + ["https://desk.example"] * keys
        for origin in good:
            headers = {"Origin": origin, "Authorization": f"Bearer {token}"}
            async with Client.open(worker.url, headers=headers) as client:
                await client.subscribe("*")
        bad = ["https://evil.example", f"http://evil.example:{host.split(':')[1]}", "null", ""]
        for origin in [*bad, "http://desk.example", "http://127.0.0.1"]:
            headers = {"Origin": origin, "Authorization": f"Bearer {token}"}
            with pytest.raises(InvalidStatus) as refused:
                async with connect(worker.url, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 403


async def test_alerts_need_a_scope_and_marks_only_a_key(guarded: Worker) -> None:
    async with opened(guarded, await token_for(guarded, scopes=("evaluate",))) as client:
        await client.send(op="subscribe", id="1", channel="alerts", accounts=["*"])
        error = await client.read("error")
        assert (error["code"], error["id"]) == ("missing_scope", "1")
        await client.send(op="subscribe", id="2", channel="marks")
        assert (await client.read("subscribed"))["id"] == "2"
    async with opened(guarded, await token_for(guarded, scopes=("admin",))) as client:
        await client.subscribe("*")


async def test_the_connections_of_a_key_are_counted(guarded: Worker) -> None:
    token, other = await token_for(guarded), await token_for(guarded)
    async with opened(guarded, token) as first:
        await first.subscribe("*")
        async with opened(guarded, token) as second:
            await second.subscribe("*")
            async with opened(guarded, token) as third:
                assert await third.closed() == 4011
            async with opened(guarded, other) as of_another:
                await of_another.subscribe("*")
        await until(lambda: len(guarded.hub.sessions) == 1)
        async with opened(guarded, token) as again:
            await again.subscribe("*")


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_sessions_of_a_key_that_ends_are_closed_within_seconds(
    guarded: Worker, how: str
) -> None:
    token = await token_for(guarded, expires_ms=now_ms() + 1_000 if how == "expired" else None)
    async with opened(guarded, token) as ended, opened(guarded, await token_for(guarded)) as stays:
        for client in (ended, stays):
            await client.subscribe("*")
            await client.read("snapshot")
        started = time.monotonic()
        if how == "revoked":
            await guarded.keys.revoke(token.split("_")[1], now_ms())
        assert await ended.closed() == 4501
        assert time.monotonic() - started < 5.0
        await stays.send(op="ping")
        assert (await stays.read())["type"] == "pong"
    async with opened(guarded, token) as client:
        assert await client.closed() == 4501


async def test_while_keys_cannot_be_checked_clients_are_told_to_come_back(
    guarded: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await token_for(guarded)

    async def hangs(_key_id: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(guarded.keys, "find", hangs)
    async with opened(guarded, token) as client:
        assert await client.closed() == 4010
