"""Backups: what the store held at one moment, or nothing; restored elsewhere, with a new epoch."""

import asyncio
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import msgspec
import pytest

from service.errors import StoreUnavailable, WrongBackup, WrongFormat
from service.store import keys
from service.store.api_keys import ApiKeys
from service.store.client import Client, connect
from service.store.epoch import settle
from service.store.formats import FORMAT
from service.store.inventory import take_inventory
from service.supervisor import backups
from service.supervisor.backups import MANIFEST, SNAPSHOT, back_up, read_manifest, restore
from service.supervisor.brief_valkey import brief_valkey
from service.supervisor.children import StartError
from tests.valkey_cluster import ValkeyCluster
from tests.valkey_server import ValkeyServer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        os.environ.get("PLIMSOLL_TEST_STORE") == "cluster", reason="a cluster has no one moment"
    ),
]

SHARDS = 4
RELEASE = "0.1.0"


@pytest.fixture
async def client(valkey: ValkeyServer) -> AsyncIterator[Client]:
    async with connect(valkey.url) as client:
        await settle(client, SHARDS)
        await ApiKeys(client).create("desk", "default", ("evaluate",), 1, None)
        for number in range(100):
            await client.call("HSET", "{s01}:accounts", f"default/{number}", "x" * 1_000)
        yield client


@pytest.fixture
async def backup(client: Client, valkey: ValkeyServer, tmp_path: Path) -> Path:
    assert (await take_inventory(client)).accounts == 100
    await back_up(valkey.url, tmp_path / "backup", RELEASE)
    return tmp_path / "backup"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()}


def left_over(folder: Path) -> list[str]:
    return [name for name in contents(folder) if name.startswith(".")]


async def test_a_backup_is_what_the_store_held(
    client: Client, backup: Path, tmp_path: Path
) -> None:
    held = await take_inventory(client)
    manifest = read_manifest(backup)
    assert manifest.holds == held
    assert (held.accounts, held.api_keys, held.shards, held.format) == (100, 1, SHARDS, FORMAT)
    assert contents(backup).keys() == {SNAPSHOT, MANIFEST}
    assert left_over(tmp_path) == []
    await client.call("HSET", "{s01}:accounts", "default/later", "y")
    await restore(backup, tmp_path / "elsewhere")
    async with brief_valkey(tmp_path / "elsewhere") as url, connect(url) as restored:
        assert await restored.call("HLEN", "{s01}:accounts") == 100
        assert await restored.call("HGET", "{s01}:accounts", "default/7") == b"x" * 1_000
        assert await restored.call("EXISTS", keys.EPOCH) == 0
        assert await settle(restored, SHARDS) != held.epoch
    assert await settle(client, SHARDS) == held.epoch


async def test_what_was_restored_outlives_its_server(backup: Path, tmp_path: Path) -> None:
    await restore(backup, tmp_path / "elsewhere")
    server = ValkeyServer(tmp_path / "elsewhere")
    server.start()
    async with connect(server.url) as client:
        await client.call("HSET", "{s01}:accounts", "default/later", "y")
        server.kill()
        server.start()
    async with connect(server.url) as client:
        assert await client.call("HLEN", "{s01}:accounts") == 101
    server.stop()


