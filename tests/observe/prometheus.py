"""A real Prometheus over a service, with the project's rules in times a test can wait for."""

import math
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.running_service import until
from tests.launching import free_port

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "observe" / "rules.yml"
_SECONDS = {"s": 1, "m": 60, "h": 3_600}
# Silences that the rules wait for, in the copy with shorter times.
_SHORTER = {"age_seconds) > 10": "age_seconds) > 2.5", "quiet_seconds) < 15": "quiet_seconds) < 3"}
_WAIT = re.compile(r"(?<=for: )\d+[smh]|(?<=offset )\d+[smh]")
_RANGE = re.compile(r"(?<=\[)\d+[smh](?=])")
_SCRAPES = 12  # in the shortest range of the rules: what steps once must be in sight long enough


def needed(program: str) -> str:
    """Return where a program of Debian's package `prometheus` is; skips where it is not."""
    found = shutil.which(program)
    if found is None and os.environ.get("PLIMSOLL_NEEDS_PROMETHEUS") == "1":
        pytest.fail(f"{program} is not on PATH, though PLIMSOLL_NEEDS_PROMETHEUS=1 asks for it")
    if found is None:
        pytest.skip(f"needs {program} (Debian: apt-get install prometheus)")
    return found


def shortened(rules: str, factor: float, every_ms: int) -> str:
    """Return the rules with every range, wait and offset shorter by a factor.

    A range has no fewer scrapes in it than the shortest has in the rules as they are.
    """

    def shorter(least_ms: int) -> Callable[[re.Match[str]], str]:
        def replaced(found: re.Match[str]) -> str:
            seconds = int(found.group()[:-1]) * _SECONDS[found.group()[-1]]
            return f"{max(least_ms, round(1_000 * seconds / factor))}ms"

        return replaced

    for long, short in _SHORTER.items():
        assert long in rules, long
        rules = rules.replace(long, short)
    return _RANGE.sub(shorter(_SCRAPES * every_ms), _WAIT.sub(shorter(1), rules))


class Prometheus:
    """One server that scrapes `url`; asked by its own HTTP API."""

    def __init__(self, folder: Path, url: str, rules: str, every_ms: int) -> None:
        self._folder, self._target = folder, url.removeprefix("http://")
        folder.mkdir()
        (folder / "rules.yml").write_text(rules, encoding="utf-8")
        self._configure(every_ms)
        port = free_port()
        self._log = (folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                needed("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=self._log,
            stderr=self._log,
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10.0)
        until(self._is_ready)

    def look_every(self, every_ms: int) -> None:
        """Scrape as often from now on."""
        self._configure(every_ms)
        self._process.send_signal(signal.SIGHUP)

    def values(self, query: str) -> list[float]:
        """Return the values of a query now, but for those that are no numbers."""
        answer = self._get("/api/v1/query", query=query)
        values = (float(row["value"][1]) for row in answer["result"])
        return [value for value in values if not math.isnan(value)]

    def alerts(self, state: str = "firing") -> set[str]:
        """Return the names of the alerts that are in a state."""
        alerts = self._get("/api/v1/alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == state}

    def rules(self) -> set[str]:
        """Return the names of the rules."""
        groups = self._get("/api/v1/rules")["groups"]
        assert all(rule["health"] != "err" for group in groups for rule in group["rules"])
        return {rule["name"] for group in groups for rule in group["rules"]}

    def stop(self) -> None:
        self.http.close()
        self._process.terminate()
        self._process.wait(10.0)
        self._log.close()

    def _configure(self, every_ms: int) -> None:
        text = (ROOT / "deploy" / "observe" / "prometheus.yml").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if "authorization" not in line]
        text = "\n".join(lines).replace("api:8000", self._target)
        text = re.sub(r"_interval: 5s", f"_interval: {every_ms}ms", text)
        (self._folder / "prometheus.yml").write_text(text, encoding="utf-8")

    def _get(self, path: str, **parameters: str) -> Any:
        answer = self.http.get(path, params=parameters).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "prometheus.log").read_text()
        try:
            return self.http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False
