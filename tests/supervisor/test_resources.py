"""What the supervisor holds: ports that are nobody else's, one service a data directory."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from service.settings import Settings
from service.supervisor import resources
from service.supervisor.children import StartError
from service.supervisor.serve import check_bind, environment_of


def test_a_taken_port_is_refused_with_advice() -> None:
    (taken,) = resources.listen("127.0.0.1", 0, 1)
    with taken:
        port = taken.getsockname()[1]
        assert not resources.is_free("127.0.0.1", port)
        for count in (1, 2):
            with pytest.raises(StartError, match=rf"port {port} of 127\.0\.0\.1 is taken.*--port"):
                resources.listen("127.0.0.1", port, count)


def test_workers_share_one_port_and_each_gets_connections() -> None:
    sockets = resources.listen("127.0.0.1", 0, 2)
    addresses = {one.getsockname() for one in sockets}
    assert len(addresses) == 1
    peers = [socket.create_connection(next(iter(addresses))) for _ in range(40)]
    accepted = []
    for one in sockets:
        one.setblocking(False)
        count = 0
        try:
            while True:
                one.accept()[0].close()
                count += 1
        except BlockingIOError:
            accepted.append(count)
    for opened in (*peers, *sockets):
        opened.close()

    assert sum(accepted) == 40
    assert min(accepted) > 0


def test_the_url_is_one_this_machine_reaches() -> None:
    (everywhere,) = resources.listen("0.0.0.0", 0, 1)
    with everywhere:
        assert resources.url_of(everywhere) == f"http://127.0.0.1:{everywhere.getsockname()[1]}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_needs_no_permission(host: str) -> None:
    check_bind(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_other_machines_are_kept_out_unless_they_need_keys_or_are_allowed(host: str) -> None:
    with pytest.raises(StartError, match=r"PLIMSOLL_BOOTSTRAP_KEY.*PLIMSOLL_ALLOW_PUBLIC"):
        check_bind(Settings(host=host))
    for more in ({"allow_public": True}, {"require_keys": True}, {"bootstrap_key": "b" * 20}):
        check_bind(Settings(host=host, **more))


def test_keys_are_in_force_when_asked_for_or_when_there_is_a_bootstrap_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not Settings().keys_in_force
    assert Settings(require_keys=True).keys_in_force
    monkeypatch.setenv("PLIMSOLL_BOOTSTRAP_KEY", "")  # as Compose passes on what is not set
    assert not Settings().keys_in_force
    monkeypatch.setenv("PLIMSOLL_BOOTSTRAP_KEY", "b" * 19)
    with pytest.raises(ValidationError) as short:
        Settings()
    assert "b" * 19 not in "".join(error["msg"] for error in short.value.errors())
    monkeypatch.setenv("PLIMSOLL_BOOTSTRAP_KEY", "b" * 20)
    assert Settings().keys_in_force
    assert "b" * 20 not in f"{Settings()!r} {Settings()} {Settings().bootstrap_key}"


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(StartError, match="no-such-host"):
        resources.is_loopback("no-such-host.invalid")


def test_a_data_directory_is_one_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "LOCK_WAIT_S", 0.0)
    held = asyncio.run(resources.lock(tmp_path / "data"))
    with pytest.raises(StartError, match="another plimsoll"):
        asyncio.run(resources.lock(tmp_path / "data"))
    os.close(held)
    os.close(asyncio.run(resources.lock(tmp_path / "data")))


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StartError, match="cannot be used"):
        asyncio.run(resources.lock(tmp_path / "data"))


def test_children_get_the_very_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        port=1234,
        redis_url="unix:///x",
        pegged_assets=("USDT", "USDC"),
        event_time="source",
        bootstrap_key=SecretStr("b" * 20),
    )
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)

    assert Settings() == settings
