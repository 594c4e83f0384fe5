"""From committed state to the next commit: lost answers, lost leases, logs in pieces."""

import asyncio
import math
from collections.abc import Sequence

import pytest

from service.errors import OutOfStep
from service.monitor import alerts, commits, outgoing, parts, shards
from service.monitor.shards import Shards
from service.risk.model import Account, Balance, Mark, Position
from service.store.alert_log import Commit, Outcome
from tests.monitor.fake_store import CrashedError, FakeStore
from tests.monitor.streams import document_of, put_instrument, put_mark
from tests.monitor.test_incremental import exhaust, log_from_scratch, monitor_of, take_all
from tests.risk.building import BTC, contract, one_rate


def store_with(count: int, store: FakeStore | None = None) -> FakeStore:
    """A store with so many accounts, long one coin at 100 with ever less behind it."""
    store, book = store or FakeStore(), monitor_of(FakeStore()).engine.book
    put_instrument(contract(BTC, one_rate(0.01)))(store, book)
    put_mark(Mark(BTC, 100.0))(store, book)
    for number in range(count):
        wallet = Balance("USDT", 30.0 - number)
        held = (Position(BTC, 1.0, 100.0),)
        account = Account(f"default/{number}", balances=(wallet,), positions=held)
        store.notice(store.write(account.account_key, document_of(account)))
    return store


def fall(store: FakeStore, price: float) -> None:
    put_mark(Mark(BTC, price), 1_000)(store, monitor_of(FakeStore()).engine.book)


async def started(store: FakeStore) -> Shards:
    monitor = monitor_of(store)
    await take_all(monitor, store)
    await exhaust(monitor)
    return monitor


@pytest.mark.parametrize("lost", [[False], [True], [False, True], [True, True, False, True]])
def test_a_commit_whose_answer_is_lost_is_sent_again_and_done_once(
    monkeypatch: pytest.MonkeyPatch, lost: list[bool]
) -> None:
    monkeypatch.setattr(outgoing, "RETRY_S", (0.0, 0.0))
    store = store_with(10)

    async def run() -> None:
        monitor = await started(store)
        for price in (80.0, 70.0, 75.0, 60.0):
            store.lost = list(lost)
            fall(store, price)
            await exhaust(monitor)

    asyncio.run(run())
    assert sum(map(len, store.logs())) > 10
    assert store.logs() == log_from_scratch(store)


def test_who_has_lost_a_shard_commits_nothing_more() -> None:
    store = store_with(10)

    async def run() -> None:
        first = await started(store)
        second = await started(store)
        fall(store, 70.0)
        written = [len(shard.log) for shard in store.shards]
        await exhaust(first)
        assert not first.ledgers
        assert [len(shard.log) for shard in store.shards] == written
        await exhaust(second)

    asyncio.run(run())
    assert store.logs() == log_from_scratch(store)


