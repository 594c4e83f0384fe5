"""The gate's rules about prices, each on both sides of its border, whatever the batches."""

import random
from dataclasses import replace

import orjson
import pytest

from service.risk.mark_rule import DOOR, MarkRule
from service.risk.model import Level
from service.risk.quality import GOOD, STALE, Quality, Verdict
from service.store.market_stream import Gate, MarketStream, NewMark
from service.store.refusals import MarkRefusals, Refusals
from tests.store.gate_model import GateModel
from tests.store.stores import Store

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
RULE = replace(DOOR, band=0.1, confirm_s=2.0, confirm_marks=3)
SUSPECT = Verdict(Quality.SUSPECT, Level.MARGIN_CALL)
DEGRADED = Verdict(Quality.DEGRADED, Level.BANKRUPT)


def mark(price: float, time_ms: int, source: str = "", symbol: str = BTC) -> NewMark:
    payload = orjson.dumps({"symbol": symbol, "markPrice": price})
    return NewMark("binance", symbol, payload, time_ms, source, price)


def gated(store: Store, rule: MarkRule = RULE) -> MarketStream:
    return MarketStream(store.client, Gate("source", rule))


async def begun(store: Store, rule: MarkRule = RULE, *sources: str) -> MarketStream:
    """A symbol at 100, said by each source twice: the first price is believed when repeated."""
    market = gated(store, rule)
    for source in sources or ("",):
        await market.append_marks([mark(100.0, 0, source), mark(100.0, 0, source)])
    return market


async def verdict(market: MarketStream, symbol: str = BTC) -> Verdict:
    return {found.symbol: found.verdict for found in await market.newest()}[symbol]


async def said(market: MarketStream, price: float, time_ms: int, source: str = "") -> str:
    """What became of one mark, in a word."""
    [outcome] = await market.append_marks([mark(price, time_ms, source)])
    return outcome if isinstance(outcome, str) else "taken"


async def test_without_a_band_every_price_is_taken(store: Store) -> None:
    marks = [mark(100.0, 0), mark(1_000.0, 1), mark(0.001, 2)]
    assert await store.market.append_marks(marks) == [1, 2, 3]


async def test_the_first_price_is_believed_when_the_next_says_the_same(store: Store) -> None:
    market = gated(store)
    assert await said(market, 1_000.0, 0) == "unconfirmed"
    assert await said(market, 100.0, 1) == "unconfirmed"
    assert await market.newest() == []
    assert await said(market, 101.0, 2) == "taken"


@pytest.mark.parametrize(("price", "outcome"), [(110.0, "taken"), (110.1, "beyond_band")])
@pytest.mark.parametrize("up", [True, False])
async def test_a_jump_beyond_the_band_is_held(
    store: Store, price: float, outcome: str, up: bool
) -> None:
    market = await begun(store)
    assert await said(market, price if up else 10_000.0 / price, 1) == outcome
    assert await verdict(market) == (GOOD if outcome == "taken" else SUSPECT)
    assert await said(market, 100.0, 2) == "taken"
    assert await verdict(market) == GOOD, "a wick is over when the next mark is as before"


async def test_a_jump_that_lasts_is_believed_by_time_and_count(store: Store) -> None:
    market = await begun(store)
    assert await said(market, 80.0, 1_000) == "beyond_band"
    assert await said(market, 79.0, 2_999) == "beyond_band"
    assert await said(market, 60.0, 2_999) == "beyond_band", "so many, but not for so long"
    assert await verdict(market) == SUSPECT
    assert await said(market, 50.0, 3_000) == "taken", "it went on falling: a crash is a jump too"
    assert await verdict(market) == GOOD
    assert await said(market, 30.0, 9_000) == "beyond_band"
    assert await said(market, 30.0, 12_000) == "beyond_band", "for so long, but not so many"
    assert await said(market, 30.0, 12_001) == "taken"


async def test_a_jump_to_the_other_side_begins_anew(store: Store) -> None:
    market = await begun(store)
    for time_ms, price in ((0, 80.0), (1_000, 80.0), (2_000, 130.0), (2_001, 80.0)):
        assert await said(market, price, time_ms) == "beyond_band"


