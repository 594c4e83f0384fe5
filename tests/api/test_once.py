"""`Idempotency-Key`: once carried out, the same answer after, whoever dies over it and when."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest

from service.api.once import ANSWER_BYTES_MAX, KEY_MAX
from service.app import contract_documents
from service.errors import CallInProgress, StoreUnavailable
from service.store import claims as claims_room
from service.store import keys
from service.store.accounts import Accounts
from service.store.claims import Claim, Claims, Outcome
from service.store.client import connect
from service.store.market_stream import Gate, MarketStream
from tests.api.guarded import HOLDER, WRITES, Guarded
from tests.api.workers import SHARDS, account, instrument, open_worker, settings_of

pytestmark = pytest.mark.anyio

ADJUST = "/v1/accounts/a1/adjust"
FEE = {"asset": "USDT", "delta": -1, "reason": "fee"}


@pytest.fixture
async def desk(worker: httpx.AsyncClient) -> httpx.AsyncClient:
    """A worker with one account of 10,000 USDT."""
    assert (await worker.put("/v1/accounts/a1", json=account())).is_success
    return worker


async def adjust(
    desk: httpx.AsyncClient, key: str = '"k1"', body: Any = None, **more: str
) -> httpx.Response:
    headers = {"idempotency-key": key} | {n.replace("_", "-"): v for n, v in more.items()}
    return await desk.post(ADJUST, json=body or FEE, headers=headers)


async def balance(desk: httpx.AsyncClient) -> float:
    (only,) = (await desk.get("/v1/accounts/a1")).json()["balances"]
    amount = only["amount"]
    assert isinstance(amount, int | float)
    return float(amount)


def told(answer: httpx.Response) -> tuple[int, bytes, str | None, str | None]:
    """What a client reads of an answer."""
    names = ("content-type", "etag")
    return answer.status_code, answer.content, *(answer.headers.get(name) for name in names)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_same_call_is_done_once_and_answered_the_same(desk: httpx.AsyncClient) -> None:
    answers = [await adjust(desk) for _ in range(3)]
    assert answers[0].json() == {"id": "a1", "version": 2, "asset": "USDT", "amount": 9_999}
    assert len({told(answer) for answer in answers}) == 1
    assert await balance(desk) == 9_999
    assert told(await adjust(desk, "k1")) == told(answers[0])  # as many send it, without quotes
    assert (await adjust(desk, '"k2"')).json()["amount"] == 9_998
    assert (await desk.post(ADJUST, json=FEE)).json()["amount"] == 9_997


async def test_another_call_may_not_have_the_key(desk: httpx.AsyncClient) -> None:
    await adjust(desk)
    for other in (
        await adjust(desk, body=FEE | {"delta": -2}),
        await adjust(desk, if_match='"1"'),
    ):
        assert code(other) == (422, "idempotency_key_reused")
    assert await balance(desk) == 9_999
    # A key belongs to one call at one place.
    put = await desk.put("/v1/accounts/a1", json=account(), headers={"idempotency-key": '"k1"'})
    assert put.status_code == 200


async def test_of_calls_at_once_one_is_carried_out(desk: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*[adjust(desk) for _ in range(20)])
    good = {told(answer) for answer in answers if answer.status_code == 200}
    assert len(good) == 1
    for answer in answers:
        if answer.status_code != 200:
            assert code(answer) == (409, "call_in_progress")
            assert answer.headers["retry-after"] == "1"
    assert await balance(desk) == 9_999


async def test_what_was_refused_is_not_kept(desk: httpx.AsyncClient) -> None:
    assert (await adjust(desk, body={"asset": 1})).status_code == 422
    assert (await adjust(desk)).status_code == 200
    headers = {"idempotency-key": '"k"', "if-match": '"9"'}
    for _ in range(2):
        refused = await desk.put("/v1/accounts/a1", json=account(), headers=headers)
        assert code(refused) == (412, "version_mismatch")


@pytest.mark.parametrize("key", ["", '""', '"', "a" * (KEY_MAX + 1), 'a"b'])
async def test_a_key_that_is_none_is_refused(desk: httpx.AsyncClient, key: str) -> None:
    assert code(await adjust(desk, key)) == (400, "invalid_idempotency_key")
    assert (await adjust(desk, f'"{"a" * KEY_MAX}"')).status_code == 200


async def test_two_keys_and_lines_are_refused(desk: httpx.AsyncClient) -> None:
    two = [("idempotency-key", '"a"'), ("idempotency-key", '"b"')]
    assert code(await desk.post(ADJUST, json=FEE, headers=two)) == (400, "invalid_idempotency_key")
    lines = {"content-type": "application/x-ndjson", "idempotency-key": '"a"'}
    answer = await desk.post("/v1/accounts:batch", content=b'{"id":"b"}\n', headers=lines)
    assert code(answer) == (400, "invalid_idempotency_key")


def template_of(path: str) -> str:
    """Return a path as the document names it."""
    places = {"a1-1": "alert_id", "a1": "account_id", "w1": "webhook_id", "t1": "target_id"}
    places |= {"binance": "venue", "USDT": "asset"}
    parts = (f"{{{places[part]}}}" if part in places else part for part in path.split("/"))
    return re.sub("[0-9a-f]{16}", "{silence_id}", "/".join(parts))


async def test_every_write_takes_a_key_and_no_read(guarded: Guarded) -> None:
    token = await guarded.token("admin")
    for call in WRITES:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f'"{call.path}"'}
        answers = [
            await guarded.http.request(call.method, call.path, json=call.body, headers=headers)
            for _ in range(2)
        ]
        if answers[0].is_success:
            assert told(answers[0]) == told(answers[1]), call.path
    document = json.loads(contract_documents()["openapi.json"])
    takers = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, found in methods.items()
        if any(one["name"] == "Idempotency-Key" for one in found.get("parameters", []))
    }
    expected = {(call.method, template_of(call.path)) for call in WRITES}
    assert takers == expected


async def test_a_kept_answer_is_not_for_other_tenants_nor_for_keys_that_may_not(
    guarded: Guarded,
) -> None:
    async def send(token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": '"k"'}
        return await guarded.http.put("/v1/accounts/a1", json=HOLDER, headers=headers)

    await guarded.http.put(
        "/v1/instruments",
        json=[instrument()],
        headers={"Authorization": f"Bearer {await guarded.token('admin')}"},
    )
    first = await guarded.token("accounts:write")
    kept = await send(first)
    assert kept.json()["version"] == 1
    assert told(await send(await guarded.token("accounts:write"))) == told(kept)
    assert code(await send(await guarded.token("accounts:read"))) == (403, "missing_scope")
    assert code(await send("nonsense")) == (401, "unauthenticated")
    other = await send(await guarded.token("accounts:write", tenant="desk-b"))
    assert other.json()["version"] == 1
    reader = {"Authorization": f"Bearer {await guarded.token('accounts:read')}"}
    assert (await guarded.http.get("/v1/accounts/a1", headers=reader)).headers["etag"] == '"1"'


async def test_a_long_answer_is_not_kept(worker: httpx.AsyncClient, redis_url: str) -> None:
    headers = {"idempotency-key": '"k"'}
    names = [f"{'a' * 100}{number}" for number in range(ANSWER_BYTES_MAX // 100)]
    for version in (1, 2):
        body = [account() | {"id": name} for name in names]
        answer = await worker.post("/v1/accounts:batch", json=body, headers=headers)
        assert len(answer.content) > ANSWER_BYTES_MAX
        assert answer.json()["results"][0]["version"] == version
    async with connect(redis_url) as client:
        assert not any((await client.call_everywhere("KEYS", "*:call*")).values())


async def test_answers_are_kept_for_so_long(redis_url: str) -> None:
    async with (
        open_worker(settings_of(redis_url, idempotency_s=100.0)) as desk,
        connect(redis_url) as client,
    ):
        await desk.put("/v1/accounts/a1", json=account(), headers={"idempotency-key": '"k"'})
        await adjust(desk)
        found = await client.call_everywhere("KEYS", "*:call:*")
        names = [name for some in found.values() for name in some]
        assert len(names) == 2
        for name in names:
            assert 90_000 < await client.call("PTTL", name) <= 100_000


class Dying:
    """Claims whose owner dies: what it did after its claim, nobody hears of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def before_it_settles(self) -> None:
        async def never(*_: object) -> None:
            raise StoreUnavailable("the worker is dead")

        self._patch.setattr(Claims, "_settled", never)

    def before_it_writes(self) -> None:
        async def never(*_: object, **__: object) -> int:
            raise asyncio.CancelledError

        self._patch.setattr(Accounts, "put", never)

    def another_worker(self) -> None:
        self._patch.undo()


