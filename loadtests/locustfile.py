"""The users of a running service, and the budget checked when the run ends.

`locust -f loadtests/locustfile.py` starts a service for itself; `--host URL` is for one that runs.
"""

import itertools
import os
import time
from argparse import ArgumentParser
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson
from locust import FastHttpUser, User, between, events, task
from locust.env import Environment
from websockets.sync.client import connect

from loadtests import traffic
from loadtests.budget import Calls, judge, read_budget, table
from loadtests.servers import floor, service

TOKEN = os.environ.get("PLIMSOLL_TOKEN")  # of a service that wants a key
KEY = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
JSON = {"Content-Type": "application/json"} | KEY
# Never in step: users with one pace would all call at the same moment, and each wait for the
# others.
FIVE_A_SECOND = between(0.15, 0.25)
USERS = 16  # one of each other kind, and ten bots
TICK_TO_ALERT = "tick to alert"
ALERT_LOST_S = 2.0


class Run:
    """What the users share: samples, canary marks' send times, the floor's address."""

    def __init__(self) -> None:
        self.calls: dict[str, Calls] = defaultdict(Calls)
        self.began_s = 0.0
        self.sent_s: dict[float, float] = {}
        self.listening = False
        self.floor_url = ""
        self.filled = ""  # the service that has all it needs for the next run
        self.servers = ExitStack()

    def begin(self) -> None:
        """Forget what was measured while users were still arriving."""
        self.calls.clear()
        self.sent_s.clear()
        self.began_s = time.perf_counter()


run = Run()


class Bot(FastHttpUser):
    """Evaluates its three positions every tick."""

    wait_time = FIVE_A_SECOND
    bodies = tuple(traffic.evaluation([account]) for account in traffic.accounts(50, 3, "bot"))
    numbers = itertools.count()

    def on_start(self) -> None:
        self.body = self.bodies[next(self.numbers) % len(self.bodies)]

    @task
    def evaluate(self) -> None:
        evaluate(self, self.body, "evaluate 3 positions")


class Desk(FastHttpUser):
    """Evaluates a book of 1,000 positions twice a second."""

    fixed_count = 1
    wait_time = between(0.4, 0.6)
    body = traffic.evaluation(traffic.accounts(traffic.DESK_ACCOUNTS, 5, "desk"))

    @task
    def evaluate(self) -> None:
        evaluate(self, self.body, "evaluate 1,000 positions")


class AccountSync(FastHttpUser):
    """Writes accounts as they trade: one at a time, and now and then twenty."""

    fixed_count = 1
    wait_time = FIVE_A_SECOND
    one = traffic.accounts(1, 3, "sync")[0]
    many = traffic.dump(traffic.accounts(traffic.SYNC_ACCOUNTS, 3, "stored"))
    turn = itertools.count()

    @task
    def write(self) -> None:
        if next(self.turn) % 3 == 0:
            self.client.post(
                "/v1/accounts:batch", data=self.many, headers=JSON, name="write 20 accounts"
            )
            return
        body = traffic.dump({key: value for key, value in self.one.items() if key != "id"})
        self.client.put(
            f"/v1/accounts/{self.one['id']}", data=body, headers=JSON, name="write an account"
        )


class MarkProducer(FastHttpUser):
    """Posts a mark of every symbol, five times a second."""

    fixed_count = 1
    wait_time = FIVE_A_SECOND
    bodies = itertools.cycle([traffic.marks(seed) for seed in range(20)])

    @task
    def post(self) -> None:
        self.client.post("/v1/marks", data=next(self.bodies), headers=JSON, name="post 40 marks")


class Canary(FastHttpUser):
    """Moves an account over its warning line and back, each time at an unused price."""

    fixed_count = 1
    wait_time = FIVE_A_SECOND
    steps = itertools.count()

    @task
    def post(self) -> None:
        step = next(self.steps)
        start = traffic.CANARY_WARNED if step % 2 == 0 else traffic.CANARY_HEALTHY
        price = round(start + step * 1e-6, 6)
        if run.listening:
            run.sent_s[price] = time.perf_counter()
        self.client.post(
            "/v1/marks", data=traffic.canary_mark(price), headers=JSON, name="post a mark"
        )


class Subscriber(User):
    """Listens to the canary's alerts.

    Measures from before its mark was posted to the frame that carries the alert.
    """

    fixed_count = 1

    @task
    def listen(self) -> None:
        host = str(self.environment.host).replace("http", "ws", 1)
        accounts = [traffic.CANARY_ACCOUNT]
        frame = {"op": "subscribe", "id": "1", "channel": "alerts", "accounts": accounts}
        with connect(f"{host}/v1/stream", additional_headers=KEY) as socket:
            socket.send(traffic.dump(frame))
            for received in socket:
                self.take(orjson.loads(received))

    def take(self, frame: dict[str, Any]) -> None:
        run.listening = run.listening or frame["type"] == "subscribed"
        for alert in frame.get("alerts", ()):
            sent_s = run.sent_s.pop(alert["positions"][0]["markPrice"], None)
            if sent_s is not None:
                fire(self.environment, TICK_TO_ALERT, (time.perf_counter() - sent_s) * 1_000)