async def test_writes_go_on_meanwhile_and_are_in_or_not(
    client: Client, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """Each write is two fields set together: a backup has both or neither, and a prefix of all."""
    written, enough = 0, asyncio.Event()

    async def write() -> None:
        nonlocal written
        while True:
            await client.call("HSET", "{s02}:accounts", f"a{written}", 1, f"b{written}", 1)
            written += 1
            if written == 100:
                enough.set()

    writing = asyncio.create_task(write())
    await enough.wait()
    before = written
    manifest = await back_up(valkey.url, tmp_path / "backup", RELEASE)
    writing.cancel()
    pairs = manifest.holds.accounts - 100
    assert pairs % 2 == 0
    assert before <= pairs // 2 <= written
    await restore(tmp_path / "backup", tmp_path / "elsewhere")
    async with brief_valkey(tmp_path / "elsewhere") as url, connect(url) as restored:
        names = set(await restored.call("HKEYS", "{s02}:accounts"))
    assert names == {f"{side}{at}".encode() for side in "ab" for at in range(pairs // 2)}


@pytest.mark.parametrize("name", [SNAPSHOT, MANIFEST])
@pytest.mark.parametrize("damage", ["gone", "short", "other"])
async def test_half_a_backup_is_refused(
    name: str, damage: str, backup: Path, tmp_path: Path
) -> None:
    file = backup / name
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        half = len(content) // 2
        file.write_bytes(
            content[:half] + (b"" if damage == "short" else b"#" + content[half + 1 :])
        )
    with pytest.raises(WrongBackup):
        await restore(backup, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    assert left_over(tmp_path) == []


async def test_a_manifest_that_does_not_count_what_is_there_is_refused(
    backup: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(backup)
    wrong = msgspec.structs.replace(manifest.holds, accounts=99)
    (backup / MANIFEST).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(manifest, holds=wrong))
    )
    with pytest.raises(WrongBackup, match="not what its manifest says"):
        await restore(backup, tmp_path / "elsewhere")


async def test_backups_of_later_releases_are_refused(backup: Path, tmp_path: Path) -> None:
    manifest = read_manifest(backup)
    later = msgspec.structs.replace(manifest.holds, format=FORMAT + 1)
    for changed, error in (
        (msgspec.structs.replace(manifest, holds=later), WrongFormat),
        (msgspec.structs.replace(manifest, manifest=2), WrongBackup),
    ):
        (backup / MANIFEST).write_bytes(msgspec.json.encode(changed))
        with pytest.raises(error):
            await restore(backup, tmp_path / "elsewhere")


async def test_nothing_is_put_where_something_is(
    client: Client, valkey: ValkeyServer, backup: Path, tmp_path: Path
) -> None:
    there = contents(backup)
    with pytest.raises(WrongBackup, match="not empty"):
        await back_up(valkey.url, backup, RELEASE)
    for taken in (backup, valkey.data_dir, backup / MANIFEST):
        with pytest.raises(WrongBackup, match="not empty"):
            await restore(backup, taken)
    assert contents(backup) == there
    assert await client.call("HLEN", "{s01}:accounts") == 100
    (tmp_path / "empty").mkdir()
    await restore(backup, tmp_path / "empty")


async def test_whoever_is_faster_at_a_place_keeps_it(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service starts in the directory while it is being restored."""
    place = tmp_path / "elsewhere"

    def begun(_: Path) -> None:
        place.mkdir(exist_ok=True)
        (place / "valkey.lock").touch()

    monkeypatch.setattr(backups, "_sync", begun)
    with pytest.raises(WrongBackup, match="not empty any more"):
        await restore(backup, place)
    assert contents(place) == {"valkey.lock": b""}
    assert left_over(tmp_path) == []


async def test_a_store_that_is_away_or_empty_gives_no_backup(
    redis_url: str, tmp_path: Path
) -> None:
    with pytest.raises(WrongBackup, match="no data of a service"):
        await back_up(redis_url, tmp_path / "backup", RELEASE)
    with pytest.raises(StoreUnavailable):
        await back_up(f"unix://{tmp_path}/none.sock", tmp_path / "backup", RELEASE)
    assert contents(tmp_path) == {}


async def test_a_cluster_is_refused(shared_cluster: ValkeyCluster, tmp_path: Path) -> None:
    with pytest.raises(WrongBackup, match="cluster"):
        await back_up(shared_cluster.url, tmp_path / "backup", RELEASE)


async def test_a_directory_that_valkey_cannot_read_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.manifest").write_text("file gone.rdb seq 1 type b\n")
    with pytest.raises(StartError, match="last words"):
        async with brief_valkey(tmp_path):
            pass


def run_until(step: int, kind: str, source: str, place: Path) -> None:
    """Back up or restore, and die by SIGKILL when the module calls its function number `step`."""
    calls = itertools.count(1)

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename == backups.__file__ and next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    if kind == "backup":
        asyncio.run(back_up(source, place, RELEASE))
    else:
        asyncio.run(restore(Path(source), place))


def died(step: int, kind: str, source: str, place: Path) -> bool:
    """Whether there was a step to be killed at."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=run_until, args=(step, kind, source, place))
    process.start()
    process.join(60.0)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@pytest.mark.soak
@pytest.mark.usefixtures("client")
async def test_killed_at_any_step_there_is_all_or_nothing(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    """Of each function of the module, at its start; the short form takes every thirteenth."""
    stride = 1 if os.environ.get("PLIMSOLL_SOAK") == "1" else 13
    began, ends = time.monotonic(), []
    await back_up(valkey.url, tmp_path / "whole", RELEASE)
    for kind, source in (("backup", valkey.url), ("restore", str(tmp_path / "whole"))):
        for step in range(1, 1_000, stride):
            place = tmp_path / f"{kind}-{step}"
            killed = await asyncio.to_thread(died, step, kind, source, place)
            if place.exists() and kind == "backup":
                await restore(place, tmp_path / f"from-{step}")
            elif place.exists():
                async with brief_valkey(place) as url, connect(url) as restored:
                    assert await restored.call("HLEN", "{s01}:accounts") == 100
                    assert await restored.call("EXISTS", keys.EPOCH) == 0
            else:
                assert killed
            if not killed:
                ends.append(step)
                break
    assert len(ends) == 2
    assert min(ends) > stride
    print(f"\nkilled at {ends} steps, {time.monotonic() - began:.0f} s")
