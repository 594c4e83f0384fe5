"""Shards that change books while the stream goes on: the log is that of one book alone."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import OutOfStep
from service.monitor import handover
from service.monitor.handover import Handover
from service.monitor.shards import Shards
from service.risk.model import Account, Balance, Mark, Position, Thresholds
from tests.monitor.fake_store import FakeStore
from tests.monitor.streams import (
    Step,
    acknowledge,
    document_of,
    put_instrument,
    put_mark,
    streams,
    write,
)
from tests.monitor.test_incremental import exhaust, log_from_scratch, monitor_of, states_of
from tests.risk.building import BTC, contract, one_rate
from tests.strategies import effort

SHARDS = 3


@dataclass(frozen=True, slots=True)
class Move:
    """A shard changes to a book, its former owner told (or not: it was stopped)."""

    shard: int
    to: int
    told: bool
    pace: int  # steps of the handover between two entries
    lag: int  # entries that the new owner has not read yet when it takes the shard


moves = st.dictionaries(
    st.integers(0, 25),
    st.builds(
        Move,
        st.integers(0, SHARDS - 1),
        st.integers(0, 1),
        st.booleans(),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=8,
)


@dataclass
class Monitor:
    """A main book and perhaps a nursery, driven by hand."""

    store: FakeStore
    main: Shards
    nursery: Shards | None = None
    handover: Handover | None = None
    pace: int = 1
    lag: int = 0

    async def take(self, move: Move) -> None:
        self.pace, self.lag = move.pace, move.lag
        self.nursery = monitor_of(self.store)
        self.nursery.expect(await self.store.acquire([move.shard]))
        self.main.drop(move.shard)  # it may have been lost without a word
        await self.nursery.recover()
        await self.nursery.catch_up()
        if self.main.ledgers:
            self.handover = Handover(self.nursery, self.main)
        else:
            self.main, self.nursery, self.handover = self.nursery, None, None

    async def go_on(self) -> None:
        self.lag = max(0, self.lag - 1)
        if not self.lag:
            await exhaust(self.main)
        for _ in range(self.pace):
            await self.step()

    async def step(self) -> None:
        self.main.residents.forget(1)
        if self.handover is not None and not self.handover.done:
            await self.handover.step()
        if self.handover is not None and self.handover.done:
            self.nursery = self.handover = None

    async def settle(self) -> None:
        await exhaust(self.main)
        await self.main.commit_last(list(self.main.ledgers))
        while self.handover is not None or self.main.residents.leaving:
            await self.step()


@dataclass
class Pair:
    """Two monitors; `owner` by shard."""

    store: FakeStore
    monitors: list[Monitor] = field(init=False)
    owner: list[int] = field(default_factory=lambda: [0] * SHARDS)

    async def start(self) -> None:
        self.monitors = [Monitor(self.store, monitor_of(self.store)) for _ in range(2)]
        for shard in range(SHARDS):
            await self.monitors[0].take(Move(shard, 0, told=True, pace=1, lag=0))
            await self.monitors[0].settle()

    async def move(self, move: Move) -> None:
        giver, taker = self.monitors[self.owner[move.shard]], self.monitors[move.to]
        if taker is giver or taker.nursery is not None:
            return
        if move.told and move.shard in giver.main.ledgers:
            await giver.main.commit_last([move.shard])
            giver.main.drop(move.shard)
        await taker.take(move)
        self.owner[move.shard] = move.to


async def run_with_moves(store: FakeStore, steps: Sequence[Step], plan: dict[int, Move]) -> Pair:
    pair = Pair(store)
    await pair.start()
    for number, step in enumerate(steps):
        step(store, pair.monitors[0].main.engine.book)
        if number in plan:
            await pair.move(plan[number])
        if number % 5 == 0:
            await pair.monitors[number % 2].main.save_snapshot(0)
        for monitor in pair.monitors:
            await monitor.go_on()
    for monitor in pair.monitors:
        await monitor.settle()
    return pair


@pytest.fixture(autouse=True, scope="module")
def _one_account_at_a_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handover, "COPY_ACCOUNTS", 1)
        patch.setattr(handover, "STEP_S", 1e-5)  # one slice, or few: the first is always copied
        yield


@given(streams(), moves)
@effort(40, 1_500)
def test_shards_that_move_lose_and_double_nothing(steps: list[Step], plan: dict[int, Move]) -> None:
    store = FakeStore(SHARDS)
    pair = asyncio.run(run_with_moves(store, steps, plan))
    assert store.logs() == log_from_scratch(store)
    served = [sorted(monitor.main.ledgers) for monitor in pair.monitors]
    assert sorted(shard for each in served for shard in each) == [0, 1, 2]
    alone = asyncio.run(recovered(store))
    for monitor in pair.monitors:
        engine = monitor.main.engine
        engine.audit(1_000)
        assert (engine.stats.mismatches, engine.stats.unreadable) == (0, 0)
        for key, states in states_of(monitor.main).items():
            assert states_of(alone)[key] == states
            account = engine.book.find(key)
            assert account is not None
            assert monitor.main.tells_of(account)


def long_story(seed: int) -> tuple[FakeStore, list[Step], dict[int, Move]]:
    """Thirty accounts near their lines, a price that jumps about, changes, and many moves."""
    chance, store, steps = random.Random(seed), FakeStore(SHARDS), []
    steps += [put_instrument(contract(BTC, one_rate(0.01))), put_mark(Mark(BTC, 100.0))]
    steps += [_written(f"default/{number}", chance) for number in range(30)]
    plan = {}
    for _ in range(200):
        if chance.random() < 0.4:
            steps.append(_written(f"default/{chance.randrange(40)}", chance))
        if chance.random() < 0.1:
            steps.append(acknowledge(chance.randrange(9), 20_000))
        steps.append(put_mark(Mark(BTC, chance.uniform(75.0, 105.0)), 500))
        if chance.random() < 0.3:
            plan[len(steps) - 1] = Move(
                chance.randrange(SHARDS),
                chance.randrange(2),
                told=chance.random() < 0.7,
                pace=chance.choice([1, 1, 2, 5]),
                lag=chance.randrange(3),
            )
    return store, steps, plan


def _written(account_key: str, chance: random.Random) -> Step:
    if chance.random() < 0.1:
        return write(account_key, None, "account", notice=False)
    wallet = (Balance("USDT", chance.uniform(5.0, 40.0)),)
    every_ms, until = chance.choice([0, 60_000]), chance.random() < 0.5
    waits = Thresholds(
        ease_after_ms=chance.choice([0, 1_000, 3_000]),
        repeat_every_ms=every_ms,
        repeat_until_acknowledged=until and every_ms > 0,
    )
    held = (Position(BTC, 1.0, 100.0),)
    account = Account(account_key, balances=wallet, positions=held, thresholds=waits)
    return write(account_key, document_of(account), "deposit", notice=chance.random() < 0.8)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shards_that_are_always_on_the_move_lose_and_double_nothing(seed: int) -> None:
    store, steps, plan = long_story(seed)
    pair = asyncio.run(run_with_moves(store, steps, plan))
    assert sum(map(len, store.logs())) > 500
    assert store.logs() == log_from_scratch(store)
    assert {monitor.main.engine.stats.mismatches for monitor in pair.monitors} == {0}
    held = [states_of(monitor.main) for monitor in pair.monitors]
    assert states_of(asyncio.run(recovered(store))) == held[0] | held[1]


async def recovered(store: FakeStore) -> Shards:
    book = monitor_of(store)
    book.expect(await store.acquire(range(SHARDS)))
    await book.recover()
    return book


def test_a_stream_that_ends_before_the_main_book_is_not_followed() -> None:
    async def run() -> None:
        store = FakeStore(SHARDS)
        for _ in range(3):
            store.append("c", b"{}", 1_000)
        pair = Pair(store)
        await pair.start()
        nursery = monitor_of(store)
        nursery.expect(await store.acquire([1]))
        del store.entries[2:]
        with pytest.raises(OutOfStep):
            await Handover(nursery, pair.monitors[0].main).step()

    asyncio.run(run())
