"""What feeds say of themselves, as metrics and readiness show it."""

import httpx
import msgspec
import pytest

from service.api.feeds import amiss
from service.contract.feeds import FeedFigures
from service.store import client as store_client
from service.store import keys
from service.store.alert_log import AlertLog
from service.store.health import Roll
from tests.api.workers import SHARDS, open_worker, settings_of

pytestmark = pytest.mark.anyio

WELL = FeedFigures(2, 2, frames=9, marks=7, quiet_s=0.25, refused={"older": 3})


def report(**feeds: FeedFigures) -> bytes:
    return msgspec.json.encode(feeds)


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (WELL, []),
        (FeedFigures(2, 1, quiet_s=0.25), ["feed okx: 1 of 2 connections"]),
        (FeedFigures(2, 2), ["feed okx: no mark yet"]),
        (FeedFigures(2, 2, quiet_s=10.0), []),
        (FeedFigures(2, 2, quiet_s=10.6), ["feed okx: no mark for 11 s"]),
    ],
)
def test_what_is_amiss_with_a_feed_is_said(figures: FeedFigures, said: list[str]) -> None:
    assert list(amiss({"host-1": report(okx=figures)}, ["okx"])) == said


def test_a_feed_that_no_process_runs_is_missed_where_it_is_set() -> None:
    told = {"host-1": report(okx=WELL)}
    assert list(amiss(told, ["okx", "bybit"])) == ["feed bybit: no process runs it"]
    assert list(amiss({}, [])) == []


async def test_a_feed_that_is_down_degrades_and_does_no_more(redis_url: str) -> None:
    settings = settings_of(redis_url, feeds="okx,bybit")
    async with open_worker(settings) as worker, store_client.connect(redis_url) as client:
        await AlertLog(client, SHARDS).acquire(range(SHARDS), 60_000)
        await Roll(client, "one").report(b'{"shards":[0,1,2,3]}')
        await Roll(client, "two", keys.FEEDS).report(report(okx=WELL))
        response = await worker.get("/readyz")
        assert (response.status_code, response.json()["status"]) == (200, "degraded")
        assert response.json()["degraded"] == ["feed bybit: no process runs it"]
        await Roll(client, "three", keys.FEEDS).report(report(bybit=WELL))
        assert (await worker.get("/readyz")).json()["status"] == "ok"


async def test_feeds_are_among_the_metrics(worker: httpx.AsyncClient, redis_url: str) -> None:
    async with store_client.connect(redis_url) as client:
        figures = msgspec.structs.replace(WELL, clock_offset_ms=-12.5, left_out={"not_named": 4})
        await Roll(client, "one", keys.FEEDS).report(report(okx=figures, bybit=WELL))
    lines = (await worker.get("/metrics")).text.splitlines()
    of_okx = 'feed="okx",process="one"'
    assert f"plimsoll_feed_frames_total{{{of_okx}}} 9.0" in lines
    assert f"plimsoll_feed_marks_total{{{of_okx}}} 7.0" in lines
    assert f"plimsoll_feed_quiet_seconds{{{of_okx}}} 0.25" in lines
    assert f"plimsoll_feed_clock_offset_seconds{{{of_okx}}} -0.0125" in lines
    assert f'plimsoll_feed_refused_total{{{of_okx},reason="older"}} 3.0' in lines
    assert f'plimsoll_feed_left_out{{{of_okx},reason="not_named"}} 4.0' in lines
    assert sum(line.startswith("plimsoll_feed_clock_offset_seconds{") for line in lines) == 1
