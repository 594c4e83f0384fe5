"""Accounts over REST: versions, ETags, batches item by item, adjustments, no half writes."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from service.store.accounts import Accounts
from tests.api.workers import account, errors_of, instrument, long, open_worker, settings_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(worker: httpx.AsyncClient) -> httpx.AsyncClient:
    """A worker that knows one instrument."""
    assert (await worker.put("/v1/instruments", json=[instrument()])).status_code == 200
    return worker


async def put(desk: httpx.AsyncClient, body: Any = None, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await desk.put("/v1/accounts/a1", json=body or account(long()), headers=names)


async def test_a_write_answers_its_version_as_etag(desk: httpx.AsyncClient) -> None:
    for version in (1, 2):
        response = await put(desk)
        assert response.status_code == 200
        assert response.json() == {"id": "a1", "version": version}
        assert response.headers["etag"] == f'"{version}"'


async def test_what_was_put_is_got(desk: httpx.AsyncClient) -> None:
    body = account(
        long(marginMode="isolated", collateral=110, unrealizedPnl=10, markPrice=5, info={}),
        {"symbol": "GONE/USDT:USDT", "contracts": 0},
        venue="okx",
        thresholds={"warning": 0.4},
    )
    await put(desk, body)
    response = await desk.get("/v1/accounts/a1")
    assert response.headers["etag"] == '"1"'
    stored = response.json()
    assert (stored["id"], stored["version"], stored["venue"]) == ("a1", 1, "okx")
    assert stored["thresholds"] == {"warning": 0.4}
    (position,) = stored["positions"]
    assert position["margin"] == 100
    assert not {"collateral", "markPrice", "info", "unrealizedPnl"} & set(position)
    again = {name: value for name, value in stored.items() if name not in {"id", "version"}}
    assert (await put(desk, again)).json()["version"] == 2


async def test_a_stale_if_match_writes_nothing(desk: httpx.AsyncClient) -> None:
    await put(desk)
    for tag in ('"7"', '"7", "8"', "W/", '"x"', '"0"'):
        response = await put(desk, account(usdt=1), if_match=tag)
        assert (response.status_code, response.json()["code"]) == (412, "version_mismatch")
        response = await desk.delete("/v1/accounts/a1", headers={"if-match": tag})
        assert response.status_code == 412
    assert (await desk.get("/v1/accounts/a1")).json()["version"] == 1
    for tag in ('"1"', '"9", "2"', "*"):
        assert (await put(desk, if_match=tag)).status_code == 200
    nobody = await desk.put("/v1/accounts/b", json={}, headers={"if-match": "*"})
    assert nobody.status_code == 412


async def test_an_account_is_created_only_where_none_is(desk: httpx.AsyncClient) -> None:
    only_new = {"if-none-match": "*"}
    assert (await desk.put("/v1/accounts/a1", json={}, headers=only_new)).status_code == 200
    refused = await desk.put("/v1/accounts/a1", json=account(usdt=1), headers=only_new)
    assert (refused.status_code, refused.json()["code"]) == (412, "version_mismatch")
    await desk.delete("/v1/accounts/a1")
    assert (await desk.put("/v1/accounts/a1", json={}, headers=only_new)).status_code == 200
    # No version is that of an account that is not there.
    zero = await desk.put("/v1/accounts/b", json={}, headers={"if-match": '"0"'})
    assert zero.status_code == 412


async def test_of_many_writers_with_one_version_one_wins(desk: httpx.AsyncClient) -> None:
    await put(desk)
    writes = [put(desk, account(usdt=number), if_match='"1"') for number in range(20)]
    answers = await asyncio.gather(*writes)
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
    (won,) = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    stored = (await desk.get("/v1/accounts/a1")).json()
    assert (stored["version"], stored["balances"][0]["amount"]) == (2, won)


@pytest.mark.parametrize("path", ["/v1/accounts/a1", "/v1/accounts/a1/risk", "/v1/instruments"])
async def test_what_is_known_already_is_not_sent_again(desk: httpx.AsyncClient, path: str) -> None:
    await put(desk)
    mark = {"symbol": "BTC/USDT:USDT", "markPrice": 60_000}
    assert (await desk.post("/v1/marks", json={"marks": [mark]})).is_success
    tag = (await desk.get(path)).headers["etag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}".replace("W/W/", ""), "*"):
        same = await desk.get(path, headers={"if-none-match": known})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert (await desk.get(path, headers={"if-none-match": '"x"'})).status_code == 200
    await put(desk, account(long(), usdt=77))
    assert (await desk.put("/v1/instruments", json=[instrument(takerFee=0.001)])).is_success
    assert (await desk.get(path, headers={"if-none-match": tag})).status_code == 200


@pytest.mark.parametrize("path", ["/v1/accounts/a1/risk", "/v1/accounts/a1/health"])
async def test_what_is_known_already_is_not_even_read(
    desk: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(desk)
    tag = (await desk.get(path)).headers["etag"]
    get, read = Accounts.get, []

    async def counted(self: Accounts, account_key: str) -> tuple[bytes, int] | None:
        read.append(account_key)
        return await get(self, account_key)

    monkeypatch.setattr(Accounts, "get", counted)
    same = await desk.get(path, headers={"if-none-match": tag})
    assert (same.status_code, same.headers["etag"], read) == (304, tag, [])
    assert (await desk.delete("/v1/accounts/a1")).is_success
    assert (await desk.get(path, headers={"if-none-match": tag})).status_code == 404
    await put(desk)
    again = await desk.get(path, headers={"if-none-match": tag})
    assert (again.status_code, len(read)) == (200, 2)


async def test_the_risk_is_another_with_every_mark(desk: httpx.AsyncClient) -> None:
    await put(desk)
    tags = set()
    for price in (60_000, 59_000, 59_000):
        mark = {"symbol": "BTC/USDT:USDT", "markPrice": price}
        assert (await desk.post("/v1/marks", json={"marks": [mark]})).is_success
        tags.add((await desk.get("/v1/accounts/a1/risk")).headers["etag"])
    assert len(tags) == 3
    nobody = await desk.get("/v1/accounts/b/risk", headers={"if-none-match": "*"})
    assert nobody.status_code == 404


async def test_versions_go_on_after_a_delete(desk: httpx.AsyncClient) -> None:
    await put(desk)
    deleted = await desk.delete("/v1/accounts/a1")
    assert (deleted.status_code, deleted.headers["etag"]) == (204, '"2"')
    for response in (
        await desk.get("/v1/accounts/a1"),
        await desk.delete("/v1/accounts/a1"),
        await desk.get("/v1/accounts/a1/risk"),
        await desk.post("/v1/accounts/a1/adjust", json={"asset": "X", "delta": 1, "reason": "fee"}),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "unknown_account")
    assert (await put(desk)).json()["version"] == 3


async def test_an_instrument_that_another_worker_took_is_known(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async with open_worker(settings_of(redis_url)) as other:
        for number in range(5):
            symbol = f"A{number}/USDT:USDT"
            assert (await other.put("/v1/instruments", json=[instrument(symbol)])).is_success
            response = await worker.put("/v1/accounts/a1", json=account(long(symbol)))
            assert response.status_code == 200


async def test_a_symbol_that_nobody_listed_is_refused(desk: httpx.AsyncClient) -> None:
    response = await put(desk, account(long(), long("NO/USDT:USDT")))
    assert response.status_code == 422
    assert errors_of(response) == [("/positions/1/symbol", "unknown_symbol")]


@pytest.mark.parametrize("name", ["a" * 129, "a b", "%C3%A4", "a%0A", "a%7Cb"])
async def test_a_bad_id_is_refused(desk: httpx.AsyncClient, name: str) -> None:
    for response in (
        await desk.get(f"/v1/accounts/{name}"),
        await desk.put(f"/v1/accounts/{name}", json={}),
        await desk.delete(f"/v1/accounts/{name}"),
        await desk.get(f"/v1/accounts/{name}/risk"),
    ):
        assert response.status_code == 422
        assert errors_of(response)[0][1] == "invalid_name"


async def test_an_adjustment_moves_a_balance_by_its_reason(desk: httpx.AsyncClient) -> None:
    await put(desk)
    change = {"asset": "USDT", "delta": "-9.5", "reason": "funding"}
    response = await desk.post("/v1/accounts/a1/adjust", json=change)
    assert response.json() == {"id": "a1", "version": 2, "asset": "USDT", "amount": 9_990.5}
    response = await desk.post("/v1/accounts/a1/adjust", json=change | {"asset": "BTC"})
    assert response.json()["amount"] == -9.5


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"delta": 1, "reason": "fee"}, "missing_field"),
        ({"asset": "USDT", "reason": "fee"}, "missing_field"),
        ({"asset": "USDT", "delta": 1, "reason": "mark"}, "invalid_value"),
        ({"asset": "USDT", "delta": True, "reason": "fee"}, "not_a_number"),
        ({"asset": "US DT", "delta": 1, "reason": "fee"}, "invalid_name"),
    ],
)
async def test_a_bad_adjustment_is_refused(desk: httpx.AsyncClient, change: Any, code: str) -> None:
    await put(desk)
    response = await desk.post("/v1/accounts/a1/adjust", json=change)
    assert (response.status_code, errors_of(response)[0][1]) == (422, code)


async def test_a_balance_cannot_overflow(desk: httpx.AsyncClient) -> None:
    await put(desk, account(usdt=1.7e308))
    change = {"asset": "USDT", "delta": 1.7e308, "reason": "deposit"}
    response = await desk.post("/v1/accounts/a1/adjust", json=change)
    assert errors_of(response) == [("/delta", "out_of_range")]


async def test_no_adjustment_is_lost_when_many_come_at_once(desk: httpx.AsyncClient) -> None:
    await put(desk, account(usdt=0))
    change = {"asset": "USDT", "delta": 1, "reason": "deposit"}
    sent = [desk.post("/v1/accounts/a1/adjust", json=change) for _ in range(8)]
    assert {response.status_code for response in await asyncio.gather(*sent)} == {200}
    (balance,) = (await desk.get("/v1/accounts/a1")).json()["balances"]
    assert balance["amount"] == 8


async def test_a_batch_is_answered_item_by_item(desk: httpx.AsyncClient) -> None:
    good, bad = account(long(), id="g"), account(long(contracts=-1), id="b")
    response = await desk.post("/v1/accounts:batch", json=[good, bad, {}, good | {"id": "h"}])
    assert response.status_code == 200
    answer = response.json()
    assert (answer["accepted"], answer["refused"]) == (2, 2)
    statuses = [result["status"] for result in answer["results"]]
    assert statuses == ["ok", "refused", "refused", "ok"]
    assert answer["results"][0] == {"index": 0, "status": "ok", "id": "g", "version": 1}
    assert answer["results"][1]["errors"][0]["pointer"] == "/1/positions/0/contracts"
    assert answer["results"][2]["errors"][0]["pointer"] == "/2/id"
    assert (await desk.get("/v1/accounts/b")).status_code == 404


async def test_a_batch_of_lines(desk: httpx.AsyncClient) -> None:
    lines = [json.dumps(account(long(), id=name)) for name in "ab"]
    body = "\n".join([lines[0], "", "{nonsense", lines[1], ""])
    headers = {"content-type": "application/x-ndjson"}
    response = await desk.post("/v1/accounts:batch", content=body, headers=headers)
    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["status"] for result in results] == ["ok", "refused", "ok"]
    assert results[1]["errors"][0]["code"] == "malformed_body"


async def test_a_batch_of_which_nothing_is_good_is_a_problem(desk: httpx.AsyncClient) -> None:
    twice = [account(id="x"), account(id="x")]
    response = await desk.post("/v1/accounts:batch", json=twice)
    assert response.status_code == 422
    assert [code for _, code in errors_of(response)] == ["duplicate_id"] * 2
    assert [result["status"] for result in response.json()["results"]] == ["refused"] * 2
    assert (await desk.get("/v1/accounts/x")).status_code == 404


async def test_the_risk_of_a_stored_account(desk: httpx.AsyncClient) -> None:
    await put(desk)
    mark = {"symbol": "BTC/USDT:USDT", "markPrice": 50_100}
    await desk.post("/v1/marks", json={"marks": [mark]})
    response = await desk.get("/v1/accounts/a1/risk")
    assert response.headers["etag"].startswith('W/"1-')
    risk = response.json()
    assert (risk["id"], risk["version"], risk["level"]) == ("a1", 1, "LIQUIDATION")
    assert risk["positions"][0]["markSource"] == "stream"
    assert risk["monitored"] == []


async def test_without_the_store_writes_are_refused(alone: httpx.AsyncClient) -> None:
    for response in (
        await alone.put("/v1/accounts/a1", json=account()),
        await alone.get("/v1/accounts/a1"),
        await alone.delete("/v1/accounts/a1"),
        await alone.post("/v1/accounts:batch", json=[account(id="a")]),
        await alone.put("/v1/instruments", json=[instrument()]),
        await alone.post("/v1/marks", json={"marks": [{"symbol": "A", "markPrice": 1}]}),
        await alone.get("/v1/marks"),
        await alone.get("/v1/alerts"),
        await alone.get("/v1/accounts"),
    ):
        assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
        assert response.headers["retry-after"] == "1"
