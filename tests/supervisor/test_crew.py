"""Processes are replaced one by one: a new one is at work before the old one goes, or none goes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.running import READY_FD, tell_ready
from service.supervisor import crew as crews
from service.supervisor.children import Part, StartError
from service.supervisor.crew import VALKEY, Crew
from service.supervisor.signals import on_hangup

pytestmark = pytest.mark.anyio

# Writes down that it has begun, is at work when it may be, and writes down that it ends.
WORKER = f"""
import os, signal, sys, time
name, diary, door = sys.argv[1:]
def say(what):
    with open(diary, "a") as file:
        file.write(f"{{name}} {{what}} {{os.getpid()}}\\n")
signal.signal(signal.SIGTERM, lambda *_: (say("ends"), os._exit(0)))
say("begins")
if os.path.exists(door):
    sys.exit(os.path.getsize(door) and open(door).read())
say("works")
os.write(int(os.environ["{READY_FD}"]), b"1")
signal.pause()
"""


class Scene:
    """A crew of small processes; `door` keeps new ones from their work."""

    def __init__(self, folder: Path) -> None:
        self.diary, self.door = folder / "diary", folder / "door"
        self.said: list[str] = []
        self.crew = Crew(lambda _, text: self.said.append(text))

    def add(self, name: str) -> None:
        argv = (sys.executable, "-c", WORKER, name, str(self.diary), str(self.door))
        self.crew.add(Part(name, argv, 5.0))

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.diary.read_text().splitlines()]

    def events(self) -> list[str]:
        return [f"{name} {what}" for name, what, _ in self.lines()]

    def alive(self) -> set[str]:
        return {pid for *_, pid in self.lines() if Path(f"/proc/{pid}/cmdline").exists()}

    async def until(self, what: str, count: int = 1) -> None:
        async with asyncio.timeout(20.0):
            while not self.diary.exists() or self.events().count(what) < count:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    for name in (VALKEY, "monitor", "api"):
        scene.add(name)
        await scene.until(f"{name} works")
    scene.crew.settle()
    yield scene
    await scene.crew.stop()


async def test_each_is_at_work_before_the_one_it_replaces_ends(scene: Scene) -> None:
    before = scene.events()
    await scene.crew.renew()
    assert scene.events()[len(before) :] == [
        *("monitor begins", "monitor works", "monitor ends"),
        *("api begins", "api works", "api ends"),
    ]
    assert scene.said[-1] == "every process is renewed"
    assert not scene.crew.ended.done()


async def test_what_was_renewed_is_kept_running(scene: Scene) -> None:
    await scene.crew.renew()
    newest = [int(pid) for name, what, pid in scene.lines() if (name, what) == ("api", "works")]
    os.kill(newest[-1], signal.SIGKILL)
    await scene.until("api works", 3)
    await scene.crew.renew()
    assert scene.events().count("api works") == 4


async def test_a_release_that_does_not_start_changes_nothing(scene: Scene) -> None:
    scene.door.write_text("a setting is wrong")
    before = scene.alive()
    await scene.crew.renew()
    assert not [event for event in scene.events() if event.endswith("ends")]
    assert "a setting is wrong" in " ".join(scene.said)
    assert scene.said[-1].endswith("the old monitor stays, nothing is lost")
    assert scene.alive() == before
    assert not scene.crew.ended.done()
    scene.door.unlink()
    await scene.crew.renew()
    assert scene.said[-1] == "every process is renewed"


async def test_one_that_does_not_come_to_work_is_given_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "AT_WORK_WITHIN_S", 0.0)
    await scene.crew.renew()
    assert "was not at work within 0 s" in scene.said[-1]
    assert scene.events().count("monitor begins") <= 2
    assert len(scene.alive()) == 3


async def test_stopped_in_the_middle_nothing_is_left(scene: Scene) -> None:
    scene.door.write_text("")  # it ends at once, again and again, and never works
    renewing = asyncio.create_task(scene.crew.renew())
    await scene.until("monitor begins", 2)
    renewing.cancel()
    await scene.crew.stop()
    assert not scene.alive()


async def test_a_member_that_cannot_be_kept_is_the_end(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.door.write_text("no port")
    scene.add("api")
    with pytest.raises(StartError, match="no port"):
        await scene.crew.unless_ended(asyncio.sleep(60.0))
    await scene.crew.stop()


def test_whoever_was_not_asked_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(READY_FD, raising=False)
    tell_ready()
    reading, writing = os.pipe()
    monkeypatch.setenv(READY_FD, str(writing))
    tell_ready()
    tell_ready()
    assert os.read(reading, 9) == b"1"
    os.close(reading)


async def test_a_hangup_while_it_is_being_done_has_it_done_once_more() -> None:
    began, may_end, times = asyncio.Event(), asyncio.Event(), 0

    async def renew() -> None:
        nonlocal times
        times += 1
        began.set()
        await may_end.wait()

    with on_hangup(renew):
        os.kill(os.getpid(), signal.SIGHUP)
        await began.wait()
        began.clear()
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        assert times == 1
        may_end.set()
        await began.wait()
        assert times == 2
