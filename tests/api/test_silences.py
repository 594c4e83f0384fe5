"""`/v1/silences`: made, listed, taken back; theirs alone; over by themselves."""

import time
from typing import Any

import httpx
import msgspec
import pytest

from service.contract.silences import KNOWN_AFTER_MS, SilenceView
from service.store import client as store_client
from service.store.silences import Silences
from tests.api.guarded import DIRECTS, READS, Call, Guarded
from tests.api.workers import errors_of

pytestmark = pytest.mark.anyio


def later(seconds: float = 60.0) -> int:
    return int((time.time() + seconds) * 1e3)


async def listed(worker: httpx.AsyncClient) -> list[Any]:
    found: list[Any] = (await worker.get("/v1/silences")).json()["silences"]
    return found


async def test_a_silence_is_made_listed_and_taken_back(worker: httpx.AsyncClient) -> None:
    assert await listed(worker) == []
    wanted = {"accounts": ["a1", "desk*"], "levels": ["WARNING"], "until": later(), "comment": "x"}
    made = await worker.post("/v1/silences", json=wanted)
    assert made.status_code == 201
    silence = made.json()
    assert wanted.items() <= silence.items()
    assert 0 < silence["startsAt"] - later(0) <= KNOWN_AFTER_MS
    assert await listed(worker) == [silence]
    assert (await worker.delete(f"/v1/silences/{silence['id']}")).status_code == 204
    (ending,) = await listed(worker)
    assert ending["until"] < silence["until"]
    assert (await worker.delete(f"/v1/silences/{silence['id']}")).status_code == 204
    assert await listed(worker) == [ending]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/until"),
        ({"until": 1}, "/until"),
        ({"until": later(1.0)}, "/until"),
        ({"until": later(400 * 86_400.0)}, "/until"),
        ({"until": "soon"}, "/until"),
        ({"until": later(), "accounts": []}, "/accounts"),
        ({"until": later(), "accounts": ["a/b"]}, "/accounts/0"),
        ({"until": later(), "levels": ["DOOMED"]}, "/levels/0"),
        ({"until": later(), "comment": "x" * 1_001}, "/comment"),
    ],
)
async def test_one_that_means_nothing_is_refused(
    worker: httpx.AsyncClient, body: Any, pointer: str
) -> None:
    response = await worker.post("/v1/silences", json=body)
    assert response.status_code == 422
    assert errors_of(response)[0][0] == pointer
    assert await listed(worker) == []


async def test_one_that_is_over_is_gone_and_forgotten_with_the_log(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async with store_client.connect(redis_url) as client:
        silences = Silences(client)
        now_ms = await silences.now_ms()
        for name, until in (("0" * 16, now_ms - 1), ("1" * 16, now_ms - 8 * 86_400_000)):
            over = SilenceView(name, ["*"], None, 0, until, "")
            await silences.put("default", name, msgspec.json.encode(over))
        assert await listed(worker) == []
        assert (await worker.delete(f"/v1/silences/{'0' * 16}")).status_code == 404
        made = await worker.post("/v1/silences", json={"until": later()})
        # Alerts of the first one's time are still in the log, those of the other's are not.
        assert set(await silences.of("default")) == {"0" * 16, made.json()["id"]}


async def test_anothers_silence_is_not_there(guarded: Guarded) -> None:
    ours = await guarded.token(*DIRECTS)
    theirs = await guarded.token(*DIRECTS, tenant="desk-b")
    post = Call("POST", "/v1/silences", DIRECTS, {"until": later()})
    made = (await guarded.send(post, ours)).json()
    answers = [
        await guarded.send(Call("DELETE", f"/v1/silences/{name}", DIRECTS), theirs)
        for name in (made["id"], "f" * 16)
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    listing = Call("GET", "/v1/silences", READS)
    assert (await guarded.send(listing, theirs)).json() == {"silences": []}
    assert (await guarded.send(listing, ours)).json() == {"silences": [made]}
