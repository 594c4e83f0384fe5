"""The meter by itself: what a worker takes from the store, how often, and what it does without."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access import meter as meter_room
from service.access.door import ANYBODY, Caller
from service.access.meter import Meter
from service.errors import StoreUnavailable
from service.store.units import Grant

pytestmark = pytest.mark.anyio

CALLER = Caller("k1", "desk", frozenset())


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Bucket:
    """A store with some units of every key that never grow; it can be away or hang."""

    def __init__(self, units: int) -> None:
        self.there = units
        self.asked = 0
        self.away = False
        self.hanging = False

    async def take(
        self, _key_id: str, _rate_per_s: float, _burst: int, needed: int, wanted: int
    ) -> Grant:
        self.asked += 1
        await asyncio.sleep(0)
        if self.hanging:
            await asyncio.Event().wait()
        if self.away:
            raise StoreUnavailable("away")
        if needed > self.there:
            return Grant(0, self.there, 1_500)
        taken = max(needed, min(wanted, self.there))
        self.there -= taken
        return Grant(taken, self.there, 0)


def meter_of(bucket: Bucket, clock: Clock, rate_per_s: float = 100.0) -> Meter:
    return Meter(bucket, rate_per_s, 10.0, clock_s=clock)


async def allowed(meter: Meter, caller: Caller = CALLER, units: int = 1) -> bool:
    standing = await meter.charge(caller, units)
    return standing is None or not standing.wait_s


async def test_who_has_no_key_or_no_limit_is_not_asked_about() -> None:
    bucket = Bucket(0)
    assert await meter_of(bucket, Clock()).charge(ANYBODY, 10**9) is None
    assert await meter_of(bucket, Clock(), 0.0).charge(CALLER, 10**9) is None
    free = Caller("k2", "desk", frozenset(), 0.0)
    assert await meter_of(bucket, Clock()).charge(free, 10**9) is None
    assert bucket.asked == 0


async def test_a_keys_own_rate_comes_before_the_settings() -> None:
    for default in (0.0, 5.0):
        meter = meter_of(Bucket(1_000), Clock(), default)
        standing = await meter.charge(Caller("k2", "desk", frozenset(), 7.0), 1)
        assert standing is not None
        assert (standing.allowance.rate_per_s, standing.allowance.burst) == (7.0, 70)


async def test_small_calls_share_a_portion() -> None:
    bucket = Bucket(1_000)
    meter = meter_of(bucket, Clock())
    portion = int(100.0 * meter_room.PORTION_S)
    for _ in range(4 * portion):
        assert await allowed(meter)
    assert bucket.asked == 4
    assert bucket.there == 1_000 - 4 * portion


async def test_a_large_call_takes_what_it_needs_and_no_more() -> None:
    bucket = Bucket(1_000)
    meter = meter_of(bucket, Clock())
    assert await allowed(meter, units=400)
    assert bucket.there == 600
    assert not await allowed(meter, units=601)
    assert await allowed(meter, units=600)


async def test_calls_at_once_pay_once_each() -> None:
    bucket = Bucket(50)
    meter = meter_of(bucket, Clock())
    outcomes = await asyncio.gather(*[allowed(meter) for _ in range(80)])
    assert sum(outcomes) == 50


async def test_a_refusal_says_how_long_to_wait_and_is_known_before_the_next_call() -> None:
    clock = Clock()
    bucket = Bucket(1)
    meter = meter_of(bucket, clock, 1.0)
    standing = meter.look(CALLER)
    assert standing is not None
    assert not standing.wait_s  # nobody has asked the store yet
    assert await allowed(meter)
    refused = await meter.charge(CALLER, 1)
    assert refused is not None
    assert (refused.left, refused.wait_s, refused.reset_s) == (0, 2, 2)
    asked = bucket.asked
    standing = meter.look(CALLER)
    assert standing is not None
    assert standing.wait_s == 1
    clock.now_s += 1.0
    standing = meter.look(CALLER)
    assert standing is not None
    assert not standing.wait_s
    assert bucket.asked == asked


async def test_without_the_store_a_worker_counts_for_itself() -> None:
    clock, bucket = Clock(), Bucket(1_000)
    bucket.away = True
    meter = meter_of(bucket, clock)
    assert await allowed(meter, units=1_000)
    assert not await allowed(meter)
    clock.now_s += 0.5
    assert await allowed(meter, units=50)
    assert not await allowed(meter)
    assert bucket.asked == 1  # it is not asked again for a second
    clock.now_s += meter_room.AWAY_S
    bucket.away = False
    assert await allowed(meter, units=1_000)
    assert bucket.there == 0


async def test_a_store_that_hangs_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_room, "TAKE_S", 0.01)
    bucket = Bucket(1_000)
    bucket.hanging = True
    meter = meter_of(bucket, Clock())
    async with asyncio.timeout(5.0):
        assert all([await allowed(meter) for _ in range(100)])
    assert bucket.asked == 1


async def test_keys_beyond_memory_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_room, "REMEMBERED_MAX", 2)
    bucket = Bucket(1_000)
    meter = meter_of(bucket, Clock())
    for key_id in ("a", "b", "c", "a"):
        assert await allowed(meter, Caller(key_id, "desk", frozenset()))
    assert bucket.asked == 4


@given(
    rate=st.floats(0.1, 1e6),
    calls=st.lists(st.tuples(st.floats(0.0, 5.0), st.integers(1, 1_000)), max_size=30),
)
async def test_without_the_store_no_window_is_given_more_than_burst_and_growth(
    rate: float, calls: list[tuple[float, int]]
) -> None:
    clock, bucket = Clock(), Bucket(0)
    bucket.away = True
    meter = meter_of(bucket, clock, rate)
    burst = max(1, math.floor(rate * 10.0))
    given_out, begun_s = 0, clock.now_s
    for pause_s, units in calls:
        clock.now_s += pause_s
        before = given_out
        if await allowed(meter, units=units):
            given_out += units
        grown = (clock.now_s - begun_s) * rate
        # All but the last call is within it: one may be larger than the burst.
        assert before <= burst + grown + max([0, *(units for _, units in calls)])
        if units <= burst and given_out > before:
            assert given_out <= burst + grown + 1e-3 or before > grown
