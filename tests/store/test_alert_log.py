"""Commits: all or nothing, once, by the owner alone; and the log that readers resume from."""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from service.errors import StoreUnavailable, WrongShards
from service.store.alert_log import AlertLog, Commit, LogTail
from service.store.client import connect
from service.store.epoch import epoch, settle
from service.store.log_entries import LogBlock, LogEntry, Rank, Run
from tests.cutting_proxy import proxied
from tests.store.stores import SHARDS, Store, crash, names, open_store, own
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio

KEY = "default/a1"
RANK = Rank(5, 0, 2)


def block_of(account_keys: Sequence[str], alerts: bytes) -> LogBlock:
    return LogBlock(account_keys, alerts, [Run(RANK, len(account_keys))])


FIRST = Commit(
    token=1,
    number=1,
    market_id=5,
    change_id=0,
    offset=0,
    levels=[(KEY, b'[{"level":"WARNING"}]'), ("default/b", b"[1]")],
    seqs=[(KEY, 2), ("default/b", 1)],
    blocks=[block_of([KEY, "default/b"], b"[1,2]"), block_of([KEY], b"[3]")],
)


async def everything(store: Store) -> dict[bytes, Any]:
    """Every key with its value as the server would save it."""
    return {name: await store.client.call("DUMP", name) for name in await names(store)}


async def server_ms(store: Store) -> int:
    return await store.client.time_ms("{market}:clock")


async def test_a_commit_is_what_the_next_owner_finds(store: Store) -> None:
    state = await own(store, 2)
    assert dataclasses.astuple(state) == (1, 0, 0, 0, 0, 0, 0)
    assert await store.log.commit([(2, FIRST)]) == ["committed"]
    assert dataclasses.astuple(await own(store, 2)) == (2, 1, 5, 0, 3, 0, 0)
    assert await store.log.levels(2) == (3, dict(FIRST.levels))
    assert await store.log.seqs(2) == dict(FIRST.seqs)
    assert await store.log.read(2, 0) == [
        LogEntry(1, 2, [KEY, "default/b"], b"[1,2]", [Run(RANK, 2)]),
        LogEntry(3, 3, [KEY], b"[3]", [Run(RANK, 1)]),
    ]


async def test_an_account_at_rest_leaves_the_level_table_and_keeps_its_seq(store: Store) -> None:
    await own(store, 2)
    calm = Commit(1, 2, 6, 0, 3, levels=[(KEY, b"")], seqs=[(KEY, 3)])
    assert await store.log.commit([(2, FIRST), (2, calm)]) == ["committed", "committed"]
    assert await store.log.levels(2) == (3, {"default/b": b"[1]"})
    assert await store.log.seqs(2) == {KEY: 3, "default/b": 1}


async def test_levels_of_asks_each_accounts_shard(store: Store) -> None:
    shard = store.accounts.shard_of(KEY)
    await own(store, shard)
    await store.log.commit([(shard, FIRST)])
    assert await store.log.levels_of([KEY, "default/none"]) == {KEY: FIRST.levels[0][1]}


async def test_a_commit_sent_again_changes_nothing(store: Store) -> None:
    await own(store, 0)
    await store.log.commit([(0, FIRST)])
    before = await everything(store)
    assert await store.log.commit([(0, FIRST)]) == ["repeated"]
    assert await everything(store) == before


async def test_a_commit_whose_answer_was_lost_is_sent_again_once(
    shared_server: AnyServer,
) -> None:
    shared_server.flush()
    async with proxied(shared_server) as proxy, connect(proxy.url) as client:
        log = AlertLog(client, SHARDS)
        await log.acquire([0, 1], 60_000)
        for number in range(1, 8):
            block = block_of([KEY], b"[%d]" % number)
            commit = Commit(1, number, number, 0, number - 1, blocks=[block])
            proxy.lose_after = 0
            with pytest.raises(StoreUnavailable):
                await log.commit([(0, commit), (1, commit)])
            assert await log.commit([(0, commit), (1, commit)]) == ["repeated", "repeated"]
        for shard in (0, 1):
            entries = await log.read(shard, 0)
            assert [entry.alerts for entry in entries] == [b"[%d]" % n for n in range(1, 8)]


