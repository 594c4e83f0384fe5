"""`plimsoll backup`, `restore` and `migrate`: over a running store and over one that rests."""

import asyncio
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import cli
from service.store import keys
from service.store.client import connect
from service.store.epoch import settle
from service.store.formats import FORMAT
from tests.valkey_server import ValkeyServer

pytestmark = pytest.mark.skipif(
    os.environ.get("PLIMSOLL_TEST_STORE") == "cluster", reason="about one server's data"
)


def plimsoll(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def written(url: str, form: int = FORMAT) -> str:
    """Begin data of a format; return its epoch."""

    async def write() -> str:
        async with connect(url) as client:
            epoch = await settle(client, 64)
            await client.call("HSET", "{s00}:accounts", "default/a", "{}")
            await client.call("SET", keys.FORMAT, form)
            return epoch

    return asyncio.run(write())


def test_a_running_store_is_backed_up_and_restored(valkey: ValkeyServer, tmp_path: Path) -> None:
    epoch = written(valkey.url)
    data = ("--data-dir", valkey.data_dir)
    made = plimsoll("backup", tmp_path / "b", *data)
    assert made.exit_code == 0, made.output
    assert f"1 accounts, 0 alerts in the log, market entry 0, epoch {epoch}" in made.stdout
    again = plimsoll("backup", tmp_path / "b", *data)
    assert (again.exit_code, "is not empty" in again.stderr) == (1, True)
    over = plimsoll("restore", tmp_path / "b", *data)
    assert (over.exit_code, "is not empty" in over.stderr) == (1, True)
    restored = plimsoll("restore", tmp_path / "b", "--data-dir", tmp_path / "elsewhere")
    assert restored.exit_code == 0, restored.output
    assert f"plimsoll serve --data-dir {tmp_path / 'elsewhere'}" in restored.stdout
    # Nobody runs over what was restored: a server is started for a while.
    copied = plimsoll("backup", tmp_path / "c", "--data-dir", tmp_path / "elsewhere")
    assert (copied.exit_code, "1 accounts" in copied.stdout) == (0, True), copied.output


def test_a_store_that_rests_is_backed_up(valkey: ValkeyServer, tmp_path: Path) -> None:
    written(valkey.url)
    valkey.stop()
    made = plimsoll("backup", tmp_path / "b", "--data-dir", valkey.data_dir)
    assert made.exit_code == 0, made.output
    assert "1 accounts" in made.stdout


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    for command in (("backup", tmp_path / "b"), ("migrate",)):
        ended = plimsoll(*command, "--data-dir", gone)
        assert (ended.exit_code, "no data directory" in ended.stderr) == (1, True)
    ended = plimsoll("restore", gone, "--data-dir", tmp_path / "new")
    assert (ended.exit_code, "is no backup" in ended.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("form", "code", "said"),
    [
        (None, 0, "no data yet: it will be of format 1"),
        (FORMAT, 0, "of format 1, which this release reads and writes"),
        (FORMAT + 1, 1, "written by a later release"),
        (FORMAT - 1, 1, "cannot bring data of format 0 up to 1"),
    ],
)
def test_migrate_says_how_it_stands(form: int | None, code: int, said: str, redis_url: str) -> None:
    if form is not None:
        written(redis_url, form)
    for arguments in (("migrate", "--check"), ("migrate",)):
        ended = plimsoll(*arguments, "--redis-url", redis_url)
        assert ended.exit_code == code, ended.output
        assert said in ended.output.replace("\n", " ")
