"""However a key spends its room, at no moment do more answers live than fill it."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.door import Caller
from service.access.kept import UNIT_BYTES, KeptRoom
from service.store.units import Grant

KEPT_S, BYTES_MAX = 100.0, 64 * UNIT_BYTES
SOMEBODY = Caller("5f0c2a97d1e4", "default", frozenset())


class Count:
    """The rule of `take_units.lua`, on a clock of the test's."""

    def __init__(self) -> None:
        self.now_s = self.full_s = 0.0

    async def take(self, _: str, rate_per_s: float, burst: int, needed: int, __: int) -> Grant:
        full_s = max(self.full_s, self.now_s)
        room = burst - (full_s - self.now_s) * rate_per_s
        least = min(needed, burst)
        if room < least:
            return Grant(0, int(room), int((least - room) * 1_000 / rate_per_s) + 1)
        self.full_s = full_s + needed / rate_per_s
        return Grant(needed, int(room - needed), 0)


@given(
    st.lists(
        st.tuples(st.floats(0.0, 60.0), st.integers(0, 8 * UNIT_BYTES)), min_size=1, max_size=200
    )
)
def test_what_lives_is_never_more_than_there_is_room_for(calls: list[tuple[float, int]]) -> None:
    async def run() -> None:
        count = Count()
        room = KeptRoom(count, BYTES_MAX, KEPT_S)
        alive: list[tuple[float, int]] = []
        for pause_s, size in calls:
            count.now_s += pause_s
            if not await room.wait_s(SOMEBODY, size):
                alive.append((count.now_s, size))
            alive = [each for each in alive if each[0] + KEPT_S > count.now_s]
            assert sum(max(size, UNIT_BYTES) for _, size in alive) <= BYTES_MAX

    anyio.run(run)


@pytest.mark.parametrize(("size", "units"), [(0, 1), (1, 1), (1_024, 1), (1_025, 2)])
def test_room_is_counted_in_kibibytes(size: int, units: int) -> None:
    async def run() -> int:
        room, taken = KeptRoom(Count(), BYTES_MAX, KEPT_S), 0
        while not await room.wait_s(SOMEBODY, size):
            taken += units
        return taken

    assert anyio.run(run) == BYTES_MAX // UNIT_BYTES // 2
