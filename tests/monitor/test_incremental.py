"""Incremental equals recomputed: evaluating what is due or everything gives one log.

It holds whatever happened and whoever died.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from service.monitor.alerts import Page
from service.monitor.engine import Engine
from service.monitor.facts import Touched
from service.monitor.shards import Shards
from service.risk.columns import Ints
from service.risk.records import PoolState
from service.store.accounts import AccountChange
from service.store.market_stream import MarketEntry
from tests.monitor.fake_store import CrashedError, FakeStore, Log
from tests.monitor.streams import Step, streams
from tests.strategies import effort


class ScratchEngine(Engine):
    """Finds every pool due at every entry, and takes each for itself."""

    def look_ahead(self, entries: Sequence[MarketEntry], first: int = 0) -> int:  # noqa: ARG002
        return 0

    def _due(self, touched: Touched) -> list[Ints]:
        return [*super()._due(touched), self.book.live_slots()]


class RestlessEngine(Engine):
    """Compacts its book whenever it may."""

    def pages(
        self, entry: MarketEntry, changes: Sequence[AccountChange], now_ms: int
    ) -> Iterator[Page]:
        yield from super().pages(entry, changes, now_ms)
        if not self.is_ahead:
            self.compact()


def monitor_of(store: FakeStore, engine: type[Engine] = Engine) -> Shards:
    return Shards(engine("epoch"), store, store, store, len(store.shards))


async def take_all(monitor: Shards, store: FakeStore) -> None:
    """Become the owner of every shard, and recover them."""
    monitor.expect(await store.acquire(range(len(store.shards))))
    await monitor.recover()


async def run(store: FakeStore, steps: Sequence[Step], engine: type[Engine] = Engine) -> Shards:
    """Feed the store step by step, the monitor reading along."""
    monitor = monitor_of(store, engine)
    await take_all(monitor, store)
    await exhaust(monitor)
    for step in steps:
        step(store, monitor.engine.book)
        await exhaust(monitor)
    await monitor.commit(positions=True)
    return monitor


async def exhaust(monitor: Shards) -> None:
    while await monitor.follow(0):
        pass


def log_from_scratch(store: FakeStore) -> list[Log]:
    """The log of the same input when every pool is evaluated after every entry."""
    copy = store.input_only()
    asyncio.run(run(copy, (), ScratchEngine))
    return copy.logs()


@given(streams())
@effort(25, 1_000)
def test_only_what_is_due_gives_the_log_of_everything(steps: list[Step]) -> None:
    store = FakeStore()
    monitor = asyncio.run(run(store, steps))
    assert store.logs() == log_from_scratch(store)
    monitor.engine.audit(1_000)
    assert monitor.engine.stats.mismatches == 0
    assert monitor.engine.stats.unreadable == 0


@dataclass(frozen=True, slots=True)
class Death:
    """The monitor dies at this call after it started, before or after the call took effect."""

    call: int
    after: bool


deaths = st.lists(st.builds(Death, st.integers(1, 25), st.booleans()), max_size=6)
SNAPSHOT_STEPS = 5


async def run_with_deaths(store: FakeStore, steps: Sequence[Step], plan: list[Death]) -> Shards:
    """Feed the store; whenever the monitor dies the next one starts from what was committed."""
    left = list(plan)

    async def start() -> Shards:
        if left:
            death = left.pop(0)
            store.crash_at(death.call, death.after)
        else:
            store.live_on()
        monitor = monitor_of(store)
        await take_all(monitor, store)
        await exhaust(monitor)
        return monitor

    async def alive() -> Shards:
        while True:
            try:
                return await start()
            except CrashedError:
                continue

    monitor = await alive()
    for number, step in enumerate(steps):
        step(store, monitor.engine.book)
        try:
            await exhaust(monitor)
            if number % SNAPSHOT_STEPS == 0:
                await monitor.save_snapshot(0)
        except CrashedError:
            monitor = await alive()
    store.live_on()
    await exhaust(monitor)
    await monitor.commit(positions=True)
    return monitor


@given(streams())
@effort(15, 1_000)
def test_a_book_that_is_compacted_at_any_time_stays_the_same(steps: list[Step]) -> None:
    store = FakeStore()
    monitor = asyncio.run(run(store, steps, RestlessEngine))
    assert store.logs() == log_from_scratch(store)
    assert monitor.engine.stats.mismatches == 0


@given(streams(), deaths)
@effort(25, 1_000)
def test_a_monitor_that_dies_anywhere_loses_and_doubles_nothing(
    steps: list[Step], plan: list[Death]
) -> None:
    store = FakeStore()
    monitor = asyncio.run(run_with_deaths(store, steps, plan))
    assert store.logs() == log_from_scratch(store)
    assert monitor.engine.stats.mismatches == 0
    again = asyncio.run(recovered(store))
    assert states_of(again) == states_of(monitor)


async def recovered(store: FakeStore) -> Shards:
    monitor = monitor_of(store)
    await take_all(monitor, store)
    return monitor


def states_of(monitor: Shards) -> dict[str, list[PoolState]]:
    """Levels and pending falls of every account that has a pool that is not at rest."""
    book = monitor.engine.book
    states = {
        key: [state for state in book.states(index) if state.level]
        for index, key in enumerate(map(book.keys.__getitem__, range(len(book.keys))))
    }
    return {key: found for key, found in states.items() if found}
