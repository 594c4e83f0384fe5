"""A release takes the place of another through the crash, and a backup is made meanwhile.

Every process is replaced, one after the other, and again and again in the long form; sockets are
cut, bots and workers killed between (test_cut_clients.py has a long form alone). The log is
that of judging everybody from scratch, each bot has exactly its account's part of it, and whoever
asks meanwhile is answered. The backup holds the log up to its moment; a service over it tells
clients that history may be missing, and goes on.
"""

import asyncio
import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.store.client import Client, connect
from service.supervisor.backups import Manifest, back_up, restore
from service.supervisor.brief_valkey import brief_valkey
from tests.benchmarks.good_client import body
from tests.simulation.bot_run import BotRun, check_bots
from tests.simulation.history import History, marks_of, read_history
from tests.simulation.processes import Processes, WholeService, wait_until
from tests.simulation.releases import NEXT, Releases
from tests.simulation.run import Event
from tests.simulation.scratch import judge_all
from tests.simulation.subscriber import Subscriber
from tests.simulation.tape import crash, needs_tape
from tests.simulation.test_crash import check

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
ACCOUNTS = 200 if SOAK else 10  # a bot each
START_S, SECONDS = (2_000, 300) if SOAK else (2_165, 4)
BATCH_MARKS = 50 if SOAK else 25
PLAYED_S = 300.0 if SOAK else 4.0
CALM_S = 5.0 if SOAK else 0.2  # on average between two of them
SEED = 20_251_010
KINDS = ("backup", "upgrade", "socket", "worker", "process")
ONE_BY_ONE_S = 0.05

pytestmark = [
    needs_tape,
    pytest.mark.soak,
    pytest.mark.skipif(
        os.environ.get("PLIMSOLL_TEST_STORE") == "cluster", reason="has its own Valkey"
    ),
]


