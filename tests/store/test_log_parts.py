"""Commits that belong together: parts of a burst ahead of the position, shards that wake once."""

import dataclasses

import pytest

from service.store.alert_log import SENT_BYTES, Commit, LogTail
from service.store.log_entries import LogEntry
from tests.store.stores import Store, own
from tests.store.test_alert_log import FIRST, KEY, block_of

pytestmark = pytest.mark.anyio


async def test_a_part_of_a_burst_is_in_the_log_and_leaves_the_position(store: Store) -> None:
    await own(store, 0)
    early = Commit(1, 1, 4, 0, 0, blocks=[block_of([KEY], b"[1]")])
    part = Commit(1, 2, 4, 0, 1, blocks=[block_of([KEY, KEY], b"[2,\n3]")], ahead=2)
    assert await store.log.commit([(0, early), (0, part)]) == ["committed"] * 2
    assert (await store.log.tails())[0] == LogTail(0, 3, 0, 1)
    state = await own(store, 0)
    assert (state.number, state.market_id, state.offset, state.ahead) == (2, 4, 3, 2)
    whole = Commit(state.token, 3, 5, 0, 3, blocks=[block_of([KEY], b"[4]")])
    assert await store.log.commit([(0, whole)]) == ["committed"]
    assert (await store.log.tails())[0] == LogTail(0, 4, 0, 4)
    assert (await own(store, 0)).ahead == 0


async def test_shards_that_are_committed_together_wake_once(store: Store) -> None:
    await own(store, 1)
    await own(store, 2)
    heard = store.log.listen()
    assert await anext(heard) is None
    await store.log.commit([(1, FIRST), (2, FIRST)])
    while (ends := await anext(heard)) == [(0, 4)]:
        pass  # of the test before: in a cluster news travel from node to node
    assert ends == [(1, 3), (2, 3)]
    await heard.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_small_entries_are_overheard_once_they_are_committed(store: Store) -> None:
    """Not in a cluster, where they would hold up the wake-ups: there all are read."""
    await own(store, 1)
    overheard: list[tuple[int, list[LogEntry]]] = []
    heard = store.log.listen(lambda shard, entries: overheard.append((shard, entries)))
    assert await anext(heard) is None
    outdated = dataclasses.replace(FIRST, token=FIRST.token + 1)
    assert await store.log.commit([(1, outdated), (1, FIRST)]) == ["lease_lost", "committed"]
    large = Commit(1, 2, 5, 0, 3, blocks=[block_of([KEY], b"[%s]" % (b"1" * SENT_BYTES))])
    assert await store.log.commit([(1, large)]) == ["committed"]
    last = Commit(1, 3, 5, 0, 4, blocks=[block_of([KEY], b"[5]")])
    assert await store.log.commit([(1, last)]) == ["committed"]
    while await anext(heard) != [(1, 5)]:
        pass
    first, second, (third,) = [*await store.log.read(1, 0, count=2), await store.log.read(1, 4)]
    sent = [(1, [first, second]), (1, [third])]
    assert overheard == ([] if await store.client.is_cluster() else sent)
    await heard.aclose()  # type: ignore[attr-defined]  # an async generator
