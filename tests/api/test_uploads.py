"""Accounts by the line: whatever comes between two line ends is one answer, in order."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.api.workers import account, errors_of, instrument, long, open_worker, settings_of

pytestmark = pytest.mark.anyio

NDJSON = {"content-type": "application/x-ndjson"}
LINE_MAX = 4_096
LISTED_MAX = 300


@pytest.fixture
async def desk(redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A worker with small limits that knows one instrument."""
    settings = settings_of(
        redis_url, body_max_bytes=LINE_MAX, accounts_max=LISTED_MAX, positions_max=3
    )
    async with open_worker(settings) as client:
        assert (await client.put("/v1/instruments", json=[instrument()])).is_success
        yield client


def line(name: str, *positions: dict[str, Any], **more: Any) -> bytes:
    return json.dumps(account(*(positions or (long(),)), id=name, **more)).encode()


async def send(desk: httpx.AsyncClient, body: Any) -> Any:
    response = await desk.post("/v1/accounts:batch", content=body, headers=NDJSON)
    assert response.status_code == 200, response.text
    return response.json()


def outcomes(answer: Any) -> list[tuple[int, str]]:
    """Return (index, id or code) of each result."""
    return [
        (each["index"], each["id"] if each["status"] == "ok" else each["errors"][0]["code"])
        for each in answer["results"]
    ]


async def usdt_of(desk: httpx.AsyncClient, name: str) -> float:
    return float((await desk.get(f"/v1/accounts/{name}")).json()["balances"][0]["amount"])


@pytest.mark.parametrize(
    "body",
    [
        line("a") + b"\n" + line("b") + b"\n",
        line("a") + b"\n" + line("b"),
        b"\n \r\n" + line("a") + b"\r\n\t\n\n" + line("b") + b"\n\n",
    ],
)
async def test_a_line_ends_where_it_ends(desk: httpx.AsyncClient, body: bytes) -> None:
    assert outcomes(await send(desk, body)) == [(0, "a"), (1, "b")]


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_lines_come_in_whatever_pieces(desk: httpx.AsyncClient, size: int) -> None:
    body = b"\n".join(line(name, venue="okx") for name in "abc")

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    assert outcomes(await send(desk, pieces())) == [(0, "a"), (1, "b"), (2, "c")]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"{nonsense", "malformed_body"),
        (b'{"id":"x"},{"id":"y"}', "malformed_body"),
        (b'{"id":"x","note":"\xff"}', "malformed_body"),
        (b"[]", "wrong_type"),
        (b"{}", "missing_field"),
        (b'{"id":"a b"}', "invalid_name"),
        (line("x", long(contracts=-1)), "negative_size"),
        (line("x", long("NO/USDT:USDT")), "unknown_symbol"),
        (line("x", *[long()] * 4), "too_many_items"),
        (b'{"id":"x","note":"' + b"x" * LINE_MAX + b'"}', "body_too_large"),
    ],
)
async def test_a_bad_line_is_named_and_the_others_are_taken(
    desk: httpx.AsyncClient, bad: bytes, code: str
) -> None:
    answer = await send(desk, b"\n".join([line("a"), line("b"), bad, line("c")]))
    assert outcomes(answer) == [(0, "a"), (1, "b"), (2, code), (3, "c")]
    assert (answer["accepted"], answer["refused"]) == (3, 1)
    assert answer["results"][2]["errors"][0]["pointer"].startswith("/2")
    for name in "abc":
        assert (await desk.get(f"/v1/accounts/{name}")).json()["version"] == 1
    assert (await desk.get("/v1/accounts/x")).status_code == 404


@pytest.mark.parametrize(("bytes_more", "taken"), [(0, True), (1, False)])
async def test_a_line_may_be_as_long_as_a_body(
    desk: httpx.AsyncClient, bytes_more: int, taken: bool
) -> None:
    longest = line("a", note="")
    longest = line("a", note="x" * (LINE_MAX - len(longest) + bytes_more))
    for body in (longest + b"\n" + line("b"), line("b") + b"\n" + longest):
        answer = await send(desk, body)
        assert ("a" in dict(map(reversed, outcomes(answer)))) is taken  # type: ignore[arg-type]
        assert answer["accepted"] == 1 + taken


