"""Rate limits over REST: what a call costs, what its answer says, one count for all workers."""

import asyncio
import math
from typing import Any

import httpx
import pytest

from service.api.explained import UNITS as EXPLAIN_UNITS
from service.api.sizing import SIZE_UNITS
from service.store.api_keys import Scope
from tests.api.guarded import BOOTSTRAP, CALLS, Call, open_guarded
from tests.api.workers import account, instrument, long, open_worker, settings_of

pytestmark = pytest.mark.anyio

BURST = 20
SLOW: dict[str, Any] = {"rate_limit_per_s": 0.01, "rate_limit_burst_s": BURST / 0.01}


def left(response: httpx.Response) -> int:
    """Return the units left, after checking that both fields are what the draft says."""
    assert response.headers["ratelimit-policy"] == f'"key";q={BURST};w={int(BURST / 0.01)}'
    name, remaining, reset = response.headers["ratelimit"].split(";")
    assert name == '"key"'
    units, seconds = int(remaining.removeprefix("r=")), int(reset.removeprefix("t="))
    if response.status_code == 429:
        assert response.headers["retry-after"] == str(seconds)
        assert response.json()["code"] == "rate_limited"
    else:
        assert seconds == math.ceil((BURST - units) / 0.01)
    return units


def evaluation(accounts: int, positions: int = 1) -> Call:
    symbols = [f"C{number}/USDT:USDT" for number in range(positions)]
    holder = account(*[long(symbol) for symbol in symbols])
    body = {
        "accounts": [holder | {"id": f"a{number}"} for number in range(accounts)],
        "instruments": [instrument(symbol) for symbol in symbols],
        "marks": dict.fromkeys(symbols, 60_000),
    }
    return Call("POST", "/v1/evaluate", ("evaluate",), body)


def accounts_batch(count: int) -> Call:
    body = [account() | {"id": f"a{number}"} for number in range(count)]
    return Call("POST", "/v1/accounts:batch", ("accounts:write",), body)


def marks(count: int) -> Call:
    body = {"marks": [{"symbol": "BTC/USDT:USDT", "markPrice": 60_000}] * count}
    return Call("POST", "/v1/marks", ("marks:write",), body)


# Calls whose work is not that of their accounts, by the last word of their path.
COSTLY = {"size": SIZE_UNITS, "explain": EXPLAIN_UNITS}


@pytest.mark.parametrize(
    ("call", "cost"),
    [
        (evaluation(1), 1),
        (evaluation(7), 7),
        (evaluation(2, 4), 8),
        (accounts_batch(6), 6),
        (marks(9), 9),
        (Call("PUT", "/v1/instruments", ("admin",), [instrument(), {}]), 2),
        (Call("GET", "/v1/marks", ()), 1),
        (Call("PUT", "/v1/accounts/a1", (), account()), 1),
        (Call("GET", "/v1/accounts/nobody", ()), 1),
    ],
    ids=lambda value: value.path if isinstance(value, Call) else str(value),
)
async def test_a_call_costs_what_it_carries(redis_url: str, call: Call, cost: int) -> None:
    async with open_guarded(redis_url, **SLOW) as guarded:
        token = await guarded.token("admin")
        assert left(await guarded.send(call, token)) == BURST - cost


async def test_every_call_says_how_its_key_stands_and_is_refused_without_units(
    redis_url: str,
) -> None:
    async with open_guarded(redis_url, **SLOW) as guarded:
        for call in CALLS:
            token = await guarded.token("admin")
            cost = COSTLY.get(call.path.rpartition("/")[2], 1)
            rest = max(BURST - cost, 0)
            assert left(await guarded.send(call, token)) == rest, call.path
            if rest:
                taken = await guarded.send(evaluation(rest), token)
                assert (taken.status_code, left(taken)) == (200, 0)
            refused = await guarded.send(call, token)
            assert (refused.status_code, left(refused)) == (429, 0), call.path


async def test_what_is_refused_was_not_done_and_both_sides_of_the_border(redis_url: str) -> None:
    async with open_guarded(redis_url, **SLOW) as guarded:
        token = await guarded.token("admin")
        assert (await guarded.send(accounts_batch(BURST - 1), token)).status_code == 200
        assert (await guarded.send(accounts_batch(2), token)).status_code == 429
        assert (await guarded.send(Call("GET", "/v1/accounts/a1", ()), token)).status_code == 200
        other = await guarded.token("accounts:read")
        found = await guarded.send(Call("GET", "/v1/accounts/a1", ()), other)
        assert found.headers["etag"] == '"1"'


