"""Every venue under every fault: nothing wrong goes on, and all is well again soon after."""

import pytest

from service.feeds.catalogue import FEEDS
from service.feeds.venue import FeedName
from service.store.client import connect
from tests.feeds.faults import DIALECTS, FAULTS, case, gate_of_feeds, running, until
from tests.feeds.venues.mock import Fault

pytestmark = pytest.mark.anyio

# What a fault must be refused for, where the frames show it.
REASON: dict[Fault, str] = {
    "slow": "too_old",
    "clock behind": "too_old",
    "clock ahead": "clock_ahead",
    "out of order": "older",
    "doubled": "doubled",
    "zero": "not_a_price",
    "NaN": "not_a_price",
    "malformed": "malformed",
    "10 x": "implausible",
    "wick": "beyond_band",
}
NUMBERS_ARE_NUMBERS = ("deribit", "krakenfutures")  # so a frame with NaN is no JSON there
RECOVERED_WITHIN_S = 5.0


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", FEEDS)
async def test_nothing_wrong_gets_through(name: FeedName, fault: Fault, redis_url: str) -> None:
    async with connect(redis_url) as client:
        outcome = await case(name, fault, gate_of_feeds(client))
    dialect = DIALECTS[name](2)
    assert outcome.backwards == 0
    assert outcome.recovered_s < RECOVERED_WITHIN_S
    assert outcome.wrong == 0
    assert outcome.reconnects > 0 or fault not in ("cut", "silent")
    reason = REASON.get(fault)
    if fault == "NaN" and name in NUMBERS_ARE_NUMBERS:
        reason = "malformed"
    if not dialect.has_time and fault in ("slow", "clock ahead", "clock behind", "doubled"):
        reason = None  # these frames do not say when: nobody could know
    if not dialect.has_time and fault == "out of order":
        return
    expected = set() if reason is None else {reason}
    assert set(outcome.refused) == expected
    if dialect.has_time and fault in ("clock ahead", "clock behind", "slow"):
        assert outcome.offset_ms is not None
        assert abs(outcome.offset_ms) > 10_000


@pytest.mark.parametrize("name", FEEDS)
async def test_five_hundred_symbols_come_on_as_few_connections_as_there_are_lines(
    name: FeedName,
) -> None:
    async with running(name, 500, period_s=0.25) as (venue, feed, recorder):
        await until(lambda: set(recorder.newest) == set(venue.prices(0)))
        before = min(recorder.updates.values())
        await until(lambda: min(recorder.updates.values()) >= before + 2)
        assert venue.connected == len(FEEDS[name].lines)
        assert feed.figures().symbols == 500
        assert not feed.intake.refused