async def test_two_lines_do_not_make_one_account_together(desk: httpx.AsyncClient) -> None:
    answer = await send(desk, b'{"id":"a"},{"id":"b"}\n{"id":"c","x":[1\n2]}\n' + line("d"))
    assert (answer["accepted"], answer["refused"]) == (1, 3)
    assert outcomes(answer)[3] == (3, "d")


async def test_a_later_line_replaces_an_earlier_one(desk: httpx.AsyncClient) -> None:
    answer = await send(desk, b"\n".join(line("a", usdt=number) for number in (1, 2, 3)))
    assert [each["version"] for each in answer["results"]] == [1, 2, 3]
    assert await usdt_of(desk, "a") == 3


async def test_no_lines_are_no_accounts(desk: httpx.AsyncClient) -> None:
    for body in (b"", b"\n\n"):
        assert await send(desk, body) == {"accepted": 0, "refused": 0, "results": []}


@pytest.mark.parametrize(("count", "listed"), [(LISTED_MAX - 1, LISTED_MAX), (LISTED_MAX, 1)])
async def test_of_very_many_lines_only_the_bad_are_listed(
    desk: httpx.AsyncClient, count: int, listed: int
) -> None:
    lines = [line(f"a{number}") for number in range(count)]
    answer = await send(desk, b"\n".join([*lines, b"{}"]))
    assert (answer["accepted"], answer["refused"]) == (count, 1)
    assert len(answer["results"]) == listed
    assert answer["results"][-1]["index"] == count
    for number in (0, count - 1):
        assert (await desk.get(f"/v1/accounts/a{number}")).status_code == 200


async def test_of_very_many_bad_lines_some_are_listed(desk: httpx.AsyncClient) -> None:
    body = b"{}\n" * (LISTED_MAX + 1)
    response = await desk.post("/v1/accounts:batch", content=body, headers=NDJSON)
    assert response.status_code == 422
    assert len(response.json()["results"]) == LISTED_MAX
    assert errors_of(response)[0] == ("/0/id", "missing_field")


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
async def test_an_upload_leaves_turns_to_others(redis_url: str, kind: str) -> None:
    """Of the work on a body, no more than a small part is done between two turns of the loop."""
    turns = [time.process_time()]

    async def look() -> None:
        while True:
            await asyncio.sleep(0)
            turns.append(time.process_time())

    lines = [line(f"a{number}") for number in range(4_000)]
    body = b"\n".join(lines) if "nd" in kind else b"[" + b",".join(lines) + b"]"
    async with open_worker(settings_of(redis_url)) as client:
        assert (await client.put("/v1/instruments", json=[instrument()])).is_success
        looking = asyncio.create_task(look())
        turns[:] = [time.process_time()]
        await client.post("/v1/accounts:batch", content=body, headers={"content-type": kind})
        looking.cancel()
    spent = [after - before for before, after in pairwise(turns)]
    assert max(spent) < sum(spent) / 5


async def test_a_body_that_stops_coming_is_not_waited_for(redis_url: str) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield line("a") + b"\n"
        await asyncio.Event().wait()

    async with open_worker(settings_of(redis_url, body_timeout_s=0.05)) as client:
        response = await client.post("/v1/accounts:batch", content=stuck(), headers=NDJSON)
        assert (response.status_code, response.json()["code"]) == (408, "body_timeout")


@pytest.mark.parametrize("name", ["list", "lines"])
async def test_a_store_that_goes_away_is_said(name: str) -> None:
    settings = settings_of("redis://127.0.0.1:1/0", accounts_max=10_000)
    async with open_worker(settings) as client:
        many = [{"id": f"a{number}"} for number in range(5_000)]
        body = json.dumps(many) if name == "list" else "\n".join(map(json.dumps, many))
        kind = {"content-type": "application/json"} if name == "list" else NDJSON
        response = await client.post("/v1/accounts:batch", content=body, headers=kind)
        assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
