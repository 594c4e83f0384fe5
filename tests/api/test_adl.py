"""`/v1/adl/{symbol}` over two monitors: ranks and lights, pages, and whose they are."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tests.api.guarded import Call, Guarded
from tests.api.workers import account, errors_of, instrument, long, one_tier
from tests.monitor.test_service import monitor_over, poll, running, served
from tests.store.stores import open_store

pytestmark = pytest.mark.anyio

BTC = "BTC/USDT:USDT"
QUEUE = f"/v1/adl/{BTC}"


async def fill(http: httpx.AsyncClient, tokens: list[str]) -> None:
    """Ten longs in profit; the less money the higher their leverage; tenants take turns."""
    marks = {"marks": [{"symbol": BTC, "markPrice": 66_000}]}
    for method, path, body in (
        ("PUT", "/v1/instruments", [one_tier(), instrument("ETH/USDT:USDT")]),
        ("POST", "/v1/marks", marks),
    ):
        headers = {"Authorization": f"Bearer {tokens[0]}"}
        assert (await http.request(method, path, json=body, headers=headers)).is_success
    for number in range(10):
        headers = {"Authorization": f"Bearer {tokens[number % len(tokens)]}"}
        body = account(long(), usdt=10_000 + 1_000 * number, venue="okx")
        put = await http.put(f"/v1/accounts/acc-{number}", json=body, headers=headers)
        assert put.is_success


@pytest.fixture
async def desk(guarded: Guarded, redis_url: str) -> AsyncIterator[dict[str, str]]:
    """Tokens of an operator and two tenants whose positions two monitors hold."""
    tokens = {
        "operator": await guarded.token("admin", tenant="ops"),
        "a": await guarded.token("accounts:read", tenant="desk-a"),
        "b": await guarded.token("accounts:read", tenant="desk-b"),
    }
    writers = [await guarded.token("admin", tenant=f"desk-{name}") for name in "ab"]
    await fill(guarded.http, writers)
    async with open_store(redis_url) as store, AsyncExitStack() as stack:
        both = [monitor_over(store, name) for name in ("one", "two")]
        for monitor in both:
            await stack.enter_async_context(running(store, monitor))
        await poll(lambda: all(len(served(monitor)) == 2 for monitor in both))
        yield tokens


async def asked(guarded: Guarded, token: str, **parameters: Any) -> Any:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    call = Call("GET", f"{QUEUE}?venue=okx&side=long&{query}".rstrip("&"), ())
    response = await guarded.send(call, token)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_operator_sees_all_and_tenants_their_own_places(
    guarded: Guarded, desk: dict[str, str]
) -> None:
    view = await asked(guarded, desk["operator"])
    assert (view["positions"], view["size"], view["unpriced"], view["cursor"]) == (10, 10, 0, None)
    queue = view["queue"]
    assert [(one["tenant"], one["accountId"]) for one in queue] == [
        (f"desk-{'ab'[number % 2]}", f"acc-{number}") for number in range(10)
    ]
    assert [one["rank"] for one in queue] == list(range(1, 11))
    assert [one["lights"] for one in queue] == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    for first, name in enumerate("ab"):
        mine = await asked(guarded, desk[name])
        without = [{k: v for k, v in one.items() if k != "tenant"} for one in queue[first::2]]
        assert mine["queue"] == without  # nothing of the others but how many they are
        assert (mine["positions"], mine["size"]) == (10, 10)


@pytest.mark.parametrize("limit", [1, 3, 5, 10])
async def test_pages_neither_repeat_nor_leave_out(
    guarded: Guarded, desk: dict[str, str], limit: int
) -> None:
    for name, ranks in (("operator", range(1, 11)), ("b", range(2, 11, 2))):
        found: list[int] = []
        page = await asked(guarded, desk[name], limit=limit)
        while True:
            assert len(page["queue"]) <= limit
            found += [one["rank"] for one in page["queue"]]
            if page["cursor"] is None:
                break
            page = await asked(guarded, desk[name], limit=limit, cursor=page["cursor"])
        assert found == list(ranks)


async def test_the_other_side_another_venue_and_an_unknown_symbol_are_empty(
    guarded: Guarded, desk: dict[str, str]
) -> None:
    for place in (
        f"{QUEUE}?venue=okx&side=short",
        f"{QUEUE}?side=long",
        "/v1/adl/XRP%2FUSDT:USDT?side=long&venue=okx",
    ):
        view = (await guarded.send(Call("GET", place, ()), desk["operator"])).json()
        assert (view["positions"], view["queue"], view["cursor"]) == (0, [], None)


@pytest.mark.parametrize(
    ("path", "status", "errors"),
    [
        (QUEUE, 422, [("?side", "missing_field")]),
        (f"{QUEUE}?side=up", 422, [("?side", "invalid_value")]),
        (f"{QUEUE}?side=long&venue=ftx", 422, [("?venue", "invalid_value")]),
        (f"{QUEUE}?side=long&limit=0", 422, [("?limit", "out_of_range")]),
        (f"{QUEUE}?side=long&limit=1001", 422, [("?limit", "out_of_range")]),
        (f"{QUEUE}?side=long&x=1", 422, [("?", "unknown_parameter")]),
        (f"{QUEUE}?side=long&cursor=abc", 400, []),
        ("/v1/adl/BTC%7CUSDT?side=long", 422, [("", "invalid_name")]),
        (f"/v1/adl/{'B' * 65}?side=long", 422, [("", "invalid_name")]),
    ],
)
async def test_what_means_nothing_is_refused(
    worker: httpx.AsyncClient, path: str, status: int, errors: list[Any]
) -> None:
    response = await worker.get(path)
    assert (response.status_code, errors_of(response)) == (status, errors)


async def test_without_a_monitor_there_is_no_answer(worker: httpx.AsyncClient) -> None:
    response = await worker.get(f"{QUEUE}?side=long")
    assert (response.status_code, response.json()["code"]) == (503, "monitor_unavailable")