async def test_a_call_that_costs_more_than_all_units_is_taken_when_all_are_there(
    redis_url: str,
) -> None:
    async with open_guarded(redis_url, **SLOW) as guarded:
        token = await guarded.token("evaluate")
        assert (await guarded.send(evaluation(BURST + 5), token)).status_code == 200
        refused = await guarded.send(evaluation(1), token)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) == pytest.approx(600, abs=2)


async def test_an_empty_key_is_refused_before_its_body_is_read(redis_url: str) -> None:
    async with open_guarded(redis_url, **SLOW) as guarded:
        token = await guarded.token("evaluate")
        await guarded.send(evaluation(BURST), token)
        await guarded.send(evaluation(1), token)
        headers = {"Authorization": f"Bearer {token}", "content-type": "text/plain"}
        answer = await guarded.http.post("/v1/evaluate", content=b"{", headers=headers)
        assert answer.status_code == 429


async def test_keys_do_not_share_and_a_key_may_have_a_rate_of_its_own(redis_url: str) -> None:
    async with open_guarded(redis_url, **SLOW) as guarded:
        first, second = await guarded.token("evaluate"), await guarded.token("evaluate")
        await guarded.send(evaluation(BURST), first)
        assert (await guarded.send(evaluation(1), first)).status_code == 429
        assert (await guarded.send(evaluation(1), second)).status_code == 200
        scopes: tuple[Scope, ...] = ("evaluate",)
        _, free = await guarded.keys.create("feed", "desk-a", scopes, 1, rate_per_s=0.0)
        answer = await guarded.send(evaluation(BURST + 1), free)
        assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
        _, own = await guarded.keys.create("feed", "desk-a", scopes, 1, rate_per_s=0.02)
        answer = await guarded.send(evaluation(1), own)
        assert f"q={2 * BURST};" in answer.headers["ratelimit-policy"]


async def test_all_workers_count_together(redis_url: str) -> None:
    async with (
        open_guarded(redis_url, **SLOW) as first,
        open_guarded(redis_url, **SLOW) as second,
    ):
        token = await first.token("evaluate")
        answers = await asyncio.gather(
            *[worker.send(evaluation(1), token) for worker in (first, second) * BURST]
        )
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(200), statuses.count(429)) == (BURST, BURST)


async def test_without_keys_and_without_a_rate_there_is_no_limit(redis_url: str) -> None:
    async with open_worker(settings_of(redis_url, **SLOW)) as http:
        for _ in range(2):
            answer = await http.post("/v1/evaluate", json=evaluation(BURST).body)
            assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
    async with open_guarded(redis_url, rate_limit_per_s=0.0) as guarded:
        answer = await guarded.send(evaluation(BURST), BOOTSTRAP)
        assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)


async def test_lines_are_slowed_down_and_not_refused(redis_url: str) -> None:
    rate = {"rate_limit_per_s": 200.0, "rate_limit_burst_s": 0.5}
    lines = b"".join(b'{"id":"a%d","balances":[]}\n' % number for number in range(300))
    async with open_guarded(redis_url, **rate) as guarded:
        token = await guarded.token("accounts:write")
        headers = {"Authorization": f"Bearer {token}", "content-type": "application/x-ndjson"}
        began_s = asyncio.get_running_loop().time()
        answer = await guarded.http.post("/v1/accounts:batch", content=lines, headers=headers)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 300)
        assert asyncio.get_running_loop().time() - began_s >= 0.5


async def test_without_the_store_evaluations_are_answered_and_counted_by_the_worker() -> None:
    settings = settings_of("redis://127.0.0.1:1/0", bootstrap_key=BOOTSTRAP, **SLOW)
    headers = {"Authorization": f"Bearer {BOOTSTRAP}"}
    async with open_worker(settings) as http:
        for expected in [200] * BURST + [429]:
            answer = await http.post("/v1/evaluate", json=evaluation(1).body, headers=headers)
            assert answer.status_code == expected
