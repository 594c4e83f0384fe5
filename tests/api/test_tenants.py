"""Two tenants: what is another's is not there, and is answered as what does not exist."""

import pytest

from tests.api.guarded import CALLS, DIRECTS, READS, Call, Guarded
from tests.api.workers import SHARDS, account, instrument
from tests.push.log_writer import LogWriter

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "call",
    [
        call
        for call in CALLS
        if call.path.startswith(("/v1/accounts/a1", "/v1/webhooks/w1", "/v1/targets/t1"))
        and call.method != "PUT"
    ],
    ids=lambda call: f"{call.method} {call.path}",
)
async def test_not_yours_is_answered_as_not_there(guarded: Guarded, call: Call) -> None:
    ours, theirs = await guarded.token("admin"), await guarded.token("admin", tenant="desk-b")
    listed = Call("PUT", "/v1/instruments", ("admin",), [instrument()])
    place = "/".join(call.path.split("/")[:4])
    (put,) = (one for one in CALLS if (one.method, one.path) == ("PUT", place))
    get = Call("GET", place, READS)
    assert (await guarded.send(listed, ours)).status_code == 200
    not_there = await guarded.send(call, theirs)
    assert (await guarded.send(put, ours)).is_success
    stored = (await guarded.send(get, ours)).content
    not_yours = await guarded.send(call, theirs)

    assert not_yours.status_code == not_there.status_code == 404
    assert not_yours.content == not_there.content
    for answer in (not_yours, not_there):
        assert answer.headers.pop("ratelimit")  # says what its own key has left
        assert answer.headers.pop("x-request-id")
    assert not_yours.headers == not_there.headers
    assert (await guarded.send(get, ours)).content == stored


async def test_tenants_have_webhooks_of_the_same_name_and_each_its_own(guarded: Guarded) -> None:
    tokens = {name: await guarded.token(*DIRECTS, tenant=name) for name in ("desk-a", "desk-b")}
    listed = Call("GET", "/v1/webhooks", READS)
    secrets, urls = set(), []
    for tenant, token in tokens.items():
        assert (await guarded.send(listed, token)).json() == {"webhooks": []}
        put = Call("PUT", "/v1/webhooks/w1", DIRECTS, {"url": f"https://{tenant}.example/"})
        made = await guarded.send(put, token)
        assert made.status_code == 201  # new, whoever else has one of this name
        secrets.add(made.json()["secret"])
    for token in tokens.values():
        (shown,) = (await guarded.send(listed, token)).json()["webhooks"]
        urls.append(shown["url"])
    assert urls == ["https://desk-a.example/", "https://desk-b.example/"]
    assert len(secrets) == 2
    gone = Call("DELETE", "/v1/webhooks/w1", DIRECTS)
    assert (await guarded.send(gone, tokens["desk-b"])).status_code == 204
    assert len((await guarded.send(listed, tokens["desk-a"])).json()["webhooks"]) == 1


async def test_tenants_have_accounts_of_the_same_name_and_each_its_own(guarded: Guarded) -> None:
    tokens = {name: await guarded.token("admin", tenant=name) for name in ("desk-a", "desk-b")}
    get = Call("GET", "/v1/accounts/a1", ("accounts:read",))
    for number, token in enumerate(tokens.values()):
        put = Call("PUT", "/v1/accounts/a1", ("accounts:write",), account(usdt=number + 1))
        written = await guarded.send(put, token)
        assert written.json() == {"id": "a1", "version": 1}
    batch = Call(
        "POST", "/v1/accounts:batch", ("accounts:write",), [account(usdt=7) | {"id": "a1"}]
    )
    assert (await guarded.send(batch, tokens["desk-b"])).json()["results"][0]["version"] == 2
    amounts = [
        (await guarded.send(get, token)).json()["balances"][0]["amount"]
        for token in tokens.values()
    ]
    assert amounts == [1, 7]


async def test_the_log_shows_a_tenant_its_own_alerts(guarded: Guarded) -> None:
    tokens = {
        name: await guarded.token("alerts:read", tenant=name) for name in ("desk-a", "desk-b")
    }
    ours = LogWriter(guarded.log, SHARDS, "desk-a")
    theirs = LogWriter(guarded.log, SHARDS, "desk-b")
    call = Call("GET", "/v1/alerts", ("alerts:read",))
    empty = (await guarded.send(call, tokens["desk-b"])).json()["cursor"]
    await ours.write(["a1", "a2"])
    for path in (
        f"/v1/alerts?since={empty}",
        "/v1/alerts?accountId=a1",
        "/v1/alerts?accountId=none",
    ):
        page = (await guarded.send(Call("GET", path, ("alerts:read",)), tokens["desk-b"])).json()
        assert (page["alerts"], page["recovered"], page["more"]) == ([], True, False)
    theirs.take_over(ours)
    await theirs.write(["a1"])
    for tenant, writer in (("desk-a", ours), ("desk-b", theirs)):
        page = (await guarded.send(call, tokens[tenant])).json()
        told = sorted(alert["maintenanceMargin"] for alert in page["alerts"])
        assert told == sorted(alert.maintenance_margin or 0.0 for alert in writer.written)


async def test_a_stale_version_of_anothers_account_is_answered_as_of_none(guarded: Guarded) -> None:
    ours, theirs = await guarded.token("admin"), await guarded.token("admin", tenant="desk-b")
    put = Call("PUT", "/v1/accounts/a1", ("accounts:write",), account())
    answers = []
    for there in (False, True):
        if there:
            await guarded.send(put, ours)
        headers = {"Authorization": f"Bearer {theirs}", "If-Match": '"1"'}
        response = await guarded.http.put(put.path, json=put.body, headers=headers)
        answers.append((response.status_code, response.content))
    assert answers[0] == answers[1]
    assert answers[0][0] == 412
