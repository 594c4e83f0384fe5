"""Units of a key: all that are needed or none, one count for all, growing back by one clock."""

import asyncio

import pytest

from service.store import keys
from service.store.units import Grant, Units
from tests.store.stores import Store

pytestmark = pytest.mark.anyio

SLOW = 0.001  # units a second: nothing grows back during a test


async def test_all_that_are_needed_are_taken_or_none(store: Store) -> None:
    units = Units(store.client)
    assert await units.take("a", SLOW, 10, 4, 4) == Grant(4, 6, 0)
    refused = await units.take("a", SLOW, 10, 7, 9)
    assert (refused.taken, refused.left) == (0, 6)
    assert refused.wait_ms == pytest.approx(1_000_000, rel=0.01)
    assert await units.take("a", SLOW, 10, 6, 6) == Grant(6, 0, 0)
    assert (await units.take("a", SLOW, 10, 1, 1)).taken == 0


async def test_as_many_are_taken_as_are_wanted_and_there(store: Store) -> None:
    units = Units(store.client)
    assert await units.take("a", SLOW, 10, 1, 6) == Grant(6, 4, 0)
    assert await units.take("a", SLOW, 10, 1, 6) == Grant(4, 0, 0)


async def test_more_than_the_burst_is_taken_where_all_of_it_is_there(store: Store) -> None:
    units = Units(store.client)
    assert await units.take("a", SLOW, 10, 25, 25) == Grant(25, -15, 0)
    refused = await units.take("a", SLOW, 10, 1, 1)
    assert refused.wait_ms == pytest.approx(16_000_000, rel=0.01)
    assert (await units.take("b", SLOW, 10, 1, 1)).taken == 1
    assert (await units.take("b", SLOW, 10, 25, 25)).taken == 0


async def test_what_is_taken_grows_back_and_a_key_at_rest_has_no_record(store: Store) -> None:
    units = Units(store.client)
    assert (await units.take("a", 100.0, 10, 10, 10)).taken == 10
    assert 0 < await store.client.call("PTTL", keys.units("a")) <= 100
    async with asyncio.timeout(5.0):
        while await store.client.call("EXISTS", keys.units("a")):  # noqa: ASYNC110 - it expires there
            await asyncio.sleep(0.005)
    assert await units.take("a", 100.0, 10, 10, 10) == Grant(10, 0, 0)


async def test_many_at_once_are_given_no_more_than_there_is(store: Store) -> None:
    units = Units(store.client)
    grants = await asyncio.gather(*[units.take("a", SLOW, 50, 3, 3) for _ in range(100)])
    assert sum(grant.taken for grant in grants) == 48


async def test_keys_do_not_share(store: Store) -> None:
    units = Units(store.client)
    assert (await units.take("a", SLOW, 5, 5, 5)).taken == 5
    assert (await units.take("b", SLOW, 5, 5, 5)).taken == 5
