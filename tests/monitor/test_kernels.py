"""Compiled and vectorised judging are one: levels, waits and what is told of them, bit by bit."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.monitor.judges import Judge
from service.monitor.judging import Changed, judge
from service.risk.book import Book
from service.risk.levels import NOT_PENDING
from service.risk.model import Account, Level
from service.risk.rows import SIMPLE
from tests.agreement import table_of
from tests.reference.world import World
from tests.safe_scenes import safe_scenes
from tests.strategies import effort, scenes

LEVELS = st.lists(st.sampled_from(list(Level)), min_size=16, max_size=16)
WAITS = st.lists(st.sampled_from((NOT_PENDING, 0, 900, 1_000)), min_size=16, max_size=16)


def book_at(account: Account, world: World, levels: Sequence[int], waits: Sequence[int]) -> Book:
    """A book of one account whose pools stand at these levels, in turn."""
    book = Book(table_of(world))
    book.put([account])
    slots = book.live_slots()
    book.pools.level[slots] = np.resize(np.array(levels), len(slots))
    book.pools.pending_since[slots] = np.resize(np.array(waits), len(slots))
    return book


def assert_judged_alike(book: Book, event_time_ms: int) -> None:
    slots = book.live_slots()
    truth = judge(book, slots, event_time_ms)
    checked = Judge(book).check(slots, event_time_ms)
    assert set(checked.slots.tolist()) == set(truth.changed().slots.tolist())
    np.testing.assert_array_equal(book.pools.level[slots], truth.before)
    changed = Judge(book).settle(slots, event_time_ms)
    np.testing.assert_array_equal(book.pools.level[slots], truth.level)
    np.testing.assert_array_equal(book.pools.pending_since[slots], truth.pending_since)
    assert rows_of(changed) == rows_of(truth.changed())


def rows_of(changed: Changed) -> list[tuple[int, int, int, bool]]:
    return sorted(zip(changed.slots, changed.before, changed.level, changed.waited, strict=True))


@given(
    scenes() | safe_scenes() | scenes(nasty=True), LEVELS, WAITS, st.sampled_from((1_000, 6_000))
)
@effort(150, 3_000)
def test_every_pool_is_judged_as_by_the_vectorised_engine(
    scene: tuple[World, Account], levels: list[int], waits: list[int], now_ms: int
) -> None:
    world, account = scene
    assert_judged_alike(book_at(account, world, levels, waits), now_ms)


def test_many_pools_are_simple() -> None:
    """Else all of the above would compare the vectorised engine with itself."""
    simple = pools = 0

    @given(safe_scenes())
    @effort(150, 150)
    def count(scene: tuple[World, Account]) -> None:
        nonlocal simple, pools
        book = book_at(scene[1], scene[0], [0], [NOT_PENDING])
        simple += int(np.count_nonzero(book.pools.traits[book.live_slots()] & SIMPLE))
        pools += len(book)

    count()
    assert pools > 100
    assert simple > pools / 3
