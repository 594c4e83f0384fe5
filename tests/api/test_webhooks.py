"""`/v1/webhooks`: made, shown, replaced, removed, by id and tenant; a secret is shown once."""

from typing import Any

import httpx
import msgspec
import pytest

from service.api.webhooks import WEBHOOKS_MAX
from service.contract.webhooks import DeadLetter, write
from service.store.client import connect
from service.store.keys import DEFAULT_TENANT, HOOKS, tenant_key
from service.store.receivers import Webhooks
from tests.api.workers import errors_of

pytestmark = pytest.mark.anyio

URL = "https://example.com/in"
KEY = tenant_key(DEFAULT_TENANT, "ops")


async def put(worker: httpx.AsyncClient, name: str = "ops", **body: Any) -> httpx.Response:
    return await worker.put(f"/v1/webhooks/{name}", json={"url": URL} | body)


async def test_a_secret_is_shown_when_it_is_made_and_never_again(
    worker: httpx.AsyncClient,
) -> None:
    made = await put(worker)
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    again = await put(worker, accounts=["desk.*"], levels=["LIQUIDATION"])
    assert (again.status_code, again.json()["secret"]) == (200, None)
    shown = (await worker.get("/v1/webhooks/ops")).json()
    assert shown == again.json()
    assert (shown["accounts"], shown["levels"]) == (["desk.*"], ["LIQUIDATION"])
    assert shown["createdAt"] == made.json()["createdAt"]
    listed = await worker.get("/v1/webhooks")
    assert listed.json() == {"webhooks": [shown]}
    rotated = (await worker.post("/v1/webhooks/ops/secret")).json()["secret"]
    assert rotated.startswith("whsec_")
    assert rotated != secret
    for path in ("/v1/webhooks", "/v1/webhooks/ops", "/v1/webhooks/ops/dead-letters"):
        text = (await worker.get(path)).text
        assert secret not in text
        assert rotated not in text


async def test_a_rotated_secret_leaves_the_one_before(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    secrets = [(await put(worker)).json()["secret"]]
    for _ in range(2):
        answer = (await worker.post("/v1/webhooks/ops/secret")).json()
        secrets.append(answer["secret"])
    async with connect(redis_url) as client:
        stored = (await client.call("HGET", HOOKS.secrets, KEY)).decode().split(" ")
    assert stored == [secrets[2], secrets[1], str(answer["previousGoodUntil"])]


async def test_what_is_deleted_is_gone(worker: httpx.AsyncClient) -> None:
    first = (await put(worker)).json()
    assert (await worker.delete("/v1/webhooks/ops")).status_code == 204
    for method, path in [
        ("GET", "/v1/webhooks/ops"),
        ("DELETE", "/v1/webhooks/ops"),
        ("POST", "/v1/webhooks/ops/secret"),
        ("GET", "/v1/webhooks/ops/dead-letters"),
        ("POST", "/v1/webhooks/ops/dead-letters:replay"),
    ]:
        response = await worker.request(method, path)
        assert (response.status_code, response.json()["code"]) == (404, "unknown_webhook")
    assert (await worker.get("/v1/webhooks")).json() == {"webhooks": []}
    assert (await put(worker)).json()["secret"] != first["secret"]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"url": "http://example.com/"}, "/url", "invalid_url"),
        ({"url": "https://127.0.0.1/"}, "/url", "address_not_public"),
        ({"url": ""}, "/url", "invalid_length"),
        ({"url": 7}, "/url", "wrong_type"),
        ({"accounts": []}, "/accounts", "invalid_length"),
        ({"accounts": ["a b"]}, "/accounts/0", "invalid_name"),
        ({"levels": ["SAD"]}, "/levels/0", "invalid_value"),
    ],
)
async def test_what_is_wrong_is_named(
    worker: httpx.AsyncClient, body: dict[str, Any], pointer: str, code: str
) -> None:
    response = await put(worker, **body)
    assert response.status_code == 422
    assert errors_of(response) == [(pointer, code)]
    assert (await worker.get("/v1/webhooks")).json() == {"webhooks": []}


async def test_a_name_that_is_none_is_refused(worker: httpx.AsyncClient) -> None:
    assert (await put(worker, "a" * 64)).status_code == 201
    for name in ("a" * 65, "a%20b", "a:b"):
        response = await put(worker, name)
        assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


async def test_there_is_an_end_to_how_many(worker: httpx.AsyncClient, redis_url: str) -> None:
    async with connect(redis_url) as client:
        webhooks = Webhooks(client)
        for number in range(WEBHOOKS_MAX):
            await webhooks.put(tenant_key("stranger", f"{number}"), b"{}", "s", b"{}")
        for number in range(WEBHOOKS_MAX - 1):
            await webhooks.put(tenant_key(DEFAULT_TENANT, f"{number}"), b"{}", "s", b"{}")
    assert (await put(worker)).status_code == 201
    assert (await put(worker, "more")).status_code == 413
    assert (await put(worker)).status_code == 200


async def test_another_tenants_webhooks_are_not_there(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    await put(worker)
    async with connect(redis_url) as client:
        webhooks = Webhooks(client)
        assert await webhooks.keys_of("stranger") == []
        assert await webhooks.keys_of(DEFAULT_TENANT) == [KEY]
        await webhooks.put(tenant_key("stranger", "theirs"), b"{}", "secret", b"{}")
    assert [one["id"] for one in (await worker.get("/v1/webhooks")).json()["webhooks"]] == ["ops"]
    assert (await worker.get("/v1/webhooks/theirs")).status_code == 404


async def test_dead_letters_are_read_and_replayed(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    await put(worker)
    payload = b'{"type":"alerts","timestamp":"2025-10-10T21:00:00+00:00","data":{}}'
    async with connect(redis_url) as client:
        for number in range(3):
            letter = DeadLetter(f"msg_{number}", number, 4, "answered 500", msgspec.Raw(payload))
            await client.call("RPUSH", HOOKS.dead_letters(KEY), write(letter))
        path = "/v1/webhooks/ops/dead-letters"
        found = (await worker.get(path)).json()["deadLetters"]
        assert [each["id"] for each in found] == ["msg_0", "msg_1", "msg_2"]
        assert found[0]["payload"]["type"] == "alerts"
        assert (await worker.get("/v1/webhooks/ops")).json()["deadLetters"] == 3
        assert (await worker.post(f"{path}:replay?id=msg_1")).json() == {"replayed": 1}
        assert (await worker.post(f"{path}:replay?id=msg_1")).json() == {"replayed": 0}
        assert (await worker.post(f"{path}:replay")).json() == {"replayed": 2}
        assert (await worker.get(path)).json() == {"deadLetters": []}
        assert b"msg_1" in (await Webhooks(client).again([KEY]))[KEY]