async def test_ten_times_the_price_must_last_longer(store: Store) -> None:
    market = await begun(store)
    assert await said(market, 399.0, 0) == "beyond_band"
    assert await said(market, 1_000.0, 1_000) == "implausible"
    assert await said(market, 1_000.0, 59_999) == "implausible"
    assert await said(market, 1_000.0, 60_000) == "taken", "nothing is refused for ever"


async def test_a_source_that_wicks_is_held_while_most_others_disagree(store: Store) -> None:
    market = await begun(store, RULE, "a", "b", "c")
    for time_ms in range(1, 5_000, 500):
        assert await said(market, 22.0, time_ms, "a") == "outlier"
        assert await verdict(market) == GOOD, "the others are many and where the symbol is"
        assert await said(market, 99.0, time_ms, "b") == "taken"
        assert await said(market, 99.0, time_ms, "c") == "taken"


async def test_a_crash_is_followed_as_soon_as_another_source_agrees(store: Store) -> None:
    market = await begun(store, RULE, "a", "b", "c")
    assert await said(market, 22.0, 1, "a") == "outlier"
    assert await said(market, 23.0, 2, "b") == "taken"
    assert await said(market, 22.0, 3, "a") == "taken"
    assert await said(market, 99.0, 4, "c") == "outlier", "the one that lags"


async def test_of_two_that_disagree_nobody_is_believed(store: Store) -> None:
    market = await begun(store, RULE, "a", "b")
    assert await verdict(market) == GOOD
    for time_ms in (1, 3_000, 6_000):
        assert await said(market, 50.0, time_ms, "a") == "disagreement"
        assert await said(market, 100.0, time_ms, "b") == "disagreement"
        assert await verdict(market) == SUSPECT
    assert await said(market, 51.0, 7_000, "b") == "taken"
    assert await verdict(market) == GOOD


async def test_a_symbol_that_lost_a_source_is_degraded(store: Store) -> None:
    market = await begun(store, RULE, "a", "b")
    assert await said(market, 100.0, 10_000, "a") == "taken"
    assert await verdict(market) == GOOD, "b spoke just so long ago"
    assert await said(market, 100.0, 10_001, "a") == "taken"
    assert await verdict(market) == DEGRADED
    assert await said(market, 100.0, 10_002, "b") == "taken"
    assert await verdict(market) == GOOD


async def test_as_many_sources_as_are_asked_for_must_agree(store: Store) -> None:
    market = await begun(store, replace(RULE, sources_min=2))
    assert await verdict(market) == DEGRADED
    assert await said(market, 101.0, 1, "b") == "taken"
    assert await verdict(market) == GOOD


async def test_sources_are_bounded(store: Store) -> None:
    market = await begun(store, RULE, *(f"s{number}" for number in range(16)))
    assert await said(market, 100.0, 1, "one more") == "too_many_sources"
    assert await said(market, 100.0, 3_600_002, "one more") == "taken", "the others are forgotten"


async def test_a_symbol_that_returns_is_believed_after_some_marks(store: Store) -> None:
    market = gated(store, replace(DOOR, warmup_marks=3))
    await market.append_marks([mark(100.0, 0), mark(1.0, 10_001, symbol=ETH)])
    assert await verdict(market) == STALE
    times = (11_000, 11_000, 12_000)  # two at one time are one
    for time_ms in times:
        assert await said(market, 100.0, time_ms) == "taken"
        assert await verdict(market) == STALE
    assert await said(market, 100.0, 13_000) == "taken"
    assert await verdict(market) == GOOD
    words = [entry.payload for entry in await market.read(0) if entry.kind == "q"]
    assert len(words) == 2, "one notice each way"


