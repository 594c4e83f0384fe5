"""What accounts and commits cost the store: a cluster of three masters against one server.

All on one machine, fsync at every write. The ratio is what routing costs (or gains) here; the notes
are what a table of machines is made of: bytes of an account, accounts and commits a second.
"""

import asyncio
import hashlib
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service.risk.model import Account, Balance, Position
from service.store.accounts import Accounts
from service.store.alert_log import AlertLog, Commit, ShardState
from service.store.client import Client, connect
from service.store.epoch import settle
from service.store.keys import ShardKeys
from service.store.log_entries import LogBlock, Rank, Run
from service.store.market_stream import MarketStream
from tests.benchmarks.harness import Measurement, Size
from tests.monitor.streams import document_of
from tests.valkey_cluster import AnyServer, ValkeyCluster
from tests.valkey_server import ValkeyServer

SEED = 7
SHARDS = 64
POSITIONS = 2  # an account
SYMBOLS = 200
ALERT = b'{"id":"' + 690 * b"x" + b'"}'  # about what one with a position and its remedies takes


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by what was done, and the notes that go with them."""

    upload_s: float
    commits_s: float
    answer_hash: str
    notes: dict[str, float]


def run(size: Size) -> Iterator[Measurement]:
    accounts, rounds = (640, 3) if size == "small" else (100_000, 100)
    one = _measured(ValkeyServer, accounts, rounds)
    three = _measured(ValkeyCluster, accounts, rounds)
    assert one.answer_hash == three.answer_hash
    what: dict[str, tuple[dict[str, int], float, float]] = {
        "store, upload": ({"accounts": accounts}, three.upload_s, one.upload_s),
        "store, commits": ({"commits": SHARDS * rounds}, three.commits_s, one.commits_s),
    }
    notes = {f"{name} (1)": value for name, value in one.notes.items()}
    notes |= {f"{name} (3)": value for name, value in three.notes.items()}
    for name, (of, ours_s, base_s) in what.items():
        yield Measurement(name, of, SEED, ours_s, "one server", base_s, one.answer_hash, notes)


def _measured(kind: Callable[[Path], AnyServer], accounts: int, rounds: int) -> Cost:
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        server = kind(Path(folder))
        server.start()
        try:
            return asyncio.run(_cost(server.url, accounts, rounds))
        finally:
            server.stop()


async def _cost(url: str, accounts: int, rounds: int) -> Cost:
    async with connect(url, timeout_s=60.0) as client:
        await settle(client, SHARDS)
        store = Accounts(client, MarketStream(client), SHARDS)
        log = AlertLog(client, SHARDS)
        owned = await log.acquire(range(SHARDS), 600_000)
        states = [owned[shard] for shard in range(SHARDS)]
        book = _book(accounts)
        empty_bytes = await _used_bytes(client)
        upload_s = await _seconds(lambda: store.put_many(book))
        changes = await _drain(store, log, states)
        stored_bytes = await _used_bytes(client) - empty_bytes
        changes_bytes = await _changes_bytes(client)
        commits_s = await _seconds(lambda: _commit(log, states, changes, rounds))
        notes = {
            "JSON bytes an account": sum(len(doc) for _, doc in book) / accounts,
            "bytes an account": (stored_bytes - changes_bytes) / accounts,
            "bytes a change kept": changes_bytes / accounts,
            "accounts a second": accounts / upload_s,
            "commits a second": SHARDS * rounds / commits_s,
        }
        return Cost(upload_s, commits_s, await _hash(store, log), notes)


def _book(count: int) -> list[tuple[str, bytes]]:
    source = random.Random(SEED)
    return [(f"default/account-{number}", _document(source)) for number in range(count)]


def _document(source: random.Random) -> bytes:
    held = source.sample(range(SYMBOLS), POSITIONS)
    positions = [
        Position(f"COIN{index}/USDT:USDT", source.gauss(0.0, 5.0), source.uniform(90.0, 110.0))
        for index in held
    ]
    wallet = Balance("USDT", round(source.lognormvariate(7.0, 1.5), 2))
    return document_of(Account("", balances=(wallet,), positions=tuple(positions)))


async def _drain(store: Accounts, log: AlertLog, states: list[ShardState]) -> list[int]:
    """Commit what was written, as a monitor that has taken it in; return how much by shard."""
    counts = []
    for shard, state in enumerate(states):
        changes = await store.changes(shard, 0, 1_000_000_000, 1_000_000_000)
        drained = [(change.account_key, change.change_id) for change in changes]
        commit = Commit(state.token, 1, 1, len(changes), 0, drained=drained)
        assert await log.commit([(shard, commit)]) == ["committed"]
        counts.append(len(changes))
    return counts


async def _commit(log: AlertLog, states: list[ShardState], changes: list[int], rounds: int) -> None:
    """Every shard commits one alert, again and again."""
    blocks = [LogBlock(["default/account-0"], b"[" + ALERT + b"]", [Run(Rank(1, 0, 2), 1)])]
    for number in range(rounds):
        commits = [
            (shard, Commit(state.token, number + 2, 1, changes[shard], number, blocks=blocks))
            for shard, state in enumerate(states)
        ]
        assert set(await log.commit(commits)) == {"committed"}


async def _seconds(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def _used_bytes(client: Client) -> int:
    answers = await client.call_everywhere("INFO", "memory")
    return sum(
        int(line.partition(b":")[2])
        for answer in answers.values()
        for line in answer.splitlines()
        if line.startswith(b"used_memory_dataset:")
    )


async def _changes_bytes(client: Client) -> int:
    names = [ShardKeys(shard).changes for shard in range(SHARDS)]
    sizes = await client.batch([("MEMORY", "USAGE", name, "SAMPLES", 0) for name in names])
    return sum(size or 0 for size in sizes)


async def _hash(store: Accounts, log: AlertLog) -> str:
    digest = hashlib.sha256()
    for shard in range(SHARDS):
        rows = [row async for chunk in store.load(shard) for row in chunk]
        digest.update(repr(sorted(rows)).encode())
        digest.update(repr(await log.read(shard, 0, 1_000_000)).encode())
    return digest.hexdigest()[:16]
