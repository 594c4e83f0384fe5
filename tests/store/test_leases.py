"""Leases: who owns a shard, for how long, and what its token is worth afterwards."""

import asyncio

import pytest

from service.store.alert_log import Commit
from tests.store.stores import SHARDS, Store, own

pytestmark = pytest.mark.anyio


async def test_a_lease_says_who_is_alive(store: Store) -> None:
    assert await store.log.unowned() == [0, 1, 2, 3]
    first = await store.log.acquire([1], lease_ms=60_000)
    await store.log.acquire([2], lease_ms=1)
    async with asyncio.timeout(10.0):
        while await store.log.unowned() != [0, 2, 3]:
            pass
    second = await own(store, 1)
    assert await store.log.renew([(1, first[1].token), (2, 1)]) == [1]
    assert await store.log.unowned() == [0, 3]
    assert await store.log.renew([(1, first[1].token)], lease_ms=0) == [1]
    assert await store.log.unowned() == [0, 3]
    assert await store.log.renew([(1, second.token)], lease_ms=0) == []
    assert await store.log.unowned() == [0, 1, 3]


async def test_a_shard_with_a_live_owner_is_not_taken(store: Store) -> None:
    mine = await store.log.acquire([1, 2], lease_ms=60_000)
    assert sorted(mine) == [1, 2]
    theirs = await store.log.acquire([0, 1, 2, 3], lease_ms=60_000)
    assert sorted(theirs) == [0, 3]
    assert await store.log.renew([(shard, state.token) for shard, state in mine.items()]) == []


async def test_what_was_given_back_cannot_be_renewed_or_committed(store: Store) -> None:
    state = await own(store, 0)
    await store.log.renew([(0, state.token)], lease_ms=0)
    assert await store.log.renew([(0, state.token)], lease_ms=60_000) == [0]
    assert await store.log.unowned() == [0, 1, 2, 3]
    assert await store.log.commit([(0, Commit(state.token, 1, 5, 0, 0))]) == ["lease_lost"]


async def test_the_least_committed_place_is_of_all_shards(store: Store) -> None:
    assert await store.log.committed() == 0
    for shard in range(SHARDS):
        assert await store.log.committed() == 0
        state = await own(store, shard)
        await store.log.commit([(shard, Commit(state.token, 1, 7 + shard, 0, 0))])
    assert await store.log.committed() == 7