async def test_an_owner_of_the_past_writes_nothing(store: Store) -> None:
    old = await own(store, 0)
    await store.log.commit([(0, FIRST)])
    new = await own(store, 0)
    before = await everything(store)
    late = Commit(old.token, 2, 9, 0, 3, levels=[(KEY, b"")], blocks=[block_of([KEY], b"[4]")])
    assert await store.log.commit([(0, late)]) == ["lease_lost"]
    assert await store.log.commit([(0, FIRST)]) == ["lease_lost"]
    assert await everything(store) == before
    mine = dataclasses.replace(late, token=new.token)
    assert await store.log.commit([(0, late), (0, mine)]) == ["lease_lost", "committed"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": 3},
        {"number": 0},
        {"market_id": 4},
        {"change_id": 0},
        {"offset": 2},
        {"offset": 4},
        {"drained": [(KEY, 2)]},  # overtaken by a newer change, and no such change is known
    ],
    ids=str,
)
async def test_a_commit_that_does_not_follow_writes_nothing(
    wrong: dict[str, Any], store: Store
) -> None:
    shard = store.accounts.shard_of(KEY)
    for number in range(3):
        await store.accounts.put(KEY, b"%d" % number)
    await store.client.call("XDEL", f"{{s{shard:02d}}}:changes", "2-0")
    await own(store, shard)
    first = dataclasses.replace(FIRST, change_id=1, drained=[(KEY, 1)])
    assert await store.log.commit([(shard, first)]) == ["committed"]
    before = await everything(store)
    follows = Commit(1, 2, 5, 2, 3, blocks=[block_of([KEY], b"[4]")])
    commit = dataclasses.replace(follows, **wrong)
    assert await store.log.commit([(shard, commit)]) == ["out_of_step"]
    assert await everything(store) == before
    assert await store.log.commit([(shard, follows)]) == ["committed"]


async def test_a_commit_carries_thousands(store: Store) -> None:
    names = [f"default/{number}" for number in range(5_000)]
    await own(store, 0)
    blocks = [block_of(names[at : at + 1_000], b"[]") for at in range(0, 5_000, 1_000)]
    levels = [(name, b"[]") for name in names]
    commit = Commit(1, 1, 1, 0, 0, levels=levels, seqs=[(name, 1) for name in names], blocks=blocks)
    assert await store.log.commit([(0, commit)]) == ["committed"]
    assert len((await store.log.levels(0))[1]) == len(await store.log.seqs(0)) == 5_000
    assert (await store.log.tails())[0] == LogTail(0, 5_000, 0, 5_000)
    calm = Commit(1, 2, 1, 0, 5_000, levels=[(name, b"") for name in names])
    assert await store.log.commit([(0, calm)]) == ["committed"]
    assert await store.log.levels(0) == (5_000, {})


async def test_a_reader_resumes_from_any_offset(store: Store) -> None:
    await own(store, 0)
    await own(store, 3)
    await store.log.commit([(0, FIRST), (3, dataclasses.replace(FIRST, blocks=FIRST.blocks[:1]))])
    starts = [(entry.offset_first, entry.offset_last) for entry in await store.log.read(0, 0)]
    assert starts == [(1, 2), (3, 3)]
    assert [entry.offset_last for entry in await store.log.read(0, 1)] == [2, 3]  # inside an entry
    assert [entry.offset_last for entry in await store.log.read(0, 2)] == [3]
    assert await store.log.read(0, 3) == []
    assert [entry.offset_last for entry in await store.log.read(0, 0, count=1)] == [2]
    many = await store.log.read_many([(0, 2), (1, 0), (3, 0)])
    assert [[entry.offset_last for entry in found] for found in many] == [[3], [], [2]]
    tails = [(tail.offset, tail.trimmed) for tail in await store.log.tails()]
    assert tails == [(3, 0), (0, 0), (0, 0), (2, 0)]


