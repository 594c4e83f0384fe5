"""Logs: ids in every line, a level that is switched for all, and nothing secret at any level."""

import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from service.access.log_level import LogLevelBoard
from service.logs import OURS, JsonLines, TextLines, fields, set_level, set_request_id
from service.store.client import connect
from service.store.log_level import LogLevels
from tests.api.guarded import BOOTSTRAP, Guarded

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def usual_level() -> Iterator[None]:
    yield
    set_level("info")
    set_request_id("")


def record(text: str = "said", **about: object) -> logging.LogRecord:
    made = logging.LogRecord("plimsoll.test", logging.INFO, "", 0, text, (), None)
    made.__dict__.update(fields(**about))
    return made


def test_a_line_of_json_says_who_when_and_what_about() -> None:
    set_request_id("r-1")
    line = json.loads(JsonLines("monitor").format(record(alerts=["a-1"], shard=3)))
    assert line["time"].endswith("Z")
    assert {"level": "info", "part": "monitor", "message": "said"}.items() <= line.items()
    assert {"requestId": "r-1", "alerts": ["a-1"], "shard": 3}.items() <= line.items()


def test_a_line_of_json_is_one_line_whatever_is_said() -> None:
    line = JsonLines("api").format(record('a\nb\r"\u2028 \ud800'.encode(errors="replace").decode()))
    assert "\n" not in line
    assert json.loads(line)["message"].startswith("a\nb")


def test_a_line_for_people_ends_with_what_it_is_about() -> None:
    assert TextLines().format(record()) == "INFO:     said"
    set_request_id("r-1")
    assert TextLines().format(record(shard=3)) == "INFO:     said (requestId=r-1 shard=3)"


@pytest.mark.parametrize("given", ["my-call.1:a@b/c+d=e", "x" * 128])
async def test_the_clients_request_id_comes_back(worker: httpx.AsyncClient, given: str) -> None:
    response = await worker.get("/livez", headers={"X-Request-Id": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", [None, "", "two words", 'a"b', "x" * 129, "ümlaut"])
async def test_one_that_is_no_name_is_replaced(
    worker: httpx.AsyncClient, given: str | None
) -> None:
    headers = {} if given is None else {b"X-Request-Id": given.encode()}
    names = [(await worker.get("/nope", headers=headers)).headers["x-request-id"] for _ in "ab"]
    assert names[0] != names[1]
    assert all(name.isalnum() and len(name) == 16 for name in names)


async def test_the_level_is_switched_for_all_who_look_and_back(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    answer = await worker.put("/v1/log-level", json={"level": "debug", "forS": 60})
    assert answer.json()["level"] == "debug"
    assert 58.0 < (await worker.get("/v1/log-level")).json()["forS"] <= 60.0
    async with connect(redis_url) as client:
        board = LogLevelBoard(LogLevels(client), "warning")
        await board.look()
        assert levels() == {"DEBUG"}
        await worker.put("/v1/log-level", json={"level": None})
        await board.look()
        assert levels() == {"WARNING"}
    assert logging.getLogger("websockets").getEffectiveLevel() >= logging.WARNING
    assert logging.getLogger("plimsoll.stream").getEffectiveLevel() >= logging.WARNING


def levels() -> set[str]:
    return {logging.getLevelName(logging.getLogger(name).level) for name in OURS}


@pytest.mark.parametrize(
    "body",
    [{}, {"level": "trace"}, {"level": "debug", "forS": 0.5}, {"level": "debug", "forS": 604_801}],
)
async def test_no_other_level_is_taken(worker: httpx.AsyncClient, body: object) -> None:
    assert (await worker.put("/v1/log-level", json=body)).status_code == 422
    assert (await worker.get("/v1/log-level")).json()["level"] is None


async def test_nothing_secret_is_logged_at_debug(
    guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    bootstrap = {"Authorization": f"Bearer {BOOTSTRAP}"}
    switched = await guarded.http.put("/v1/log-level", json={"level": "debug"}, headers=bootstrap)
    assert switched.is_success, "else the worker is back at its own level within a second"
    set_level("debug")
    token = await guarded.token("alerts:read")
    asked = {"Authorization": f"Bearer {token}", "X-Api-Key": "hidden-header"}
    await guarded.http.get("/v1/alerts?since=hidden-query", headers=asked)
    await guarded.http.post("/v1/evaluate", content=b'{"hidden-body"', headers=asked)
    hook = {"url": "https://hidden-host.example/in"}
    await guarded.http.put("/v1/webhooks/w1", json=hook, headers=bootstrap)
    said = "\n".join(TextLines().format(each) for each in caplog.records)
    assert "/v1/evaluate" in said
    assert not [each for each in (token, BOOTSTRAP, "hidden") if each in said]