async def test_a_return_that_breaks_off_begins_anew(store: Store) -> None:
    market = gated(store, replace(DOOR, warmup_marks=3))
    await market.append_marks([mark(100.0, 0), mark(1.0, 10_001, symbol=ETH)])
    for time_ms in (11_000, 12_000):
        await market.append_marks([mark(100.0, time_ms)])
    await market.append_marks([mark(1.0, 22_001, symbol=ETH)])
    for time_ms in (23_000, 24_000):
        await market.append_marks([mark(100.0, time_ms)])
        assert await verdict(market) == STALE
    await market.append_marks([mark(100.0, 25_000)])
    assert await verdict(market) == GOOD
    words = [entry.payload for entry in await market.read(0) if entry.kind == "q"]
    assert len([word for word in words if BTC.encode() in word]) == 2


async def test_an_instruments_own_rule_goes_first_then_generics(store: Store) -> None:
    rule = {"band": 0.5, "maxAgeS": 1.0, "allows": {"suspect": "evaluate"}}
    own, generics = ({"symbol": BTC, "markRule": {"band": band}} for band in (0.2, 0.3))
    market = await begun(store)
    await market.append_instruments([("generic", BTC, orjson.dumps(generics))])
    assert await said(market, 125.0, 1) == "taken"
    await market.append_instruments([("binance", BTC, orjson.dumps(own))])
    assert await said(market, 160.0, 2) == "beyond_band"
    await market.append_instruments([("binance", BTC, orjson.dumps(own | {"markRule": rule}))])
    assert await said(market, 200.0, 3) == "beyond_band"
    assert await verdict(market) == Verdict(Quality.SUSPECT, Level.HEALTHY)
    assert await said(market, 130.0, 4) == "taken"
    await market.append_marks([mark(1.0, 1_004, symbol=ETH), mark(1.0, 1_005, symbol=ETH)])
    assert await verdict(market) == STALE, "its marks are due every second"
    await market.append_instruments([("binance", BTC, b"{}"), ("generic", BTC, b"{}")])
    assert await said(market, 150.0, 2_000) == "beyond_band"


async def test_refusals_are_counted_by_reason_and_market(store: Store) -> None:
    market, refusals = await begun(store), MarkRefusals(store.client)
    await market.append_marks([mark(150.0, 1), mark(150.0, 2), mark(1.0, 0)])
    await market.append_marks([mark(1.0, 0, symbol="NEW")])
    await refusals.add({"not_finite": 2})
    assert await refusals.read() == [
        Refusals("beyond_band", "binance", BTC, 2),
        Refusals("not_finite", "", "", 2),
        Refusals("stale_timestamp", "binance", BTC, 1),
        Refusals("unconfirmed", "", "", 2),  # BTC's first, before it was known, and NEW's
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_the_script_does_what_the_rules_say_however_marks_are_batched(
    seed: int, store: Store
) -> None:
    chance = random.Random(seed)
    rule = replace(RULE, warmup_marks=2, sources_min=1 + seed % 2)
    market, model = gated(store, rule), GateModel(rule)
    time_ms, level = 1_000_000, dict.fromkeys("ABC", 100.0)
    expected: list[int | str] = []
    results: list[int | str] = []
    for _ in range(40):
        batch = []
        for _ in range(chance.choice([1, 1, 2, 5, 30])):
            time_ms += chance.choice([0, 1, 300, 300, 1_000, 1_000, 10_001])
            symbol, source = chance.choice("ABC"), chance.choice(["", "", "x", "y"])
            level[symbol] *= chance.choice([1.0] * 20 + [0.8, 1.25])
            price = level[symbol] * chance.choice([1.0] * 12 + [1.05, 0.7, 10.0])
            batch.append(mark(price, time_ms - chance.choice([0, 0, 0, 700]), source, symbol))
        expected += [model.append(found) for found in batch]
        results += await market.append_marks(batch)
    assert results == expected
    entries = await market.read(0, count=10_000)
    assert [(each.kind, each.event_time_ms, each.payload) for each in entries] == model.entries
    reasons = {outcome for outcome in results if isinstance(outcome, str)}
    assert reasons >= {"beyond_band", "outlier", "disagreement", "unconfirmed"}, reasons
