"""Accounts: versions, changes in order, `load` as of the commit, whatever is written."""

import itertools

import msgspec
import pytest

from service.errors import StoreUnavailable, UnknownAccount, VersionMismatch
from service.store.accounts import Accounts
from service.store.alert_log import Commit
from service.store.client import connect
from service.store.keys import ShardKeys
from service.store.market_stream import MarketStream
from tests.cutting_proxy import proxied
from tests.store.shard_model import ShardModel, loaded
from tests.store.stores import SHARDS, Store, crash, open_store, own
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio

KEY = "default/a1"


async def hints(store: Store) -> list[tuple[int, int]]:
    entries = [entry for entry in await store.market.read(0, 10_000) if entry.kind == "a"]
    payloads = [msgspec.json.decode(entry.payload) for entry in entries]
    return [(payload["shard"], payload["upto"]) for payload in payloads]


async def test_versions_count_up_and_survive_a_delete(store: Store) -> None:
    assert await store.accounts.get(KEY) is None
    assert await store.accounts.put(KEY, b"one") == 1
    assert await store.accounts.put(KEY, b"two", cause="deposit") == 2
    assert await store.accounts.get(KEY) == (b"two", 2)
    assert await store.accounts.delete(KEY) == 3
    assert await store.accounts.get(KEY) is None
    with pytest.raises(UnknownAccount):
        await store.accounts.delete(KEY)
    assert await store.accounts.put(KEY, b"three") == 4
    shard = store.accounts.shard_of(KEY)
    changes = await store.accounts.changes(shard, 0, 99)
    assert [(found.change_id, found.version, found.cause, found.doc) for found in changes] == [
        (1, 1, "account", b"one"),
        (2, 2, "deposit", b"two"),
        (3, 3, "account", None),
        (4, 4, "account", b"three"),
    ]
    assert all(found.account_key == KEY for found in changes)
    assert await hints(store) == [(shard, 1), (shard, 2), (shard, 3), (shard, 4)]
    assert [found.change_id for found in await store.accounts.changes(shard, 1, 3)] == [2, 3]
    assert await store.accounts.changes(shard, 3, 3) == []


async def test_a_write_on_another_version_is_refused(store: Store) -> None:
    with pytest.raises(VersionMismatch):
        await store.accounts.put(KEY, b"one", if_version=1)
    assert await store.accounts.put(KEY, b"one", if_version=0) == 1
    for wrong in (0, 2):
        with pytest.raises(VersionMismatch):
            await store.accounts.put(KEY, b"two", if_version=wrong)
        with pytest.raises(VersionMismatch):
            await store.accounts.delete(KEY, if_version=wrong)
    assert await store.accounts.put(KEY, b"two", if_version=1) == 2
    assert await store.accounts.delete(KEY, if_version=2) == 3
    with pytest.raises(VersionMismatch):
        await store.accounts.put(KEY, b"three", if_version=3)  # it is not there
    assert await store.accounts.put(KEY, b"three", if_version=0) == 4
    assert len(await hints(store)) == 4  # a refused write is no change


async def test_many_accounts_are_written_with_one_notice_a_shard(store: Store) -> None:
    accounts = [(f"default/{number}", b"%d" % number) for number in range(1_500)]
    assert await store.accounts.put_many(accounts) == [1] * 1_500
    assert await store.accounts.put_many([*accounts[:3], accounts[0]]) == [2, 2, 2, 3]
    assert await store.accounts.put_many([]) == []
    counters = await store.accounts.counters()
    assert sum(counter.changes for counter in counters) == 1_504
    assert [counter.committed for counter in counters] == [0] * SHARDS
    assert len((await hints(store))[:SHARDS]) == SHARDS
    last = dict(await hints(store))
    assert last == {counter.shard: counter.changes for counter in counters}
    assert await store.accounts.get("default/0") == (b"0", 3)
    assert await store.accounts.get("default/1499") == (b"1499", 1)


async def test_a_writer_that_dies_before_its_notice_leaves_a_counted_change(
    shared_server: AnyServer,
) -> None:
    shared_server.flush()
    async with proxied(shared_server) as proxy, connect(proxy.url) as client:
        market = MarketStream(client)
        accounts = Accounts(client, market, SHARDS)
        await accounts.counters()
        proxy.lose_after = 0
        with pytest.raises(StoreUnavailable):
            await accounts.put(KEY, b"one")
        assert await market.tail() == (0, 0)
        counters = await accounts.counters()
        assert [counter.changes for counter in counters if counter.changes] == [1]
        assert await accounts.get(KEY) == (b"one", 1)
        assert await accounts.put(KEY, b"one") == 2


OPERATIONS = ("put a", "put b", "delete a", "commit one", "commit all")


async def test_a_load_is_as_of_the_commit_in_every_interleaving(
    shared_server: AnyServer,
) -> None:
    """All sequences of five steps over two accounts in one shard."""
    async with open_store(shared_server.url) as store:
        for steps in itertools.product(OPERATIONS, repeat=5):
            if steps[0] == "put a":  # before the first write nothing can go wrong
                await run_steps(store, steps)


async def run_steps(store: Store, steps: tuple[str, ...]) -> None:
    await store.client.call_everywhere("FLUSHALL")
    model = await ShardModel.owner(store)
    for step in steps:
        await model.take(step)
    assert await loaded(store, model.shard) == model.committed_accounts(), steps


