"""A whole service with keys in force, on every address: made, used by the commands, revoked."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from service.demo.listener import stream_url
from tests.cli.test_commands import REQUEST
from tests.e2e.running_service import RunningService, run_to_end, until

EVALUATE = "/v1/evaluate"
SECRET = "very-secret"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "data"


@pytest.fixture(scope="module")
def service(data_dir: Path) -> Iterator[RunningService]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PLIMSOLL_REQUIRE_KEYS", "true")
        running = RunningService(data_dir, "--host", "0.0.0.0")
    yield running
    running.process.terminate()
    assert running.ended() == 0
    assert SECRET not in "\n".join(running.lines)  # all that was said to the end


def test_a_key_opens_the_service_until_it_is_revoked(
    service: RunningService, data_dir: Path, tmp_path: Path
) -> None:
    store = ("--data-dir", str(data_dir))
    scopes = ("--scope", "evaluate", "--scope", "alerts:read")
    made = run_to_end("keys", "create", "bot", *scopes, *store)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    key = {"Authorization": f"Bearer {token}"}
    assert service.http.post(EVALUATE, json=REQUEST).status_code == 401
    assert service.http.post(EVALUATE, json=REQUEST, headers=key).status_code == 200
    assert service.http.get("/metrics", headers=key).status_code == 403
    file = tmp_path / "request.json"
    file.write_text(json.dumps(REQUEST))
    command = ("evaluate", str(file), "--url", service.url, "-o", "json")
    assert run_to_end(*command, "--token", token).returncode == 0
    assert "unauthenticated" in run_to_end(*command).stdout

    with connect(stream_url(service.url), additional_headers=key) as stream:
        frame = {"op": "subscribe", "id": "1", "channel": "alerts", "accounts": ["*"]}
        stream.send(json.dumps(frame))
        assert json.loads(stream.recv(10.0))["type"] == "subscribed"
        assert run_to_end("keys", "revoke", token, *store).returncode == 0
        revoked_s = time.monotonic()
        assert close_code(stream) == 4501
    until(lambda: service.http.post(EVALUATE, json=REQUEST, headers=key).status_code == 401)
    assert time.monotonic() - revoked_s < 8.0
    said = "\n".join(service.lines)
    assert "for those with an API key" in said
    assert token.rpartition("_")[2] not in said


def close_code(stream: ClientConnection) -> int | None:
    """Read until the service closes; its code."""
    try:
        while True:
            stream.recv(10.0)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def test_a_stream_of_another_page_is_refused_whatever_its_address_has(
    service: RunningService,
) -> None:
    for query in (f"?token={SECRET}", ""):
        with (
            pytest.raises(InvalidStatus),
            connect(stream_url(service.url) + query, origin=Origin("https://evil.example")),
        ):
            pass


def test_a_stream_that_is_refused_is_not_asked_for_again(service: RunningService) -> None:
    ended = run_to_end("watch", "--url", service.url, "--token", "wrong", "--plain", seconds=20.0)
    assert ended.returncode == 1
    assert "API key" in ended.stderr
    assert "Traceback" not in ended.stderr