async def test_killed_between_the_write_and_the_answer_an_adjustment_is_not_done_twice(
    desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = Dying(monkeypatch)
    dying.before_it_settles()
    first = await adjust(desk)
    dying.another_worker()
    assert told(await adjust(desk)) == told(first)
    assert await balance(desk) == 9_999


async def test_killed_between_the_write_and_the_answer_a_replacement_can_be_made_again(
    desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setattr(claims_room, "CLAIM_MS", 200)
    dying, headers = Dying(monkeypatch), {"idempotency-key": '"k"'}
    dying.before_it_settles()
    await desk.put("/v1/accounts/a1", json=account(usdt=5), headers=headers)
    dying.another_worker()
    assert code(await desk.put("/v1/accounts/a1", json=account(usdt=5), headers=headers)) == (
        409,
        "call_in_progress",
    )
    await _claims_run_out(redis_url)
    again = await desk.put("/v1/accounts/a1", json=account(usdt=5), headers=headers)
    assert again.json()["version"] == 3
    assert await balance(desk) == 5


async def test_killed_before_the_write_a_call_is_carried_out_later(
    desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setattr(claims_room, "CLAIM_MS", 200)
    with monkeypatch.context() as inner:
        Dying(inner).before_it_writes()
        with pytest.raises(asyncio.CancelledError):
            await adjust(desk)
    assert code(await adjust(desk)) == (409, "call_in_progress")
    await _claims_run_out(redis_url)
    assert (await adjust(desk)).json()["amount"] == 9_999
    assert await balance(desk) == 9_999


async def test_a_write_that_comes_after_its_claim_has_run_out_is_not_done(
    desk: httpx.AsyncClient, redis_url: str
) -> None:
    key = keys.tenant_key(keys.DEFAULT_TENANT, "a1")
    async with connect(redis_url) as client:
        accounts = Accounts(client, MarketStream(client, Gate("received"), client), SHARDS)
        claims = Claims(client, SHARDS, 60_000)
        late = await claims.claim("n", b"f", key)
        assert isinstance(late, Claim)
        await claims.release(late)
        with pytest.raises(CallInProgress):
            await accounts.put(key, b"{}", outcome=Outcome(late, b"late"))
        mine = await claims.claim("n", b"f", key)
        assert isinstance(mine, Claim)
        with pytest.raises(CallInProgress):
            await accounts.put(key, b"{}", outcome=Outcome(late, b"late"))
        assert (await desk.get("/v1/accounts/a1")).headers["etag"] == '"1"'
        assert await accounts.put(key, b'{"venue":"okx"}', outcome=Outcome(mine, b"mine")) == 2
        assert await claims.claim("n", b"f", key) == b"mine"
        for too_late in (late, mine):
            await claims.keep(too_late, b"other")
            await claims.release(too_late)
        assert await claims.claim("n", b"f", key) == b"mine"


async def test_without_the_store_a_call_with_a_key_is_not_done() -> None:
    async with open_worker(settings_of("redis://127.0.0.1:1/0")) as desk:
        assert code(await adjust(desk)) == (503, "store_unavailable")


async def _claims_run_out(redis_url: str) -> None:
    async with connect(redis_url) as client, asyncio.timeout(10.0):
        while any((await client.call_everywhere("KEYS", "*:call:*")).values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
