"""An API worker that dies in the middle of an upload leaves whole accounts, and all are watched."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx

from service.settings import Settings
from service.store.accounts import AccountChange, Accounts
from service.store.client import Client, connect
from service.store.embedded import socket_path
from service.store.keys import ShardKeys
from service.store.market_stream import MarketStream
from tests.e2e.running_service import RunningService, until

SHARDS = Settings.model_fields["shards"].default
LINES = 40_000


class Slow:
    """Lines that stop after the first few thousand until somebody has died."""

    def __init__(self) -> None:
        self.died = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        for number in range(LINES):
            if number == 30_000:
                self.died.wait(30.0)
            yield json.dumps({"id": f"a{number}", "balances": _usdt(number)}).encode() + b"\n"


def _usdt(number: int) -> list[dict[str, object]]:
    return [{"asset": "USDT", "amount": number}]


def test_a_worker_that_dies_in_an_upload_leaves_whole_accounts(tmp_path: Path) -> None:
    service = RunningService(tmp_path)
    try:
        lines = Slow()
        upload = threading.Thread(target=_send, args=(service.url, lines))
        upload.start()
        server = socket_path(tmp_path)
        until(lambda: asyncio.run(_counts(server))[0])
        service.kill("api")
        lines.died.set()
        upload.join()
        until(lambda: len(set(asyncio.run(_counts(server)))) == 1)
        written = asyncio.run(_check(server))
        assert 0 < written < LINES
    finally:
        service.process.terminate()
        service.ended(30.0)


def _send(url: str, lines: Slow) -> None:
    headers = {"content-type": "application/x-ndjson"}
    try:
        httpx.post(f"{url}/v1/accounts:batch", content=iter(lines), headers=headers, timeout=30.0)
    except httpx.TransportError:
        return
    raise AssertionError("the worker lived through it")


async def _counts(server: Path) -> tuple[int, int]:
    """Return how many changes there are, and how many a monitor has committed."""
    async with connect(f"unix://{server}") as client:
        counters = await Accounts(client, MarketStream(client), SHARDS).counters()
    return sum(each.changes for each in counters), sum(each.committed for each in counters)


async def _check(server: Path) -> int:
    """Every account has its document, its version and its change, or nothing; return how many."""
    written = 0
    async with connect(f"unix://{server}") as client:
        accounts = Accounts(client, MarketStream(client), SHARDS)
        for shard in range(SHARDS):
            changes = await accounts.changes(shard, 0, LINES, LINES)
            assert [one.change_id for one in changes] == list(range(1, len(changes) + 1))
            expected = {one.account_key.encode(): one for one in changes}
            assert await _documents(client, shard) == {
                key: one.doc for key, one in expected.items()
            }
            assert await _versions(client, shard) == {
                key: _version(one) for key, one in expected.items()
            }
            written += len(changes)
    return written


def _version(change: AccountChange) -> bytes:
    return b"%d %d" % (change.version, change.change_id)


async def _documents(client: Client, shard: int) -> dict[bytes, bytes]:
    flat = await client.call("HGETALL", ShardKeys(shard).accounts)
    return dict(zip(flat[::2], flat[1::2], strict=True))


async def _versions(client: Client, shard: int) -> dict[bytes, bytes]:
    flat = await client.call("HGETALL", ShardKeys(shard).versions)
    return dict(zip(flat[::2], flat[1::2], strict=True))
