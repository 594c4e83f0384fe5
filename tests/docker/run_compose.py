"""The Compose file run for real. `make docker-test`.

Healthy soon, answers, loses nothing when Valkey restarts, demo, clean stop. Needs a Docker engine;
one without a bridge network is given host-network.yml on top.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SERVICES = ("api", "monitor", "valkey")
HEALTHY_WITHIN_S, STOPPED_WITHIN_S, LIMIT_S = 30.0, 10.0, 120.0
SYMBOL = "BTC/USDT:USDT"
INSTRUMENT = {
    "symbol": SYMBOL,
    "linear": True,
    "contractSize": 1,
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "tiers": [{"minNotional": 0, "maxNotional": 1e9, "maintenanceMarginRate": 0.005}],
}
POSITION = {"symbol": SYMBOL, "side": "long", "contracts": 1, "entryPrice": 60_000}
ACCOUNT = {"balances": [{"asset": "USDT", "amount": 10_000}], "positions": [POSITION]}


class Compose:
    """The project under a name of its own, so that nobody's running one is touched."""

    def __init__(self) -> None:
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        standalone = shutil.which("docker-compose") or "docker-compose"
        self._command = ["docker", "compose"] if plugin.returncode == 0 else [standalone]
        self._command += ["--project-name", "plimsoll-test", "--profile", "demo"]
        self._command += ["--file", "docker-compose.yml"]
        bridge = subprocess.run(
            ["docker", "network", "inspect", "bridge"], capture_output=True, check=False
        )
        on_host = bridge.returncode != 0
        if on_host:
            self._command += ["--file", str(HERE / "host-network.yml")]
        self.url = f"http://127.0.0.1:{18_000 if on_host else 8_000}"

    def __call__(self, *arguments: str) -> None:
        subprocess.run([*self._command, *arguments], cwd=ROOT, check=True)

    def states(self) -> dict[str, dict[str, Any]]:
        """The engine's State of each container by service."""
        command = [*self._command, "ps", "--all", "--quiet"]
        ids = subprocess.run(
            command, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()
        described = subprocess.run(
            ["docker", "inspect", *ids], check=True, capture_output=True
        ).stdout
        label = "com.docker.compose.service"
        return {row["Config"]["Labels"][label]: row["State"] for row in json.loads(described)}

    def log(self, service: str) -> str:
        command = [*self._command, "logs", service]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    def healthy(self) -> bool:
        states = self.states()
        return all(states[name].get("Health", {}).get("Status") == "healthy" for name in SERVICES)

    def call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def answers(self, path: str) -> bool:
        with contextlib.suppress(urllib.error.URLError, OSError):
            self.call("GET", path)
            return True
        return False

    def alerts(self) -> list[dict[str, Any]]:
        return list(self.call("GET", "/v1/alerts")["alerts"])

    def newest_level(self) -> str | None:
        alerts = self.alerts()
        return str(alerts[-1]["level"]) if alerts else None


def timed(
    what: str, condition: Callable[[], bool], limit_s: float, since: float | None = None
) -> None:
    """Poll until `condition` holds; return how long it took, fail beyond `limit_s`."""
    start = time.monotonic() if since is None else since
    while not condition():
        assert time.monotonic() - start < LIMIT_S, f"waited {LIMIT_S:.0f} s for: {what}"
        time.sleep(0.2)
    took = time.monotonic() - start
    print(f"{what}: {took:.1f} s (at most {limit_s:.0f})", flush=True)
    assert took <= limit_s, f"{what} took {took:.1f} s"


def post_mark(compose: Compose, price: float) -> None:
    compose.call("POST", "/v1/marks", {"marks": [{"symbol": SYMBOL, "markPrice": price}]})


def check(compose: Compose) -> None:
    start = time.monotonic()
    compose("up", "--detach", "--no-build", *SERVICES, "webhooks")
    timed("all healthy", compose.healthy, HEALTHY_WITHIN_S, start)
    timed("webhooks", lambda: "delivers to webhooks" in compose.log("webhooks"), 10.0)

    compose.call("PUT", "/v1/instruments", [INSTRUMENT])
    post_mark(compose, 60_000)
    compose.call("PUT", "/v1/accounts/a1", ACCOUNT)
    evaluation = compose.call("POST", "/v1/evaluate", {"accounts": [{"id": "a1"} | ACCOUNT]})
    price = evaluation["accounts"][0]["positions"][0]["liquidationPrice"]
    assert abs(price - 50_000 / 0.995) < 1e-6 * price, price
    print(f"evaluate answers: liquidation at {price:.2f}")
    post_mark(compose, 50_400)
    timed("an alert", lambda: compose.newest_level() == "WARNING", 5.0)

    before = [compose.call("GET", path) for path in ("/v1/accounts/a1", "/v1/alerts")]
    compose("restart", "valkey")
    timed("ready after a restart of Valkey", lambda: compose.answers("/readyz"), 30.0)
    after = [compose.call("GET", path) for path in ("/v1/accounts/a1", "/v1/alerts")]
    assert [before[0], before[1]["alerts"]] == [after[0], after[1]["alerts"]], (before, after)
    assert compose.call("GET", "/v1/marks")["marks"][0]["markPrice"] == 50_400
    post_mark(compose, 49_000)
    timed("the next alert", lambda: compose.newest_level() == "BANKRUPT", 10.0)
    numbers = [alert["seq"] for alert in compose.alerts()]
    assert numbers == list(range(1, len(numbers) + 1)), numbers

    compose("up", "--detach", "--no-build", "demo")
    timed("a liquidation in the demo's log", lambda: "LIQUIDATION" in compose.log("demo"), 60.0)

    start = time.monotonic()
    compose("stop")
    timed("stopped", lambda: True, STOPPED_WITHIN_S, start)
    codes = {name: state["ExitCode"] for name, state in compose.states().items()}
    print(f"exit codes: {codes}")
    assert set(codes.values()) == {0}


def main() -> int:
    compose = Compose()
    compose("build")
    compose("down", "--volumes", "--remove-orphans")
    try:
        check(compose)
    except BaseException:
        compose("logs", "--tail", "50")
        raise
    finally:
        compose("down", "--volumes", "--remove-orphans")
    print("the Compose file holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
