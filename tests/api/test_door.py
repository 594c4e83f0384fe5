"""Every call with every key: no token that is no good, and no scope too few, gets in."""

import orjson
import pytest

from service.app import contract_documents
from service.store.api_keys import SCOPES, Scope
from tests.api.guarded import BOOTSTRAP, CALLS, HOLDER, Call, Guarded, now_ms
from tests.api.workers import account, instrument, open_worker, settings_of

pytestmark = pytest.mark.anyio

OPEN = {"/livez", "/readyz"}
BY_NAME = pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")


def test_the_list_of_calls_is_the_documents_and_so_are_the_scopes() -> None:
    document = orjson.loads(contract_documents()["openapi.json"])
    documented = {
        (
            method.upper(),
            path.replace("{account_id}", "a1")
            .replace("{webhook_id}", "w1")
            .replace("{target_id}", "t1")
            .replace("{alert_id}", "a1-1")
            .replace("{silence_id}", "0123456789abcdef")
            .replace("{symbol}", "BTC/USDT:USDT")
            .replace("{venue}", "binance")
            .replace("{asset}", "USDT"),
        ): found.get("security")
        for path, methods in document["paths"].items()
        for method, found in methods.items()
        if path not in OPEN
    }
    assert documented == {
        (call.method, call.path.partition("?")[0]): [{"apiKey": list(call.scopes)}, {}]
        for call in CALLS
    }


@BY_NAME
async def test_every_token_that_is_no_good_gets_the_same_answer(
    guarded: Guarded, call: Call
) -> None:
    good = await guarded.token(*SCOPES)
    revoked = await guarded.token(*SCOPES)
    expired = await guarded.token(*SCOPES, expires_ms=now_ms())
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
async def test_every_scope_that_is_missing_is_refused_and_those_needed_are_enough(
    guarded: Guarded, call: Call
) -> None:
    for scope in SCOPES:
        response = await guarded.send(call, await guarded.token(scope))
        if set(call.scopes) <= {scope} or scope == "admin":
            assert response.status_code not in (401, 403), scope
        else:
            assert response.status_code == 403, scope
            assert response.json()["code"] == "missing_scope"
    enough = await guarded.token(*(call.scopes or ("evaluate",)))
    assert (await guarded.send(call, enough)).status_code not in (401, 403)
    for needed in call.scopes:
        others: list[Scope] = [one for one in SCOPES if one not in (needed, "admin")]
        assert (await guarded.send(call, await guarded.token(*others))).status_code == 403, needed


async def test_what_is_refused_was_not_done(guarded: Guarded) -> None:
    put = Call("PUT", "/v1/accounts/a1", ("accounts:write",), account())
    get = Call("GET", "/v1/accounts/a1", ("accounts:read",))
    token = await guarded.token("accounts:read")
    for other in (token, None, "x"):
        assert (await guarded.send(put, other)).status_code in (401, 403)
    assert (await guarded.send(get, token)).status_code == 404


async def test_the_bootstrap_key_may_do_everything_in_the_default_tenant(guarded: Guarded) -> None:
    default = await guarded.token("accounts:read", tenant="default")
    other = await guarded.token("accounts:read")
    put = Call("PUT", "/v1/accounts/a1", ("accounts:write",), account())
    get = Call("GET", "/v1/accounts/a1", ("accounts:read",))
    assert (await guarded.send(put, BOOTSTRAP)).status_code == 200
    assert (await guarded.send(get, default)).status_code == 200
    assert (await guarded.send(get, other)).status_code == 404
    for call in CALLS:
        assert (await guarded.send(call, BOOTSTRAP)).status_code not in (401, 403)


async def test_container_checks_need_no_key(guarded: Guarded) -> None:
    for path in OPEN:
        assert (await guarded.http.get(path)).status_code in (200, 503)


async def test_without_keys_in_force_nobody_is_asked(redis_url: str) -> None:
    async with open_worker(settings_of(redis_url, targets=True)) as http:
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