async def test_a_commit_with_alerts_wakes_listeners(store: Store) -> None:
    await own(store, 1)
    heard = store.log.listen()
    assert await anext(heard) is None
    quiet = Commit(1, 1, 1, 0, 0)
    loud = dataclasses.replace(FIRST, number=2)
    assert await store.log.commit([(1, quiet), (1, loud)]) == ["committed", "committed"]
    assert await anext(heard) == [(1, 3)]
    await heard.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_the_log_is_trimmed_by_length_in_whole_entries(store: Store) -> None:
    await own(store, 0)
    blocks = [block_of([KEY] * 10, b"[]") for _ in range(10)]
    await store.log.commit([(0, Commit(1, 1, 1, 0, 0, blocks=blocks))])
    assert await store.log.trim_log(0, 0, 100) == 0
    assert await store.log.trim_log(0, 0, 91) == 0
    assert await store.log.trim_log(0, 0, 85) == 10  # an entry that is wanted in part stays
    assert await store.log.trim_log(0, 0, 100) == 10
    assert (await store.log.tails())[0] == LogTail(0, 100, 10, 100)
    assert [entry.offset_first for entry in await store.log.read(0, 0, count=2)] == [11, 21]
    assert await store.log.trim_log(0, 0, 0) == 100
    assert await store.log.read(0, 0) == []
    assert await store.client.call("ZCARD", "{s00}:times") == 0
    more = Commit(1, 2, 1, 0, 100, blocks=[block_of([KEY], b"[]")])
    assert await store.log.commit([(0, more)]) == ["committed"]
    assert [entry.offset_first for entry in await store.log.read(0, 0)] == [101]


async def test_the_log_is_trimmed_by_age(store: Store) -> None:
    await own(store, 0)
    await store.log.commit([(0, FIRST)])
    newest = int(await store.client.call("HGET", "{s00}:state", "logTime"))
    assert await store.log.trim_log(0, newest, 100) == 0
    async with asyncio.timeout(10.0):
        while await server_ms(store) <= newest:
            pass
    await store.log.commit([(0, Commit(1, 2, 5, 0, 3, blocks=[block_of([KEY], b"[4]")]))])
    assert await store.log.trim_log(0, newest + 1, 100) == 3
    assert [entry.offset_last for entry in await store.log.read(0, 3)] == [4]


async def test_the_number_of_shards_is_fixed(store: Store) -> None:
    await settle(store.client, 64)
    with pytest.raises(WrongShards, match="64 shards, not 32"):
        await settle(store.client, 32)
    await settle(store.client, 64)


async def test_the_epoch_ends_with_the_log(store: Store) -> None:
    assert await epoch(store.client) is None
    first = await settle(store.client, SHARDS)
    assert await settle(store.client, SHARDS) == first == await epoch(store.client)
    await store.client.call_everywhere("FLUSHALL")
    assert await settle(store.client, SHARDS) != first


@pytest.mark.parametrize(("fsync", "same"), [("always", True), ("everysec", False)])
async def test_a_restart_keeps_the_epoch_only_when_nothing_can_be_lost(
    fsync: str, same: bool, valkey: AnyServer
) -> None:
    async with open_store(valkey.url) as store:
        first = await settle(store.client, SHARDS)
        await crash(store, valkey)
        await store.client.call_everywhere("CONFIG", "SET", "appendfsync", fsync)
        again = await settle(store.client, SHARDS)
        assert (again == first) is same
        assert await settle(store.client, SHARDS) == again


async def test_a_server_that_hides_its_settings_is_not_trusted(valkey: AnyServer) -> None:
    async with open_store(valkey.url) as store:
        await store.client.call_everywhere("ACL", "SETUSER", "default", "-config")
        first = await settle(store.client, SHARDS)
        assert await settle(store.client, SHARDS) == first
        await crash(store, valkey)
        await store.client.call_everywhere("ACL", "SETUSER", "default", "-config")
        assert await settle(store.client, SHARDS) != first


async def test_every_commit_that_was_answered_survives_crashes(valkey: AnyServer) -> None:
    async with open_store(valkey.url) as store:
        state = await own(store, 0)
        for number in range(1, 41):
            block = block_of([KEY], b"[%d]" % number)
            commit = Commit(state.token, number, number, 0, number - 1, blocks=[block])
            if number % 10 == 0:
                sending = asyncio.create_task(store.log.commit([(0, commit)]))
                await asyncio.sleep(0)
                valkey.kill()
                await asyncio.wait([sending])  # stored or not: the one who sent it cannot know
                sending.exception()
                valkey.start()
            assert (await store.log.commit([(0, commit)]))[0] in ("committed", "repeated")
        entries = await store.log.read(0, 0)
        assert [entry.alerts for entry in entries] == [b"[%d]" % n for n in range(1, 41)]
