"""A source that stops in the middle of the real crash: warned in time, nobody liquidated by what it
said last, and liquidated again only after the warm-up.

WIF is marked by its coin-margined perpetual's last price, over the minutes in which it fell to a
fifth. Another symbol goes on, so that time does.
"""

from dataclasses import replace
from functools import cache

import pytest

from service.contract.alerts import Alert, decode_alert
from service.contract.instruments import encode_instrument
from service.contract.marks import encode_mark
from service.contract.quality import QualityEntry, read_quality
from service.feeds.tape import read_tape
from service.risk.mark_rule import DOOR
from service.risk.model import Account, Balance, Instrument, Mark, Position, Tier
from service.store.log_entries import split_alerts
from service.store.market_stream import Gate, MarketStream, NewMark
from tests.monitor.streams import document_of
from tests.monitor.test_service import running, until_logged
from tests.simulation.tape import BARS, needs_tape
from tests.store.stores import SHARDS, Store, open_store

pytestmark = [pytest.mark.anyio, needs_tape]

WIF, OTHER = "WIF/USD:USD", "BTC/USD:USD"
START_S, STOP_S, BACK_S, END_S = 2_100, 2_160, 2_200, 2_230  # of the tape; the low is at 2,207
WARMUP, MAX_AGE_MS = 3, 10_000
RULE = replace(DOOR, warmup_marks=WARMUP)


@cache
def closes() -> list[tuple[int, float]]:
    """(time, price) at the end of each second of the window: WIF's perpetual's last trade."""
    found: dict[int, float] = {}
    first_ms = 0
    for frame in read_tape(BARS):
        assert frame.time_ms is not None
        first_ms = first_ms or frame.time_ms
        second = (frame.time_ms - first_ms) // 1_000
        if second >= END_S:
            break
        for told in frame.marks:
            if told["symbol"] == "WIF/USD:WIF":
                found[second] = float(told["markPrice"])
    price, times = 0.0, []
    for second in range(END_S):
        price = found.get(second, price)
        times.append((first_ms + 1_000 * second + 999, price))
    return times[START_S:]


def mark(symbol: str, price: float, time_ms: int) -> NewMark:
    told = encode_mark(Mark(symbol, price, timestamp_ms=time_ms))
    return NewMark("generic", symbol, told, time_ms, "", price)


async def set_up(store: Store, market: MarketStream, start_price: float) -> None:
    """Longs of ten leverages each; the highest go over the line at once, the lowest never."""
    listed = [
        Instrument(symbol, True, 1.0, symbol[:3], "USD", "USD", (Tier(0.0, float("inf"), 0.02),))
        for symbol in (WIF, OTHER)
    ]
    await market.append_instruments(
        [(one.venue, one.symbol, encode_instrument(one)) for one in listed]
    )
    accounts = []
    for number in range(40):
        leverage = 1.2 + 0.4 * number
        wallet = Balance("USD", 1_000.0 * start_price / leverage)
        position = Position(WIF, 1_000.0, start_price)
        key = f"default/acc-{number}"
        accounts.append((key, document_of(Account(key, balances=(wallet,), positions=(position,)))))
    await store.accounts.put_many(accounts)


async def play(store: Store, market: MarketStream) -> None:
    told = closes()
    begin_ms = told[0][0]
    await set_up(store, market, told[0][1])
    for time_ms, price in told:
        second = START_S + (time_ms - begin_ms) // 1_000
        marks = [mark(OTHER, 100.0, time_ms)]
        if not STOP_S <= second < BACK_S:
            marks.append(mark(WIF, price, time_ms))
        results = await market.append_marks(marks)
        assert all(isinstance(outcome, int) for outcome in results)


async def words(market: MarketStream) -> list[tuple[int, QualityEntry]]:
    """(event time, word) of what the gate has said."""
    return [
        (entry.event_time_ms, read_quality(entry.payload))
        for entry in await market.read(0, 100_000)
        if entry.kind == "q"
    ]


async def alerts(store: Store) -> list[Alert]:
    read = await store.log.read_many([(shard, 0) for shard in range(SHARDS)], 1_000_000)
    return sorted(
        (decode_alert(raw) for log in read for entry in log for raw in split_alerts(entry.alerts)),
        key=lambda alert: (alert.market_id, alert.account_id),
    )


async def test_a_source_that_stops_in_the_crash_liquidates_nobody_until_it_is_warm_again(
    redis_url: str,
) -> None:
    async with open_store(redis_url) as store:
        market = MarketStream(store.client, Gate("source", RULE), store.blocking)
        async with running(store):
            await play(store, market)
            await until_logged(store)  # which is what judging everybody leads to
        said, found = await words(market), await alerts(store)
    times = [time_ms for time_ms, _ in closes()]
    stop_ms = max(time_ms for time_ms in times if time_ms < times[0] + 1_000 * (STOP_S - START_S))
    back = [time_ms for time_ms in times if time_ms >= times[0] + 1_000 * (BACK_S - START_S)]
    (stale_ms, stale), (fresh_ms, fresh) = said
    assert (stale.symbol, stale.quality, fresh.quality) == (WIF, "stale", "good")
    assert MAX_AGE_MS < stale_ms - stop_ms <= MAX_AGE_MS + 2_000, "told within the limit"
    assert fresh_ms == back[WARMUP - 1]
    severe = [alert for alert in found if alert.level in ("LIQUIDATION", "BANKRUPT")]
    assert not [alert for alert in severe if stale_ms <= alert.event_time < fresh_ms]
    assert [alert for alert in severe if alert.event_time < stale_ms]
    assert [alert for alert in severe if alert.event_time == fresh_ms], "resumed after the warm-up"
    between = [alert for alert in found if back[0] <= alert.event_time < fresh_ms]
    assert between, "warnings stay"
    assert {alert.quality for alert in between} == {"stale"}, "and are labelled"
    assert {alert.quality for alert in found if alert.event_time > fresh_ms} <= {"good"}