class Floor(FastHttpUser):
    """Calls the server that does nothing, from the same place, while others call ours."""

    fixed_count = 1
    wait_time = between(0.02, 0.04)
    turn = itertools.count()

    @task
    def call(self) -> None:
        # One call a turn: a second one would find this user awake already and look faster than the
        # others' calls.
        turn = next(self.turn) % 10
        if turn == 9:
            self._post("echo", Desk.body, "floor: echo large")
        elif turn % 3 == 0:
            self.client.get(f"{run.floor_url}/empty", name="floor: empty")
        elif turn % 3 == 1:
            self._post("echo", Bot.bodies[0], "floor: echo small")
        else:
            self._post("durable", traffic.canary_mark(1.0), "floor: durable")

    def _post(self, path: str, body: str, name: str) -> None:
        self.client.post(f"{run.floor_url}/{path}", data=body, headers=JSON, name=name)


def evaluate(user: FastHttpUser, body: str, name: str) -> None:
    """Ask, and count an answer that names a problem as a failure: it would be a fast one."""
    with user.client.post(
        "/v1/evaluate", data=body, headers=JSON, name=name, catch_response=True
    ) as answer:
        if b'"problems":[]' not in answer.content:
            answer.failure("the answer names problems")


def fire(
    environment: Environment, name: str, response_time: float, error: Exception | None = None
) -> None:
    environment.events.request.fire(
        request_type="WS",
        name=name,
        response_time=response_time,
        response_length=0,
        exception=error,
        context={},
    )


@events.init_command_line_parser.add_listener
def add_arguments(parser: ArgumentParser) -> None:
    # A text: Locust's page tells all options as JSON.
    default = str(Path(__file__).with_name("budget.toml"))
    parser.add_argument("--budget", default=default, help="the latency budget")
    parser.set_defaults(num_users=USERS, spawn_rate=USERS, reset_stats=True)


@events.init.add_listener
def start(environment: Environment, **_: Any) -> None:
    """Start the floor, and a service when none was named."""
    run.floor_url = run.servers.enter_context(floor())
    if not environment.host:
        environment.host = run.servers.enter_context(service())
    fill(environment.host)


@events.quit.add_listener
def stop(**_: Any) -> None:
    run.servers.close()


@events.test_start.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Fill the service again for a second run, or another one that was named on the page."""
    if run.filled != environment.host:
        fill(str(environment.host))
    run.filled = ""


def fill(host: str) -> None:
    """Give the service all it needs, and wait until the monitor has it.

    The first time before the run begins: its length is that of what the users do.
    """
    alerts = f"/v1/alerts?accountId={traffic.CANARY_ACCOUNT}"
    stored = traffic.accounts(traffic.STORED_ACCOUNTS, 3, "stored")
    call(host, "PUT", "/v1/instruments", traffic.instruments())
    call(host, "POST", "/v1/marks", traffic.marks(0))
    call(host, "POST", "/v1/marks", traffic.canary_mark(traffic.CANARY_HEALTHY))
    call(host, "POST", "/v1/accounts:batch", traffic.dump(stored))
    call(host, "PUT", f"/v1/accounts/{traffic.CANARY_ACCOUNT}", traffic.canary_account())
    before = len(call(host, "GET", alerts)["alerts"])
    call(host, "POST", "/v1/marks", traffic.canary_mark(traffic.CANARY_WARNED))
    while len(call(host, "GET", alerts)["alerts"]) == before:
        time.sleep(0.1)
    run.filled = host


def call(host: str, method: str, path: str, body: str | None = None) -> Any:
    """Make one call before the users do; AssertionError when an item of it is refused."""
    data = None if body is None else body.encode()
    with urlopen(Request(f"{host}{path}", data, JSON, method=method), timeout=60) as answer:
        read = orjson.loads(answer.read())
    assert not read.get("refused"), f"{method} {path}: a refusal"
    return read


@events.request.add_listener
def note(name: str, response_time: float, exception: Exception | None = None, **_: Any) -> None:
    if exception is None:
        run.calls[name].times_ms.append(response_time)
    else:
        run.calls[name].failed += 1


@events.spawning_complete.add_listener
def begin(**_: Any) -> None:
    run.begin()


@events.test_stop.add_listener
def finish(environment: Environment, **_: Any) -> None:
    """Print the table and make the exit code of the run that of the budget."""
    if not run.began_s:  # the page was closed before anybody began a run
        environment.process_exit_code = 1
        print("\nnothing was measured")
        return
    seconds = time.perf_counter() - run.began_s
    lost = [sent for sent in run.sent_s.values() if time.perf_counter() - sent > ALERT_LOST_S]
    run.calls[TICK_TO_ALERT].failed += len(lost)
    options = environment.parsed_options
    assert options is not None
    findings = judge(read_budget(Path(options.budget)), run.calls, seconds)
    kept = all(finding.kept for finding in findings)
    print(f"\n{table(findings)}\n\nbudget {'kept' if kept else 'BROKEN'} over {seconds:.0f} s")
    environment.process_exit_code = 0 if kept else 1