@pytest.mark.parametrize("seed", range(2))
async def test_a_load_is_as_of_the_commit_after_long_histories(seed: int, store: Store) -> None:
    model = await ShardModel.owner(store)
    for step in model.random_steps(seed, 150):
        await model.take(step)
        assert await loaded(store, model.shard) == model.committed_accounts(), step


async def test_crashes_between_any_two_steps_change_nothing(valkey: AnyServer) -> None:
    async with open_store(valkey.url) as store:
        model = await ShardModel.owner(store)
        for number, step in enumerate(model.random_steps(3, 60)):
            await model.take(step)
            if number % 6 == 0:
                await crash(store, valkey)
                assert await loaded(store, model.shard) == model.committed_accounts()
        counters = await store.accounts.counters()
        assert counters[model.shard].changes == len(model.changes)
        changes = await store.accounts.changes(model.shard, 0, len(model.changes))
        assert [(found.account_key, found.version, found.doc) for found in changes] == model.changes


async def test_writes_during_a_load_do_not_show(store: Store) -> None:
    model = await ShardModel.owner(store)
    names = [name for number in range(1_200) if model.owns(name := f"default/{number}")]
    for name in names:
        model.write(name, b"old")
    await store.accounts.put_many([(name, b"old") for name in names])
    await model.commit(len(model.changes))
    expected = model.committed_accounts()
    chunks: list[tuple[str, int, bytes]] = []
    async for chunk in store.accounts.load(model.shard, count=10):
        chunks += chunk
        for name in names[len(chunks) % 50 :: 50]:
            if await store.accounts.get(name):
                await store.accounts.delete(name)
            else:
                await store.accounts.put(name, b"new")
        await store.accounts.put(f"{names[0]}-{len(chunks)}", b"new")
    assert {name: (version, doc) for name, version, doc in chunks} == expected
    assert len(chunks) == len(expected)


async def test_only_committed_changes_are_trimmed(store: Store) -> None:
    model = await ShardModel.owner(store)
    for number in range(30):
        await model.take("put a" if number % 2 else "put b")
    shard, far = model.shard, 10**15
    assert await store.accounts.trim_changes(shard, far, 0) == 0
    await model.commit(20)
    assert await store.accounts.trim_changes(shard, 0, 100) == 0
    assert await store.accounts.trim_changes(shard, 0, 25) == 5
    assert (await store.accounts.changes(shard, 0, 99))[0].change_id == 6
    assert await store.accounts.trim_changes(shard, far, 100) == 20
    assert (await store.accounts.changes(shard, 0, 99))[0].change_id == 21
    assert await loaded(store, shard) == model.committed_accounts()
    state = await own(store, shard)
    later = Commit(state.token, state.number + 1, 0, 30, 0, drained=model.drained(20, 30))
    assert await store.log.commit([(shard, later)]) == ["committed"]


async def write_many(store: Store, model: ShardModel, count: int, doc: bytes) -> list[str]:
    """Write so many accounts of the model's shard in one call."""
    names = [name for number in range(9 * count) if model.owns(name := f"default/m{number}")]
    for name in names[:count]:
        model.write(name, doc)
    await store.accounts.put_many([(name, doc) for name in names[:count]])
    return names[:count]


async def test_changes_of_one_call_share_entries_and_are_read_one_by_one(store: Store) -> None:
    model = await ShardModel.owner(store)
    await write_many(store, model, 250, b"old")
    await model.take("put a")
    assert await store.client.call("XLEN", ShardKeys(model.shard).changes) == 4
    for after, upto in ((0, 251), (0, 1), (99, 101), (100, 200), (249, 251), (250, 999), (7, 7)):
        found = await store.accounts.changes(model.shard, after, upto)
        assert [one.change_id for one in found] == list(range(after + 1, min(upto, 251) + 1))
        expected = model.changes[after:upto]
        assert [(one.account_key, one.version, one.doc) for one in found] == expected
    assert len(await store.accounts.changes(model.shard, 50, 251, count=120)) == 120


@pytest.mark.parametrize("upto", [1, 99, 100, 101, 149, 150])
async def test_a_commit_may_end_inside_an_entry(store: Store, upto: int) -> None:
    model = await ShardModel.owner(store)
    for doc in (b"old", b"new"):
        await write_many(store, model, 150, doc)
    for place in (upto, 150 + upto):
        await model.commit(place)
        assert await loaded(store, model.shard) == model.committed_accounts()


async def test_what_shares_an_entry_with_an_uncommitted_change_stays(store: Store) -> None:
    model = await ShardModel.owner(store)
    await write_many(store, model, 150, b"doc")
    await model.commit(120)
    far = 10**15
    assert await store.accounts.trim_changes(model.shard, far, 1_000) == 100
    assert (await store.accounts.changes(model.shard, 0, 150))[0].change_id == 101
    assert await store.accounts.trim_changes(model.shard, 0, 35) == 115
    assert (await store.accounts.changes(model.shard, 0, 150))[0].change_id == 101
    await model.commit(150)
    assert await store.accounts.trim_changes(model.shard, far, 1_000) == 150
    assert await store.accounts.changes(model.shard, 0, 150) == []
