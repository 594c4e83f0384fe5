"""`/v1/targets`: made, shown, replaced, removed, by id and tenant; a URL is never shown."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from service.api.targets import TARGETS_MAX
from service.contract.targets import WINDOW_MAX_S
from service.store.client import connect
from service.store.keys import DEFAULT_TENANT, TARGETS, tenant_key
from service.store.receivers import Targets
from tests.api.workers import errors_of, open_worker, settings_of

pytestmark = pytest.mark.anyio

URL = "tgram://123456789:s3cr3t-t0k3n/12315544/"
KEY = tenant_key(DEFAULT_TENANT, "desk")


@pytest.fixture
async def telling(redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A worker of a service that tells targets."""
    async with open_worker(settings_of(redis_url, targets=True)) as http:
        yield http


async def put(worker: httpx.AsyncClient, name: str = "desk", **body: Any) -> httpx.Response:
    return await worker.put(f"/v1/targets/{name}", json={"url": URL} | body)


async def test_a_url_is_kept_and_never_shown(telling: httpx.AsyncClient, redis_url: str) -> None:
    made = await put(telling, windowS=0)
    assert made.status_code == 201
    other = URL.replace("s3cr3t", "an0th3r")
    again = await put(telling, url=other, accounts=["desk.*"], levels=["LIQUIDATION"])
    assert again.status_code == 200
    shown = (await telling.get("/v1/targets/desk")).json()
    assert shown == again.json()
    assert (shown["service"], shown["accounts"], shown["windowS"]) == ("tgram", ["desk.*"], 10)
    assert shown["createdAt"] == made.json()["createdAt"]
    assert (await telling.get("/v1/targets")).json() == {"targets": [shown]}
    async with connect(redis_url) as client:
        assert (await client.call("HGET", TARGETS.secrets, KEY)).decode() == other
        assert b"t0k3n" not in await client.call("HGET", TARGETS.records, KEY)
    texts = [made.text, again.text]
    for path in ("/v1/targets", "/v1/targets/desk", "/v1/targets/desk/dead-letters"):
        texts.append((await telling.get(path)).text)
    assert "t0k3n" not in "".join(texts)


async def test_a_service_that_tells_no_targets_says_so(worker: httpx.AsyncClient) -> None:
    response = await put(worker)
    assert (response.status_code, response.json()["code"]) == (403, "targets_off")
    assert (await worker.get("/v1/targets")).json() == {"targets": []}


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"url": "https://hooks.slack.com/services/s3cr3t"}, "/url", "service_not_allowed"),
        ({"url": "jsons://127.0.0.1/s3cr3t"}, "/url", "address_not_public"),
        ({"url": "tgram://s3cr3t?template=/etc/passwd"}, "/url", "parameter_not_allowed"),
        ({"url": "s3cr3t"}, "/url", "invalid_url"),
        ({"url": ""}, "/url", "invalid_length"),
        ({"accounts": []}, "/accounts", "invalid_length"),
        ({"levels": ["SAD"]}, "/levels/0", "invalid_value"),
        ({"windowS": -1}, "/windowS", "out_of_range"),
        ({"windowS": WINDOW_MAX_S + 1}, "/windowS", "out_of_range"),
    ],
)
async def test_what_is_wrong_is_named_and_not_quoted(
    telling: httpx.AsyncClient, body: dict[str, Any], pointer: str, code: str
) -> None:
    response = await put(telling, **body)
    assert response.status_code == 422
    assert errors_of(response) == [(pointer, code)]
    assert "s3cr3t" not in response.text
    assert (await telling.get("/v1/targets")).json() == {"targets": []}


async def test_what_is_deleted_or_anothers_is_not_there(
    telling: httpx.AsyncClient, redis_url: str
) -> None:
    assert (await put(telling)).status_code == 201
    assert (await telling.delete("/v1/targets/desk")).status_code == 204
    async with connect(redis_url) as client:
        await Targets(client).put(tenant_key("stranger", "theirs"), b"{}", "s", b"{}")
    for name in ("desk", "theirs"):
        for method, path in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/test"),
            ("GET", "/dead-letters"),
            ("POST", "/dead-letters:replay"),
        ]:
            response = await telling.request(method, f"/v1/targets/{name}{path}")
            assert (response.status_code, response.json()["code"]) == (404, "unknown_target")
    assert (await telling.get("/v1/targets")).json() == {"targets": []}
    async with connect(redis_url) as client:
        assert await client.call("EXISTS", TARGETS.letters_again(KEY)) == 0


async def test_there_is_an_end_to_how_many(telling: httpx.AsyncClient, redis_url: str) -> None:
    async with connect(redis_url) as client:
        for tenant, count in (("stranger", TARGETS_MAX), (DEFAULT_TENANT, TARGETS_MAX - 1)):
            for number in range(count):
                await Targets(client).put(tenant_key(tenant, f"{number}"), b"{}", "s", b"{}")
    assert (await put(telling)).status_code == 201
    assert (await put(telling, "more")).status_code == 413
    assert (await put(telling)).status_code == 200


async def test_a_test_message_waits_for_who_sends_it(
    telling: httpx.AsyncClient, redis_url: str
) -> None:
    await put(telling)
    response = await telling.post("/v1/targets/desk/test")
    assert response.status_code == 202
    async with connect(redis_url) as client:
        letter = msgspec.json.decode((await Targets(client).again([KEY]))[KEY])
    assert letter["id"] == response.json()["id"]
    assert letter["payload"]["title"] == "Plimsoll: a test"
