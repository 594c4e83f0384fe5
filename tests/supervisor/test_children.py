"""Children: output passed on, restarted after a crash, stopped cleanly, gone with their parent."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from service.supervisor.children import Child, Part, StartError

pytestmark = pytest.mark.anyio

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


class Lines:
    """What a child and its supervisor said, with a way to wait for more."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, who: str, text: str) -> None:
        self.said.append((who, text))

    def count(self, text: str) -> int:
        return sum(text in line for _, line in self.said)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - processes set no events
            await asyncio.sleep(0.01)


@asynccontextmanager
async def kept(program: str, lines: Lines, stop_within_s: float = 5.0) -> AsyncIterator[Child]:
    child = Child(Part("child", (sys.executable, "-c", program), stop_within_s), lines)
    task = asyncio.create_task(child.keep_running())
    try:
        yield child
    finally:
        await child.stop()
        with suppress(StartError):
            await task


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def test_output_is_passed_on_with_its_name() -> None:
    lines = Lines()
    async with kept(
        "import sys, time; print('out'); print('err', file=sys.stderr); time.sleep(60)", lines
    ):
        await until(lambda: len(lines.said) == 2)

    assert sorted(lines.said) == [("child", "err"), ("child", "out")]


async def test_a_line_without_end_does_not_stop_the_output() -> None:
    lines = Lines()
    program = "import time; print('x' * 200_000); print('after', flush=True); time.sleep(60)"
    async with kept(program, lines):
        await until(lambda: lines.count("after") == 1)


async def test_a_killed_child_is_started_again() -> None:
    lines = Lines()
    async with kept(SLEEPER, lines) as child:
        await until(lambda: lines.count("up") == 1)
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: lines.count("up") == 2)

        assert child.pid != first
        assert child.restarts == 1
        assert lines.count("was killed by SIGKILL") == 1


async def test_a_stopped_child_is_gone_and_stays_so() -> None:
    lines = Lines()
    async with kept(SLEEPER, lines) as child:
        await until(lambda: lines.count("up") == 1)
        pid = child.pid
        assert pid is not None
        await child.stop()

    assert not alive(pid)
    assert lines.count("starting it again") == 0


async def test_a_deaf_child_is_killed() -> None:
    lines = Lines()
    started = time.monotonic()
    async with kept(DEAF, lines, stop_within_s=0.3) as child:
        await until(lambda: lines.count("up") == 1)
        await child.stop()

        assert time.monotonic() - started < 5.0
        assert lines.count("did not stop within 0.3 s; killed") == 1


async def test_one_that_never_starts_is_given_up_with_its_last_words() -> None:
    part = Part("child", (sys.executable, "-c", "import sys; sys.exit('no such shards')"), 1.0)
    with pytest.raises(StartError, match="no such shards"):
        await asyncio.wait_for(Child(part, Lines()).keep_running(), 20.0)


async def test_a_program_that_is_not_there_is_named() -> None:
    part = Part("valkey", ("/nowhere/valkey-server",), 1.0)
    with pytest.raises(StartError, match="/nowhere/valkey-server"):
        await asyncio.wait_for(Child(part, Lines()).keep_running(), 20.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's tie is Linux's")
async def test_nothing_stays_behind_when_the_supervisor_is_killed() -> None:
    program = """
import asyncio, sys
from service.supervisor.children import Child, Part
part = Part("child", (sys.executable, "-c", sys.argv[1]), 1.0)
child = Child(part, lambda who, line: print(child.pid, flush=True))
asyncio.run(child.keep_running())
"""
    with subprocess.Popen(  # noqa: ASYNC220 - one moment, and nothing else runs
        [sys.executable, "-c", program, SLEEPER], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    await until(lambda: not alive(pid))
