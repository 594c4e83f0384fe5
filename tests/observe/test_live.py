"""A real Prometheus over a real service: every rule fires and clears, every panel has data.

It is one test, in stages over one service, because a service takes seconds to start.
"""

import asyncio
import json
from pathlib import Path

import pytest

from service.api.syncs import LATE_S
from service.store import keys
from service.store.alert_log import AlertLog
from service.store.client import connect, connect_blocking
from service.store.market_stream import MarketStream, NewMark
from tests.e2e.running_service import until
from tests.observe.faults import (
    again,
    bad_frames,
    future_marks,
    halting,
    nonsense,
    slow_bodies,
    stalling,
    stopped,
)
from tests.observe.following import check_a_mark_is_followed, check_the_log_is_followed
from tests.observe.prometheus import ROOT
from tests.observe.scene import AWAY_MS, EVERY_MS, SHARDS, WITHIN_S, Scene, watched
from tests.observe.venue import muted

DASHBOARD = ROOT / "deploy" / "observe" / "grafana" / "dashboards" / "plimsoll.json"
CRASHED, USUAL = 1_500.0, 2_000.0


@pytest.mark.live
@pytest.mark.soak
@pytest.mark.timeout(900)
def test_rules_panels_traces_and_logs_of_a_service_under_faults(tmp_path: Path) -> None:
    with watched(tmp_path) as scene:
        until(lambda: scene.prometheus.values("max(plimsoll_accounts) > 0"), WITHIN_S)
        scene.clears()  # nothing fires on a service that is well
        check_the_log_is_followed(scene)
        check_a_mark_is_followed(scene)
        hostile_clients_and_a_crash(scene)
        a_producer_whose_clock_is_wrong(scene)
        a_silent_market(scene)
        every_panel_has_data(scene)
        accounts_that_are_late(scene)
        a_monitor_that_stands_still(scene)
        a_slow_store_and_one_that_is_away(scene)
        a_worker_that_does_not_answer(scene)
        assert scene.seen == scene.prometheus.rules()
        scene.clears()


def queries() -> list[tuple[str, str]]:
    """Return the queries of the dashboard's panels, with a range in place of Grafana's."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [
        (panel["title"], target["expr"].replace("$__rate_interval", "30s"))
        for panel in panels
        for target in panel.get("targets", ())
    ]


def hostile_clients_and_a_crash(scene: Scene) -> None:
    scene.traffic.alt_price = CRASHED
    asyncio.run(_append_nonsense(scene.redis_url))
    url = scene.service.url
    with again(nonsense(url)), again(bad_frames(url)), again(slow_bodies(url, 700_000, 0.6)):
        scene.fires(
            "PlimsollRefusals",
            "PlimsollStreamsCut",
            "PlimsollShedding",
            "PlimsollErrors",
            "PlimsollEvaluateSlow",
            "PlimsollFundShort",
            "PlimsollManyLiquidations",
            "PlimsollStreamUnreadable",
        )
    scene.traffic.alt_price = USUAL


def a_producer_whose_clock_is_wrong(scene: Scene) -> None:
    with again(future_marks(scene.service.url)):
        scene.fires("PlimsollMarksRefused")
    scene.clears("PlimsollMarksRefused")


def a_silent_market(scene: Scene) -> None:
    scene.traffic.marks_flow.clear()
    with muted(scene.venue):
        scene.fires("PlimsollMarksSilent", "PlimsollMarksStale", "PlimsollFeedDown")
    scene.traffic.marks_flow.set()


def every_panel_has_data(scene: Scene) -> None:
    for title, query in queries():
        scene.has_data(title, query)


def accounts_that_are_late(scene: Scene) -> None:
    scene.synced.age_s = LATE_S + 1.0
    scene.fires("PlimsollSyncLate")
    scene.synced.age_s = 1.0


def a_monitor_that_stands_still(scene: Scene) -> None:
    monitors = scene.service.children("--role monitor")
    with stopped(monitors):
        scene.fires("PlimsollShardsNotServed")
        asyncio.run(_spoil(scene.redis_url))
    # It has to take its shards anew, and finds pools at another level than the store has them at.
    scene.fires("PlimsollLevelsWrong")
    with stopped(monitors):
        asyncio.run(_trim_ahead(scene.redis_url))
    scene.fires("PlimsollStreamGap")
    with again(halting(monitors, 1.4, 0.4)):
        scene.fires("PlimsollMonitorBehind", "PlimsollTickToAlertSlow")


def a_slow_store_and_one_that_is_away(scene: Scene) -> None:
    store = scene.service.children("valkey-server")
    scene.prometheus.look_every(AWAY_MS)
    with again(stalling(scene.redis_url, store)):
        scene.fires("PlimsollCommitSlow")
    with stopped(store):
        scene.fires("PlimsollStoreAway")
    scene.prometheus.look_every(EVERY_MS)


def a_worker_that_does_not_answer(scene: Scene) -> None:
    # While Prometheus was told to look less often there was no target for a moment.
    scene.clears("PlimsollDown")
    scene.seen.discard("PlimsollDown")
    workers = scene.service.children("--role api")
    scene.prometheus.look_every(AWAY_MS)  # who answers waits half a second for the one that hangs
    with stopped(workers[:1]):
        scene.fires("PlimsollWorkerSilent")
    scene.clears("PlimsollWorkerSilent")
    with stopped(workers):
        scene.fires("PlimsollDown")
    scene.prometheus.look_every(EVERY_MS)


async def _append_nonsense(redis_url: str) -> None:
    """What another version might write, and no API would let in."""
    async with connect(redis_url) as client:
        await MarketStream(client).append_marks([NewMark("generic", "X", b'{"nonsense":1}')])


async def _spoil(redis_url: str) -> None:
    """Forget every level, and take the shards away for a moment, as another monitor would."""
    async with connect(redis_url) as client:
        for shard in range(SHARDS):
            await client.call("DEL", keys.ShardKeys(shard).levels)
        await AlertLog(client, SHARDS).acquire(range(SHARDS), 500)


async def _trim_ahead(redis_url: str) -> None:
    """Wait for more marks than a read that was under way can have, and forget all but the last."""
    async with connect(redis_url) as client, connect_blocking(redis_url) as blocking:
        market = MarketStream(client, blocking=blocking)
        first, _ = await market.tail()
        assert await market.read(first + 10, 1, 5_000)
        await client.call("XTRIM", keys.STREAM, "MAXLEN", 1)
