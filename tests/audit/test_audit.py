"""Alerts of a small market: each is derived again to the digit, and what is not so is found out."""

import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from service.errors import NoLongerKept, UnknownAlert
from service.store.keys import SNAPSHOTS, STREAM, ShardKeys
from tests.api.guarded import Call, open_guarded
from tests.audit.world import Market, alerts_of, auditor_over, documents, followed, list_markets
from tests.monitor.test_service import running
from tests.store.stores import SHARDS, Store, open_store

pytestmark = pytest.mark.anyio

Alert = dict[str, Any]
SEED, STEPS, ACCOUNTS = 2, 140, 60
KINDS = (
    ("raised", "mark"),
    ("escalated", "mark"),
    ("resolved", "time"),
    ("eased", "time"),
    ("repeat", "time"),
    ("unpriced", "account"),
    ("resolved", "account"),
    ("raised", "deposit"),
)
CHANGES: dict[str, Callable[[Any], Any]] = {
    "equity": lambda value: math.nextafter(value, math.inf),
    "maintenanceMargin": lambda value: math.nextafter(value, math.inf),
    "marginRatio": lambda value: math.nextafter(value, 0.0),
    "toRestore": lambda value: value | {"deposit": math.nextafter(value["deposit"], math.inf)},
    "level": lambda value: "MARGIN_CALL" if value == "WARNING" else "WARNING",
    "cause": lambda value: "pnl" if value == "fee" else "fee",
    "eventTime": lambda value: value + 1,
}


@asynccontextmanager
async def played(redis_url: str, steps: int) -> AsyncIterator[Store]:
    """A store in which a market was played, with a monitor that came and went."""
    async with open_store(redis_url) as store:
        await list_markets(store)
        await store.accounts.put_many(list(documents(ACCOUNTS, SEED)))
        market = Market(store, SEED, ACCOUNTS)
        for _ in range(2):
            async with running(store):
                await market.play(steps // 2)
                await followed(store)
        yield store


async def test_every_alert_is_derived_again_to_the_digit(redis_url: str) -> None:
    async with played(redis_url, STEPS) as store:
        auditor, kinds = auditor_over(store), Counter[tuple[str, str]]()
        alerts = await alerts_of(store)
        for alert in alerts:
            found = await auditor.explain(f"default/{alert['accountId']}", alert["seq"])
            unlike = [field for field in found.fields if not field.equal]
            assert (found.equal, unlike, found.surprises) == (True, [], []), alert
            assert found.steps[-1].value is not None
            kinds[alert["transition"], alert["cause"]] += 1
        assert all(kinds[kind] for kind in KINDS), kinds
        await only_its_tenant_is_told(redis_url, alerts[-1])


async def only_its_tenant_is_told(redis_url: str, alert: Alert) -> None:
    """The call says the same as the auditor; to others there is no such alert."""
    call = Call("GET", f"/v1/alerts/{alert['id']}/explain", ("alerts:read", "accounts:read"))
    nobody = Call("GET", "/v1/alerts/nobody-1/explain", call.scopes)
    async with open_guarded(redis_url) as guarded:
        token = await guarded.token(*call.scopes, tenant="default")
        answer = (await guarded.send(call, token)).json()
        assert (answer["equal"], answer["alert"]) == (True, alert)
        for asked, tenant in ((call, "desk-b"), (nobody, "default")):
            token = await guarded.token(*call.scopes, tenant=tenant)
            refused = await guarded.send(asked, token)
            assert (refused.status_code, refused.json()["code"]) == (404, "unknown_alert")


async def test_a_log_that_says_otherwise_is_found_out(redis_url: str) -> None:
    """The last digit of one field of one alert, anywhere: the audit says which."""
    async with played(redis_url, 40) as store:
        alerts = [alert for alert in await alerts_of(store) if alert["positions"]]
        for name, change in CHANGES.items():
            alert = random.Random(SEED).choice([one for one in alerts if one[name]])
            name_of_account = f"default/{alert['accountId']}"
            await rewrite(store, alert["id"], name, change)
            found = await auditor_over(store).explain(name_of_account, alert["seq"])
            unlike = [field.name for field in found.fields if not field.equal]
            assert (found.equal, name in unlike) == (False, True), (alert, unlike)
            await rewrite(store, alert["id"], name, lambda _, was=alert[name]: was)
        await what_is_gone_is_said(store)


async def rewrite(store: Store, alert_id: str, name: str, change: Any) -> None:
    """Put another value in the place of an alert's field, in the log itself."""
    for shard in range(SHARDS):
        log = ShardKeys(shard).log
        for identifier, fields in await store.client.call("XRANGE", log, "-", "+"):
            alerts = orjson.loads(fields[5])
            named = [alert for alert in alerts if alert["id"] == alert_id]
            if named:
                named[0][name] = change(named[0][name])
                fields[5] = b"[" + b",\n".join(orjson.dumps(alert) for alert in alerts) + b"]"
            await store.client.call("XADD", f"{log}:copy", identifier, *fields)
        if await store.client.call("EXISTS", f"{log}:copy"):
            await store.client.call("RENAME", f"{log}:copy", log)


async def what_is_gone_is_said(store: Store) -> None:
    """Nothing is guessed: of an alert whose market is gone, or the entry that it came by."""
    last = max(await alerts_of(store), key=lambda alert: int(alert["marketId"]))
    market_id = int(last["marketId"])
    auditor, name = auditor_over(store), f"default/{last['accountId']}"
    with pytest.raises(UnknownAlert):
        await auditor.explain(name, 10**6)
    await store.client.call("DEL", SNAPSHOTS)
    assert (await auditor.explain(name, last["seq"])).equal  # the stream has it from the start
    await store.client.call("XTRIM", STREAM, "MINID", f"{market_id - 1}-0")
    with pytest.raises(NoLongerKept, match="market stream is kept from entry"):
        await auditor.explain(name, last["seq"])
    await store.client.call("XTRIM", STREAM, "MINID", f"{market_id + 1}-0")
    with pytest.raises(NoLongerKept, match=f"entry {market_id} of the market stream"):
        await auditor.explain(name, last["seq"])