class SlowStore(FakeStore):
    """Holds back its answers to commits while `answers` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.asked: list[int] = []  # the market id of each lot of commits

    async def commit(self, commits: Sequence[tuple[int, Commit]]) -> list[Outcome]:
        self.asked.append(commits[0][1].market_id)
        await self.answers.wait()
        return await super().commit(commits)


def test_entries_are_applied_but_not_committed_while_a_commit_is_not_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shards, "APPLY_S", math.inf)  # one lot a batch, however slow we are
    store = SlowStore()
    store_with(10, store)

    async def run() -> None:
        store.answers.set()
        monitor = await started(store)
        store.answers.clear()
        store.asked.clear()
        fall(store, 80.0)
        assert await monitor.follow(0) == 1
        fall(store, 70.0)
        second = asyncio.create_task(monitor.follow(0))
        while monitor.engine.market_id < len(store.entries):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not second.done()
        assert store.asked == [len(store.entries) - 1]
        store.answers.set()
        await second
        await exhaust(monitor)
        assert store.asked == [len(store.entries) - 1, len(store.entries)]

    asyncio.run(run())
    assert store.logs() == log_from_scratch(store)


def test_entries_without_news_give_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "APPLY_S", -1.0)  # every entry takes too long
    store = store_with(10)
    turns = 0

    async def renew() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> None:
        monitor = await started(store)
        for _ in range(100):
            fall(store, 100.0)
        lease = asyncio.create_task(renew())
        assert await monitor.follow(0) == 100
        lease.cancel()

    asyncio.run(run())
    assert turns >= 100


def test_who_is_stopped_sends_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "RETRY_S", (0.0, 0.0))
    monkeypatch.setattr(shards, "APPLY_S", math.inf)  # one lot, however slow we are
    store = store_with(10)

    async def run() -> None:
        monitor = await started(store)
        written = [len(shard.log) for shard in store.shards]
        store.lost = [False] * 1_000
        fall(store, 70.0)
        await monitor.follow(0)
        await asyncio.sleep(0)
        assert len(store.lost) < 1_000
        monitor.drop_all()
        await exhaust(monitor)
        assert store.lost
        assert [len(shard.log) for shard in store.shards] == written

    asyncio.run(run())


def test_a_shard_that_is_not_where_it_was_left_is_dropped_alone() -> None:
    store = store_with(10)

    async def run() -> None:
        monitor = await started(store)
        store.shards[1].number -= 1
        fall(store, 70.0)
        await exhaust(monitor)
        assert list(monitor.ledgers) == [0]

    asyncio.run(run())
    assert store.logs()[0] == log_from_scratch(store)[0]


def test_a_stream_that_ends_before_what_was_committed_is_no_place_to_start() -> None:
    store = store_with(3)
    store.shards[0].market_id = len(store.entries) + 1

    with pytest.raises(OutOfStep):
        asyncio.run(started(store))


def test_a_burst_is_logged_in_entries_of_limited_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "BLOCK_ALERTS_MAX", 2)
    store = store_with(20)

    async def run() -> None:
        monitor = await started(store)
        fall(store, 50.0)
        await exhaust(monitor)

    asyncio.run(run())
    assert store.logs() == log_from_scratch(store)


def test_idle_shards_are_committed_with_the_others_when_asked() -> None:
    store = store_with(1)

    async def run() -> None:
        monitor = await started(store)
        await monitor.commit()
        assert {shard.market_id for shard in store.shards} != {3}
        await monitor.commit(positions=True)
        assert {shard.market_id for shard in store.shards} == {3}

    asyncio.run(run())


@pytest.mark.parametrize("after", [False, True])
def test_a_burst_in_parts_survives_a_crash_at_any_step(
    monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """Nothing is lost, nothing twice, the same ids, whatever was logged of it already."""
    monkeypatch.setattr(alerts, "PAGE_ALERTS", 2)
    monkeypatch.setattr(alerts, "PAGE_LEGS", 6)  # two pools of one leg
    monkeypatch.setattr(shards, "PART_LEFT", 1)
    monkeypatch.setattr(parts, "PART_ALERTS", 1)
    truth, torn = None, 0
    for step in range(1, 100):
        store = store_with(20)
        crashed, ahead = asyncio.run(_crash_in_a_burst(store, step, after))
        torn += ahead > 0
        truth = truth or log_from_scratch(store)
        assert store.logs() == truth
        assert all(shard.ahead == 0 for shard in store.shards)
        if not crashed:
            break
    else:
        pytest.fail("no run came to its end")
    assert torn > 5, "the burst was not in parts"


async def _crash_in_a_burst(store: FakeStore, step: int, after: bool) -> tuple[bool, int]:
    """Return whether it crashed, and how many alerts were in the log beyond the position."""
    monitor = await started(store)
    fall(store, 82.0)
    await exhaust(monitor)
    fall(store, 70.0)
    fall(store, 50.0)
    store.crash_at(step, after)
    crashed = False
    try:
        await exhaust(monitor)
    except CrashedError:
        crashed = True
    ahead = sum(shard.ahead for shard in store.shards)
    store.live_on()
    await exhaust(await started(store))
    return crashed, ahead
