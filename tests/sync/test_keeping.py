"""An account kept all along: hints, trouble that is waited out, a key that may do too much."""

from typing import Any

import httpx
import pytest

from service.sync.account_sync import AccountSync, SyncPace
from service.sync.exchange import VenueTrouble
from tests.feeds.faults import until
from tests.sync.kept import Venue, kept, service, sync_of
from tests.unified.rows import position

pytestmark = pytest.mark.anyio


async def test_a_hint_brings_the_next_snapshot_sooner_and_is_not_read(redis_url: str) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        venue.can_watch = True
        async with kept(sync_of(venue, worker)) as sync:
            await until(lambda: sync.figures().written == 1)
            venue.positions = [position(contracts=4.0)]
            venue.stirs.put_nowait(None)
            await until(lambda: sync.figures().written == 2)
            for _ in range(50):
                venue.stirs.put_nowait(None)
            await until(lambda: sync.figures().hints == 51)
            asked = venue.asked
            assert asked < 10, "many hints together are one snapshot"


async def test_hints_that_break_off_are_listened_for_again(redis_url: str) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        venue.can_watch, venue.broken = True, 4
        async with kept(sync_of(venue, worker)) as sync:
            venue.stirs.put_nowait(None)
            await until(lambda: sync.figures().hints == 1)
            assert sync.figures().troubles == {"hints": 4}


@pytest.mark.parametrize("kind", ["throttled", "refused", "away", "torn", "not_understood"])
async def test_trouble_is_waited_out_told_and_got_over(redis_url: str, kind: Any) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        venue.trouble = VenueTrouble(kind, "not now")
        async with kept(sync_of(venue, worker)) as sync:
            await until(lambda: sync.figures().troubles.get(kind, 0) > 2)
            assert (sync.figures().trouble, sync.figures().age_s) == (kind, None)
            venue.trouble = None
            await until(lambda: sync.figures().written == 1)
            await until(lambda: sync.figures().trouble == "")


async def test_waits_double_have_jitter_and_an_end() -> None:
    venue = Venue()
    async with httpx.AsyncClient() as client:
        sync = AccountSync(
            sync_of(venue, client)._account, venue, client, SyncPace(delay_max_s=60.0)
        )
        waits = [sync._failed("throttled", "429") for _ in range(12)]
    assert 7.5 <= waits[0] <= 15.0
    assert 15.0 <= waits[1] <= 30.0
    assert all(30.0 <= wait <= 60.0 for wait in waits[2:])
    assert len(set(waits)) == len(waits)


async def test_a_key_that_may_trade_is_warned_of(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with service(redis_url) as worker:
        venue = Venue()
        venue.may_trade = True
        sync = sync_of(venue, worker)
        await sync.once()
        assert sync.figures().may_trade is True
        assert any("may do more than read" in line for line in caplog.messages)
