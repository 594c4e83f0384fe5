"""A whole service as a process tree, for tests that kill parts of it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.launching import environment_with


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true value of `condition`, asked again and again; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        pause.wait(0.02)
    return value


class RunningService:
    """`plimsoll serve` over a data directory; `lines` is everything it has said."""

    def __init__(self, data_dir: Path, *arguments: str, **settings: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            _command("serve", "--port", "0", "--data-dir", str(data_dir), *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment_with(**settings),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # The first start of a clone compiles: a minute or two on a slow machine.
        self.url: str = until(self._ready_url, 240.0)
        self.http = httpx.Client(base_url=self.url, timeout=5.0, trust_env=False)

    def children(self, name: str) -> list[int]:
        """Process ids of its children whose command line has `name` in it."""
        found = []
        for pid in _children_of(self.process.pid):
            line = Path(f"/proc/{pid}/cmdline")
            if line.exists() and name in line.read_bytes().decode().replace("\0", " "):
                found.append(pid)
        return found

    def kill(self, name: str) -> None:
        """Kill -9 a child; returns when another one has taken its place."""
        (pid,) = self.children(name)
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.children(name) and pid not in self.children(name), 30.0)

    def answers(self, path: str) -> bool:
        try:
            return self.http.get(path).status_code == 200
        except httpx.TransportError:
            return False

    def write(self, method: str, path: str, body: object) -> httpx.Response:
        """Send a write until the service takes it: it answers 503 while a part is away."""

        def attempt() -> httpx.Response | None:
            try:
                response = self.http.request(method, path, json=body)
            except httpx.TransportError:
                return None
            return None if response.status_code == 503 else response

        response: httpx.Response = until(attempt)
        assert response.is_success, response.text
        return response

    def ended(self, seconds: float = 10.0) -> int:
        """Wait for its end after a signal; return the exit code. Fails when it takes longer."""
        self.http.close()
        code = self.process.wait(seconds)
        self._reader.join(5.0)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip() for line in iter(self.process.stdout.readline, ""))

    def _ready_url(self) -> str | None:
        assert self.process.poll() is None, "\n".join(self.lines)
        text = "\n".join(self.lines)
        found = re.search(r"Plimsoll is ready after .*?: (http://[0-9.:]+)", text)
        return found.group(1) if found else None


def run_to_end(*arguments: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run `plimsoll` with `arguments` and return how it ended."""
    return subprocess.run(
        _command(*arguments), capture_output=True, text=True, timeout=seconds, check=False
    )


def _command(*arguments: str) -> Sequence[str]:
    return (sys.executable, "-m", "service", *arguments)


def _children_of(parent: int) -> list[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(pid) for pid in text.split()]
