"""Every call with keys of two tenants: what is another's is not there, what is not allowed is told.

The same answer for "not there" and "not yours", and one for every token that is no good.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest

from service.app import contract_documents
from service.store.alert_log import AlertLog
from service.store.api_keys import SCOPES, ApiKeys, Scope
from service.store.client import connect
from tests.api.workers import SHARDS, account, instrument, long, open_worker, settings_of
from tests.push.log_writer import LogWriter

pytestmark = pytest.mark.anyio

BOOTSTRAP = "b" * 32
HOLDER = account(long())
ANY_KEY = None


@dataclass(frozen=True)
class Call:
    """A call, the scope that it needs, and its body."""

    method: str
    path: str
    scope: Scope | None
    body: Any = None


CALLS = [
    Call("POST", "/v1/evaluate", "evaluate", {"accounts": [HOLDER | {"id": "a1"}]}),
    Call("PUT", "/v1/instruments", "admin", [instrument()]),
    Call("GET", "/v1/instruments", ANY_KEY),
    Call(
        "POST",
        "/v1/marks",
        "marks:write",
        {"marks": [{"symbol": "BTC/USDT:USDT", "markPrice": 60_000}]},
    ),
    Call("GET", "/v1/marks", ANY_KEY),
    Call("PUT", "/v1/accounts/a1", "accounts:write", HOLDER),
    Call("GET", "/v1/accounts/a1", "accounts:read"),
    Call("DELETE", "/v1/accounts/a1", "accounts:write"),
    Call("POST", "/v1/accounts:batch", "accounts:write", [HOLDER | {"id": "a1"}]),
    Call(
        "POST",
        "/v1/accounts/a1/adjust",
        "accounts:write",
        {"asset": "USDT", "delta": 1, "reason": "fee"},
    ),
    Call("GET", "/v1/accounts/a1/risk", "accounts:read"),
    Call("GET", "/v1/accounts?limit=none", "accounts:read"),  # refused after the door, at once
    Call("GET", "/v1/alerts", "alerts:read"),
    Call("GET", "/v1/alerts?accountId=a1", "alerts:read"),
    Call("GET", "/metrics", "admin"),
]
OPEN = {"/livez", "/readyz"}
BY_NAME = pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")


@dataclass
class Guarded:
    """A worker with keys in force, and where its keys are made."""

    http: httpx.AsyncClient
    keys: ApiKeys
    log: AlertLog

    async def token(
        self, *scopes: Scope, tenant: str = "desk-a", expires_ms: int | None = None
    ) -> str:
        _, token = await self.keys.create("bot", tenant, scopes, now_ms(), expires_ms)
        return token

    async def send(self, call: Call, token: str | None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.http.request(call.method, call.path, json=call.body, headers=headers)


@pytest.fixture
async def guarded(redis_url: str) -> AsyncIterator[Guarded]:
    settings = settings_of(redis_url, require_keys=True, bootstrap_key=BOOTSTRAP)
    async with open_worker(settings) as http, connect(redis_url) as client:
        yield Guarded(http, ApiKeys(client), AlertLog(client, SHARDS))


def now_ms() -> int:
    return int(time.time() * 1_000)


def test_the_list_of_calls_is_the_documents_and_so_are_the_scopes() -> None:
    document = orjson.loads(contract_documents()["openapi.json"])
    documented = {
        (method.upper(), path.replace("{account_id}", "a1")): found.get("security")
        for path, methods in document["paths"].items()
        for method, found in methods.items()
        if path not in OPEN
    }
    assert documented == {
        (call.method, call.path.partition("?")[0]): [
            {"apiKey": [] if call.scope is None else [call.scope]},
            {},
        ]
        for call in CALLS
    }


@BY_NAME
async def test_every_token_that_is_no_good_gets_the_same_answer(
    guarded: Guarded, call: Call
) -> None:
    good = await guarded.token(*SCOPES)
    revoked, expired = await guarded.token(*SCOPES), None
    expired = await guarded.token(*SCOPES, expires_ms=now_ms() + 1)
    await guarded.keys.revoke(revoked.split("_")[1], now_ms())
    wrong_secret = good[:-1] + ("0" if good[-1] != "0" else "1")
    unknown = good.replace(good.split("_")[1], "0" * 12)
    answers = set()
    for token in (None, "", "x", revoked, expired, wrong_secret, unknown, BOOTSTRAP[:-1]):
        response = await guarded.send(call, token)
        assert response.status_code == 401, token
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["code"] == "unauthenticated"
        answers.add(response.content)
        assert token is None or len(token) < 2 or token.encode() not in response.content
    assert len(answers) == 1


@BY_NAME
async def test_every_scope_that_is_missing_is_refused_and_the_one_needed_is_enough(
    guarded: Guarded, call: Call
) -> None:
    for scope in SCOPES:
        response = await guarded.send(call, await guarded.token(scope))
        if call.scope in (None, scope) or scope == "admin":
            assert response.status_code not in (401, 403), scope
        else:
            assert response.status_code == 403, scope
            assert response.json()["code"] == "missing_scope"
    others: list[Scope] = [one for one in SCOPES if one not in (call.scope, "admin")]
    if call.scope is not None:
        assert (await guarded.send(call, await guarded.token(*others))).status_code == 403


async def test_what_is_refused_was_not_done(guarded: Guarded) -> None:
    put = Call("PUT", "/v1/accounts/a1", "accounts:write", account())
    get = Call("GET", "/v1/accounts/a1", "accounts:read")
    token = await guarded.token("accounts:read")
    for other in (token, None, "x"):
        assert (await guarded.send(put, other)).status_code in (401, 403)
    assert (await guarded.send(get, token)).status_code == 404


@pytest.mark.parametrize(
    "call",
    [call for call in CALLS if call.path.startswith("/v1/accounts/a1") and call.method != "PUT"],
    ids=lambda call: f"{call.method} {call.path}",
)
async def test_not_yours_is_answered_as_not_there(guarded: Guarded, call: Call) -> None:
    ours, theirs = await guarded.token("admin"), await guarded.token("admin", tenant="desk-b")
    listed = Call("PUT", "/v1/instruments", "admin", [instrument()])
    put = Call("PUT", "/v1/accounts/a1", "accounts:write", HOLDER)
    get = Call("GET", "/v1/accounts/a1", "accounts:read")
    assert (await guarded.send(listed, ours)).status_code == 200
    not_there = await guarded.send(call, theirs)
    assert (await guarded.send(put, ours)).status_code == 200
    stored = (await guarded.send(get, ours)).content
    not_yours = await guarded.send(call, theirs)

    assert not_yours.status_code == not_there.status_code == 404
    assert not_yours.content == not_there.content
    assert not_yours.headers == not_there.headers
    assert (await guarded.send(get, ours)).content == stored


async def test_tenants_have_accounts_of_the_same_name_and_each_its_own(guarded: Guarded) -> None:
    tokens = {name: await guarded.token("admin", tenant=name) for name in ("desk-a", "desk-b")}
    get = Call("GET", "/v1/accounts/a1", "accounts:read")
    for number, token in enumerate(tokens.values()):
        put = Call("PUT", "/v1/accounts/a1", "accounts:write", account(usdt=number + 1))
        written = await guarded.send(put, token)
        assert written.json() == {"id": "a1", "version": 1}
    batch = Call("POST", "/v1/accounts:batch", "accounts:write", [account(usdt=7) | {"id": "a1"}])
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
    call = Call("GET", "/v1/alerts", "alerts:read")
    empty = (await guarded.send(call, tokens["desk-b"])).json()["cursor"]
    await ours.write(["a1", "a2"])
    for path in (
        f"/v1/alerts?since={empty}",
        "/v1/alerts?accountId=a1",
        "/v1/alerts?accountId=none",
    ):
        page = (await guarded.send(Call("GET", path, "alerts:read"), tokens["desk-b"])).json()
        assert (page["alerts"], page["recovered"], page["more"]) == ([], True, False)
    theirs.take_over(ours)
    await theirs.write(["a1"])
    for tenant, writer in (("desk-a", ours), ("desk-b", theirs)):
        page = (await guarded.send(call, tokens[tenant])).json()
        told = sorted(alert["maintenanceMargin"] for alert in page["alerts"])
        assert told == sorted(alert.maintenance_margin or 0.0 for alert in writer.written)


async def test_a_stale_version_of_anothers_account_is_answered_as_of_none(guarded: Guarded) -> None:
    ours, theirs = await guarded.token("admin"), await guarded.token("admin", tenant="desk-b")
    put = Call("PUT", "/v1/accounts/a1", "accounts:write", account())
    answers = []
    for there in (False, True):
        if there:
            await guarded.send(put, ours)
        headers = {"Authorization": f"Bearer {theirs}", "If-Match": '"1"'}
        response = await guarded.http.put(put.path, json=put.body, headers=headers)
        answers.append((response.status_code, response.content))
    assert answers[0] == answers[1]
    assert answers[0][0] == 412


async def test_the_bootstrap_key_may_do_everything_in_the_default_tenant(guarded: Guarded) -> None:
    default = await guarded.token("accounts:read", tenant="default")
    other = await guarded.token("accounts:read")
    put = Call("PUT", "/v1/accounts/a1", "accounts:write", account())
    get = Call("GET", "/v1/accounts/a1", "accounts:read")
    assert (await guarded.send(put, BOOTSTRAP)).status_code == 200
    assert (await guarded.send(get, default)).status_code == 200
    assert (await guarded.send(get, other)).status_code == 404
    for call in CALLS:
        assert (await guarded.send(call, BOOTSTRAP)).status_code not in (401, 403)


async def test_container_checks_need_no_key(guarded: Guarded) -> None:
    for path in OPEN:
        assert (await guarded.http.get(path)).status_code in (200, 503)


async def test_without_keys_in_force_nobody_is_asked(redis_url: str) -> None:
    async with open_worker(settings_of(redis_url)) as http:
        for call in CALLS:
            for headers in ({}, {"Authorization": "Bearer nonsense"}):
                answer = await http.request(call.method, call.path, json=call.body, headers=headers)
                assert answer.status_code not in (401, 403)


async def test_a_key_cannot_be_checked_without_the_store() -> None:
    settings = settings_of("redis://127.0.0.1:1/0", bootstrap_key=BOOTSTRAP)
    async with open_worker(settings) as http:
        body = {
            "accounts": [HOLDER | {"id": "a1"}],
            "marks": {"BTC/USDT:USDT": 60_000},
            "instruments": [instrument()],
        }
        for token, status in ((BOOTSTRAP, 200), (f"plk_{'0' * 12}_{'0' * 64}", 503), ("x", 401)):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await http.post("/v1/evaluate", json=body, headers=headers)
            assert answer.status_code == status


async def test_no_secret_is_logged(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    token = await guarded.token("evaluate")
    secret = token.rpartition("_")[2]
    for call in CALLS:
        for sent in (token, BOOTSTRAP, token[:-1] + "g"):
            response = await guarded.send(call, sent)
            assert secret not in response.text
            assert BOOTSTRAP not in response.text
    assert secret[:-1] not in caplog.text
    assert BOOTSTRAP not in caplog.text