class UpgradedRun(BotRun):
    """A run whose processes are replaced; somebody evaluates all the while."""

    def __init__(self, *arguments: Any, releases: Releases, folder: Path, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.processes.environment |= releases.environment
        self.backups: list[tuple[Path, Manifest]] = []
        self.answered = self.again = 0
        self.release = ""
        self._releases, self._folder = releases, folder

    async def _feed(self, client: Client, events: Sequence[Event]) -> None:
        over = threading.Event()
        asking = asyncio.create_task(asyncio.to_thread(self._ask, over))
        try:
            await super()._feed(client, events)
        finally:
            over.set()
            await asking
        self.release = await asyncio.to_thread(self._release)

    def _release(self) -> str:
        return str(httpx.get(f"{self.processes.url}/openapi.json").json()["info"]["version"])

    def _ask(self, over: threading.Event) -> None:
        """Evaluate again and again; a connection that a worker closes as it goes is made anew."""
        headers = {"Content-Type": "application/json"}
        with httpx.Client(base_url=self.processes.url, timeout=10.0) as http:
            while not over.wait(ONE_BY_ONE_S):
                try:
                    answer = http.post("/v1/evaluate", content=body(), headers=headers)
                except httpx.TransportError:
                    self.again += 1
                    answer = http.post("/v1/evaluate", content=body(), headers=headers)
                assert answer.status_code == 200, answer.text
                self.answered += 1

    def _hit(self, kind: str) -> None:
        if kind not in ("backup", "upgrade"):
            super()._hit(kind)
        elif kind == "backup":
            place = self._folder / f"backup-{len(self.backups)}"
            manifest = asyncio.run(back_up(self.processes.valkey.url, place, "0.1.0"))
            self.backups.append((place, manifest))
        else:
            self._upgrade()

    def _upgrade(self) -> None:
        """Replace every process by one of the next release, or by another one of it."""
        if self.misfortunes["upgrade"] == 0:
            self._releases.install_next()
        before = self.processes.children("api")
        self.processes.renew()
        kept = set(before) & set(self.processes.children("api"))
        assert len(kept) == isinstance(self.processes, WholeService)  # Valkey alone


def played(made_of: type[Processes], folder: Path) -> tuple[UpgradedRun, History]:
    """Play it with one of the two ways to run the service."""
    tape = crash(ACCOUNTS, SEED, START_S, SECONDS)

    class Played(UpgradedRun):
        pass

    Played.made_of = made_of
    run = Played(
        tape,
        folder / "run",
        kinds=KINDS,
        calm_s=CALM_S,
        batch_marks=BATCH_MARKS,
        pace_s=PLAYED_S * BATCH_MARKS / len(tape.marks),
        seed=SEED,
        releases=Releases(folder / "releases"),
        folder=folder,
    )
    return run, asyncio.run(run.play())


def check_upgraded(run: UpgradedRun, history: History) -> None:
    check(run, history, judge_all(history.entries))
    told = check_bots(run)
    assert run.release == NEXT
    assert set(run.misfortunes) >= {"backup", "upgrade"}
    assert run.answered > 10
    print(f"{told}\n{run.answered} evaluations, asked once more {run.again}")


async def held_by(backup: Path, place: Path) -> History:
    """What a restored backup holds."""
    await restore(backup, place)
    async with brief_valkey(place) as url, connect(url) as client:
        return await read_history(client)


def check_backup(run: UpgradedRun, history: History, folder: Path) -> None:
    """A backup holds the stream and the log as they were, to the last entry before its moment."""
    for number, (place, manifest) in enumerate(run.backups):
        held = asyncio.run(held_by(place, folder / f"restored-{number}"))
        assert held.entries == history.entries[: len(held.entries)]
        assert held.entries[-1].market_id == manifest.holds.market_id
        assert len(held.alerts) == manifest.holds.alerts
        log = {alert["id"]: alert for alert in history.alerts}
        assert all(alert == log[alert["id"]] for alert in held.alerts)
        # Of what the log has up to there, only what was not committed yet is missing.
        missing = [one for one in log.values() if one not in held.alerts]
        assert all(one["seq"] > _last(held, one["accountId"]) for one in missing)
        print(f"backup {number}: {len(held.entries)} entries, {len(held.alerts)} alerts")


def _last(held: History, account: str) -> int:
    return max((one["seq"] for one in held.alerts if one["accountId"] == account), default=0)


@pytest.mark.timeout(0 if SOAK else 240)
@pytest.mark.parametrize(
    "made_of",
    [
        WholeService,
        pytest.param(Processes, marks=pytest.mark.skipif(not SOAK, reason="long form")),
    ],
)
def test_a_rolling_upgrade_and_a_backup_lose_nothing(made_of: type[Processes]) -> None:
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as name:
        folder = Path(name)
        run, history = played(made_of, folder)
        check_upgraded(run, history)
        check_backup(run, history, folder)
        if SOAK:
            asyncio.run(goes_on(run, history, folder))


async def goes_on(run: UpgradedRun, history: History, folder: Path) -> None:
    """A service over a backup: old cursors are told of the loss, and the rest is judged alike."""
    place, _ = run.backups[0]
    again = Processes(folder / "again", event_time="source", market_max_entries="10000000")
    await restore(place, folder / "again" / "valkey")
    with again:
        subscriber = Subscriber(again.url)
        subscriber.cursor = run.always.cursor
        following = asyncio.create_task(subscriber.follow())
        await asyncio.to_thread(
            wait_until, lambda: subscriber.unrecovered > 0, "the loss to be told"
        )
        async with connect(again.valkey.url) as client:
            held = await read_history(client)
            rest = run.crash.marks[len(marks_of(held.entries)) :]
            await run.send_rest(client, rest)
            final = await read_history(client)
        following.cancel()
    assert marks_of(final.entries) == marks_of(history.entries)
    names = ("id", "level", "previousLevel", "transition", "pool", "eventTime", "equity")
    assert [[one[name] for name in names] for one in final.alerts] == [
        [one[name] for name in names] for one in history.alerts
    ]
