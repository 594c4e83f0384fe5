"""What was: versions that alerts may have been judged by are there as long as their end is kept."""

import random

import pytest

from service.store.history import AccountVersion, History
from service.store.keys import ShardKeys
from tests.store.shard_model import ShardModel
from tests.store.stores import SHARDS, Store
from tests.store.test_accounts import write_many

pytestmark = pytest.mark.anyio
FAR = 10**15  # everything is older


def history_of(store: Store) -> History:
    return History(store.client, SHARDS)


@pytest.mark.parametrize("seed", range(2))
async def test_a_version_is_there_while_the_change_that_ended_it_is(
    store: Store, seed: int
) -> None:
    chance, model = random.Random(seed), await ShardModel.owner(store)
    history = history_of(store)
    for _ in range(60):
        what = chance.choice(("put a", "put b", "delete a", "delete b", "put c", "commit", "trim"))
        if what == "commit":
            await model.commit(chance.randint(model.committed, len(model.changes)))
        elif what == "trim":
            await store.accounts.trim_changes(model.shard, 0, chance.randint(6, 12))
        else:
            await model.take(what)
    dropped = int(await store.client.call("HGET", ShardKeys(model.shard).state, "dropped") or 0)
    newest = {name: version for name, version, _ in model.changes}
    assert dropped > 0
    for place, (name, version, doc) in enumerate(model.changes):
        later = [at + 1 for at, one in enumerate(model.changes) if one[:2] == (name, version + 1)]
        found = await history.versions(name, version, version)
        if version == newest[name] or later[0] > dropped:
            assert (found[version].version, found[version].doc) == (version, doc)
        if place + 1 > dropped:
            assert (found[version].change_id, found[version].cause) == (place + 1, "account")


async def test_versions_that_ended_before_the_retention_are_let_go(store: Store) -> None:
    model = await ShardModel.owner(store)
    for number in range(4):
        await model.take("put a")
        if number == 1:
            await model.commit(2)
            await store.accounts.trim_changes(model.shard, 0, 0)
    history, (name, *_) = history_of(store), model.changes[0]
    assert sorted(await history.versions(name, 1, 4)) == [2, 3, 4]  # 1 ended before it was dropped
    await model.commit(4)
    await store.accounts.trim_changes(model.shard, FAR, 100)
    assert sorted(await history.versions(name, 1, 4)) == [4]
    assert await history.versions("default/nobody", 1, 1) == {}


async def test_a_version_is_found_among_many_that_were_written_together(store: Store) -> None:
    model = await ShardModel.owner(store)
    for doc in (b"old", b"new"):
        names = await write_many(store, model, 250, doc)
    found = await history_of(store).versions(names[120], 1, 2)
    assert found == {
        1: AccountVersion(1, b"old", 121, "account"),
        2: AccountVersion(2, b"new", 371, "account"),
    }
    await model.commit(500)
    assert await store.accounts.trim_changes(model.shard, FAR, 1_000) == 500
    assert await history_of(store).versions(names[120], 1, 2) == {2: AccountVersion(2, b"new", 371)}
