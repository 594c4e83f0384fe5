"""Whatever is sent, the answer is a 4xx with a code, never a 500; memory has a plateau."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.hostile import Attack, attacks, evaluate, largest
from tests.api.workers import SHARDS, account, errors_of, long
from tests.valkey_cluster import AnyServer

ROOT = Path(__file__).parents[2]
ROUNDS = 10
PLATEAU_KIB = 24 * 1_024


@pytest.fixture(scope="module")
def server(shared_server: AnyServer) -> Iterator["Server"]:
    """A worker process as the service starts it."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    descriptor = listening.fileno()
    role = ("--role", "api", "--listen-fd", str(descriptor))
    command = [sys.executable, "-m", "service.part", *role]
    environment = os.environ | {
        "PLIMSOLL_REDIS_URL": shared_server.url,
        "PLIMSOLL_SHARDS": str(SHARDS),
        "PLIMSOLL_PORT": str(port),
    }
    process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[descriptor])
    listening.close()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0) as client:
        yield Server(process, client)
    process.terminate()
    assert process.wait(5.0) == 0


class Server:
    """A worker process and a client of it."""

    def __init__(self, process: subprocess.Popen[bytes], client: httpx.Client) -> None:
        self._pid = process.pid
        self._client = client

    def send(self, attack: Attack) -> httpx.Response:
        return self._client.request(
            attack.method, attack.path, content=attack.body, headers=attack.headers
        )

    def failure(self, attack: Attack) -> str | None:
        """Return what is wrong with the answer; None when it is refused as it should be."""
        response = self.send(attack)
        errors_of(response)
        answer = (response.status_code, response.json()["code"])
        good = answer == (attack.status, attack.code)
        good |= attack.or_invalid and answer == (422, "invalid_input")
        return None if good else f"{attack.name}: {answer}"

    def resident_kib(self) -> int:
        listed = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self._pid)], capture_output=True, check=True
        )
        return int(listed.stdout)


def test_every_attack_is_refused_with_its_code(server: Server) -> None:
    failures = [server.failure(attack) for attack in attacks()]
    assert not [failure for failure in failures if failure]


def test_what_is_too_large_is_refused(server: Server) -> None:
    failures = [server.failure(attack) for attack in largest()]
    assert not [failure for failure in failures if failure]


@pytest.mark.soak
def test_memory_stands_on_a_plateau(server: Server) -> None:
    chosen = [*attacks(), *largest()]
    if not os.environ.get("PLIMSOLL_SOAK"):
        chosen = chosen[::7]
    good = Attack("good", "/v1/evaluate", evaluate(account(long())), 200)
    resident = []
    for _ in range(ROUNDS):
        for attack in chosen:
            server.send(attack)
        assert server.send(good).status_code == 200
        resident.append(server.resident_kib())
    print(f"resident KiB after each of {ROUNDS} rounds of {len(chosen)} attacks: {resident}")
    assert max(resident[ROUNDS // 2 :]) - resident[ROUNDS // 2 - 1] < PLATEAU_KIB, resident


def test_no_attack_is_answered_with_a_piece_of_itself(server: Server) -> None:
    secret = "s3cr3t`$.[x]`"
    for body in (
        evaluate(account(venue=secret)),
        evaluate(account(long(side=secret))),
        evaluate(account(long(secret))),
        evaluate(account(long()), marks={secret: -1}),
        evaluate(account(long()), marks={secret: secret}),
        evaluate(account(id=secret)),
        evaluate(account(long(contracts=secret))),
    ):
        response = server.send(Attack("secret", "/v1/evaluate", body))
        assert response.status_code == 422
        assert "s3cr3t" not in response.text


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/accounts/a", "DELETE, GET, PUT"), ("/v1/marks", "GET, POST"), ("/livez", "GET")],
)
def test_a_wrong_method_is_told_all_the_right_ones(server: Server, path: str, allowed: str) -> None:
    response = server.send(Attack("a wrong method", path, b"", 405, method="PATCH"))
    assert response.headers["allow"] == allowed
