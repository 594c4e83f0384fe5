"""The service as real processes over a scratch directory: to kill and start at any moment."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.launching import environment_with, free_port
from tests.valkey_cluster import server_to_test

READY_S = 60.0
RENEWED = "every process is renewed"


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = READY_S) -> None:
    """Poll until `condition` holds; a clear failure after `limit_s`."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"waited {limit_s:.0f} s for {what}"
        time.sleep(0.02)


class Processes:
    """Valkey (append-only, fsync always), monitors and one API worker; `kill` is SIGKILL.

    Names are roles, those of several monitors with a number: monitor-1, monitor-2.
    """

    def __init__(self, directory: Path, monitors: int = 1, **settings: str) -> None:
        self.directory = directory
        numbered = [f"monitor-{number}" for number in range(1, monitors + 1)]
        self.monitors = numbered if monitors > 1 else ["monitor"]
        self.valkey = server_to_test(directory / "valkey")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._mortal = itertools.cycle(self.valkey.nodes)  # of a cluster, one dies at a time
        self._numbers = itertools.count(monitors + 1)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = environment_with(**settings)

    def __enter__(self) -> "Processes":
        for name in ("valkey", "api", *self.monitors):
            self.start(name)
        wait_until(self.ready, "the service to be ready")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._running.values():
            process.wait(timeout=15)
        self.valkey.stop()

    def start(self, name: str) -> None:
        if name == "valkey":
            self.valkey.start(timeout_s=READY_S)
            return
        self._serve(name, ["--redis-url", self.valkey.url, "--role", name.partition("-")[0]])

    def _serve(self, name: str, arguments: list[str]) -> None:
        serve = [sys.executable, "-m", "service", "serve", "--port", str(self.port)]
        with (self.directory / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*serve, *arguments],
                stdout=log,
                stderr=log,
                env=self.environment,
            )

    def kill(self, name: str) -> None:
        """End it as a crash would; a role's supervisor and its child die together."""
        if name == "valkey":
            next(self._mortal).kill()
            return
        process = self._running[name]
        for pid in [*_children(process.pid), process.pid]:
            os.kill(pid, signal.SIGKILL)
        process.wait()

    def kill_children(self, name: str) -> None:
        """End what its supervisor has started, which starts it again."""
        for pid in _children(self._running[name].pid):
            os.kill(pid, signal.SIGKILL)

    def renew(self) -> None:
        """Replace everything there is, one process after the other, as an operator does.

        The API by its supervisor, which is told to; monitors by new ones that come first.
        """
        for old in self.monitors:
            new = f"monitor-{next(self._numbers)}"
            self.start(new)
            wait_until(lambda: len(self.shares()) > len(self.monitors), "the new monitor's share")
            self.leave(old)
            self.monitors[self.monitors.index(old)] = new
        self.renew_children("api")

    def renew_children(self, name: str) -> None:
        """Tell a supervisor to renew what it has started; returns when that is done."""
        renewed = self.said(name).count(RENEWED)
        self._running[name].send_signal(signal.SIGHUP)
        wait_until(lambda: self.said(name).count(RENEWED) > renewed, f"{name} to be renewed")

    def children(self, name: str) -> list[int]:
        """Process ids of what a supervisor has started."""
        return _children(self._running[name].pid)

    def pause(self, name: str) -> None:
        """Stop it in the middle of whatever it does; `resume` lets it go on."""
        self._running[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self._running[name].send_signal(signal.SIGCONT)

    def leave(self, name: str) -> None:
        """End it as an operator does; one that has not begun yet knows no signals."""
        self._running[name].send_signal(signal.SIGTERM)
        code = self._running[name].wait(timeout=15)
        assert code in (0, -signal.SIGTERM), f"{name} ended with {code}"

    def alive(self, name: str) -> bool:
        return self._running[name].poll() is None

    def said(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def ready(self) -> bool:
        return self._readiness() is not None

    def shares(self) -> list[int]:
        """How many shards each of the monitors serves, when all are served."""
        told = self._readiness() or {}
        return sorted(len(shards) for shards in told.get("monitors", {}).values())

    def _readiness(self) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                told: dict[str, Any] = json.load(answer)
                return told
        except OSError:
            return None


class WholeService(Processes):
    """All of it by one `plimsoll serve`, under the name `api`, with its embedded Valkey."""

    def start(self, name: str) -> None:
        if name == "api":
            data = ["--data-dir", str(self.directory / "valkey")]
            self._serve(name, [*data, "--monitors", str(len(self.monitors))])

    def renew(self) -> None:
        self.renew_children("api")

    def kill_children(self, name: str) -> None:
        """End the API's worker; the others have names of their own."""
        for pid in self.children(name):
            if b"--role\0api" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)

    def said(self, _name: str) -> str:
        """What all of them said: it is in one file."""
        return super().said("api")


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []
