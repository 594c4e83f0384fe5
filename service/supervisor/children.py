"""Keeps one child process running: output prefixed, a crash answered by a restart, a clean stop.

A child has a process group of its own, so that Ctrl-C reaches the supervisor alone, which stops its
children in order. A child that crashes is started again with growing delays; one that never gets
going ends the supervisor with the child's last words, because the cause is then a setting.
"""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from service.running import READY_FD
from service.supervisor.tether import die_with_parent

Say: TypeAlias = Callable[[str, str], None]  # (who, line)

SUPERVISOR = "plimsoll"
RESTART_FIRST_S = 0.2
RESTART_MAX_S = 5.0
SETTLED_AFTER_S = 10.0
START_ATTEMPTS = 4
LAST_WORDS_S = 0.5
LINE_MAX_BYTES = 64 * 1_024
OURS = {"PYTHONUNBUFFERED": "1"}


class StartError(Exception):
    """The service cannot run as it was asked to; the text says why and what to change."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process to keep running. It gets SIGTERM and `stop_within_s`, then SIGKILL."""

    name: str
    argv: tuple[str, ...]
    stop_within_s: float
    environment: Mapping[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()  # handed down open


class Child:
    """A part and its process; `keep_running` is a task of the supervisor's until `stop`.

    `ready` is set once a process of it has said that it does its work (`service.running`).
    """

    def __init__(self, part: Part, say: Say) -> None:
        self.part = part
        self.restarts = 0
        self.settled = False
        self.ready = asyncio.Event()
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._last_words: deque[str] = deque(maxlen=5)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def keep_running(self) -> None:
        """Run the process until stopped, again after a crash; StartError when it never starts."""
        delay_s, failures = RESTART_FIRST_S, 0
        while not self._stopping.is_set():
            lived_s, code = await self._run_once()
            if self._stopping.is_set():
                return
            if lived_s >= SETTLED_AFTER_S:
                self.settled, delay_s = True, RESTART_FIRST_S
            failures += 1
            if not self.settled and failures >= START_ATTEMPTS:
                raise StartError(self._explained())
            ended = f"{self.part.name} {_ending(code)} after {lived_s:.1f} s"
            self._say(SUPERVISOR, f"{ended}; starting it again in {delay_s:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
            delay_s = min(2.0 * delay_s, RESTART_MAX_S)
            self.restarts += 1

    async def stop(self) -> None:
        """End the process and everything it started; returns when it is gone."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.part.stop_within_s)
        except TimeoutError:
            waited_s = self.part.stop_within_s
            self._say(SUPERVISOR, f"{self.part.name} did not stop within {waited_s:g} s; killed")
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End the process at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    async def _run_once(self) -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        ready, told = os.pipe()
        loop.add_reader(ready, self._heard, ready)
        try:
            try:
                self._process = await self._start(told)
            finally:
                os.close(told)  # or we would never hear that it has gone
            code = await self._ended(self._process)
            return loop.time() - started_s, code
        finally:
            loop.remove_reader(ready)
            os.close(ready)

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """Pass on what it says until it ends; return its code."""
        if self._stopping.is_set():  # stopped while it was being started
            self._signal(signal.SIGTERM)
        assert process.stdout is not None
        words = asyncio.create_task(
            self._pass_on(process.stdout), name=f"output of {self.part.name}"
        )
        try:
            code = await process.wait()
            # Something it started may hold the pipe open: that must not hold up the restart.
            await asyncio.wait([words], timeout=LAST_WORDS_S)
        finally:
            words.cancel()
        return code

    def _heard(self, ready: int) -> None:
        asyncio.get_running_loop().remove_reader(ready)
        if os.read(ready, 1):
            self.ready.set()

    async def _start(self, told: int) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self.part.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **self.part.environment, **OURS, READY_FD: str(told)},
                pass_fds=(*self.part.descriptors, told),
                process_group=0,
                preexec_fn=die_with_parent(os.getpid()),
                limit=LINE_MAX_BYTES,
            )
        except OSError as error:
            raise StartError(f"{self.part.name} cannot be started: {error}") from error

    async def _pass_on(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                raw = await output.readline()
            except ValueError:  # a line beyond the limit: its rest follows as lines of their own
                continue
            if not raw:
                return
            line = raw.decode(errors="replace").rstrip()
            self._last_words.append(line)
            self._say(self.part.name, line)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _explained(self) -> str:
        said = "\n  ".join(line for line in self._last_words if line) or "(it said nothing)"
        return f"{self.part.name} does not start; its last words:\n  {said}"


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
