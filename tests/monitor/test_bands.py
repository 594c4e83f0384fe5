"""Safe bands: inside, nothing a level depends on can change; as wide as the algebra allows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.monitor.judges import Judge
from service.monitor.judging import heading
from service.monitor.kernels import REACH
from service.risk.book import Book
from service.risk.columns import Batch, Floats
from service.risk.evaluate import assess
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Instrument, Level, Mark, Position, Tier
from tests.agreement import table_of
from tests.reference.world import World
from tests.strategies import effort, scenes

BTC, ETH, COIN = "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC"
INF = math.inf


def judged(account: Account, table: MarketTable, level: Level) -> Book:
    """A book of one account whose pools were at a level, and what they come to from there."""
    book = Book(table)
    book.put([account])
    slots = book.live_slots()
    book.pools.level[slots] = level
    Judge(book).settle(slots, 0)
    return book


def bands_of(book: Book, batch: Batch) -> tuple[Floats, Floats]:
    """Bands by market: a market of two legs has what is inside both."""
    band_low, band_high = book.holders.bands(book.rows_of(book.live_slots()))
    low, high = np.full(len(batch.markets.mark), -INF), np.full(len(batch.markets.mark), INF)
    np.maximum.at(low, batch.legs.market, band_low)
    np.minimum.at(high, batch.legs.market, band_high)
    return low, high


PLACES = st.sampled_from((0.0, 1.0)) | st.floats(0.0, 1.0)


@given(scenes(), st.sampled_from(list(Level)), st.lists(st.lists(PLACES, min_size=8, max_size=8)))
@effort(100, 2_000)
def test_inside_its_bands_a_pool_is_heading_where_it_was(
    scene: tuple[World, Account], level: Level, boxes: list[list[float]]
) -> None:
    world, account = scene
    book = judged(account, table_of(world), level)
    batch = book.batch(book.live_slots())
    current = book.pools.level[book.live_slots()]
    low, high = bands_of(book, batch)
    before, marks = heading(batch, assess(batch).pools, current), batch.markets.mark.copy()
    for places in boxes:
        for market in np.unique(batch.legs.market).tolist():
            bottom, top = low[market], min(high[market], 1e12)
            if bottom <= top:  # else it is due at every mark
                place = places[market % len(places)]
                batch.markets.mark[market] = min(max(bottom + (top - bottom) * place, bottom), top)
        multi = batch.pools.multi
        after = heading(batch, assess(batch).pools, current)
        np.testing.assert_array_equal(after[~multi], before[~multi])
        batch.markets.mark[:] = marks


def one(
    account: Account,
    marks: dict[str, float],
    *listed: Instrument,
    level: Level = Level.HEALTHY,
) -> tuple[Floats, Floats]:
    """Bands by leg of one account whose pools were at a level."""
    table = MarketTable()
    for instrument in listed:
        table.put_instrument(instrument)
    for symbol, price in marks.items():
        table.put_mark(Mark(symbol, price), 0)
    book = judged(account, table, level)
    return book.holders.bands(book.rows_of(book.live_slots()))


def contract(symbol: str, *tiers: Tier) -> Instrument:
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    rows = tiers or (Tier(0.0, INF, 0.01),)
    return Instrument(symbol, settle == quote, 1.0, base, quote, settle, rows)


def test_a_lone_position_has_its_warning_price_as_its_edge() -> None:
    long = Account("a", positions=(Position(BTC, 2.0, 100.0, True, margin=40.0),))
    low, high = one(long, {BTC: 100.0}, contract(BTC))
    # 2 P 0.01 = 0.5 (40 + 2 (P - 100))
    assert low[0] == pytest.approx(160.0 / 1.96, rel=1e-8)
    assert low[0] > 160.0 / 1.96
    assert high[0] == pytest.approx(100.0 * REACH)
    short = Account("a", positions=(Position(BTC, -2.0, 100.0, True, margin=40.0),))
    low, high = one(short, {BTC: 100.0}, contract(BTC))
    # 2 P 0.01 = 0.5 (40 - 2 (P - 100))
    assert high[0] == pytest.approx(240.0 / 2.04, rel=1e-8)
    assert high[0] < 240.0 / 2.04
    assert low[0] == pytest.approx(100.0 / REACH)


def test_an_inverse_position_has_its_warning_price_as_its_edge() -> None:
    long = Account("a", positions=(Position(COIN, 200.0, 100.0, True, margin=0.5),))
    low, _ = one(long, {COIN: 100.0}, contract(COIN))
    # 200 / P 0.01 = 0.5 (0.5 + 200 (1 / 100 - 1 / P))
    assert low[0] == pytest.approx(102.0 / 1.25, rel=1e-8)


def test_two_markets_share_the_slack_so_that_both_may_move_as_far() -> None:
    positions = (Position(BTC, 1.0, 100.0), Position(ETH, 10.0, 20.0))
    account = Account("a", balances=(Balance("USDT", 100.0),), positions=positions)
    low, _ = one(account, {BTC: 100.0, ETH: 20.0}, contract(BTC), contract(ETH))
    assert low[0] / 100.0 == pytest.approx(low[1] / 20.0)
    # 0.5 (100 - 300 x) = 0.01 (300 - 300 x)
    assert 1.0 - low[0] / 100.0 == pytest.approx(47.0 / 147.0, rel=1e-8)


def test_legs_that_cancel_out_leave_only_the_requirement() -> None:
    hedge = (Position(BTC, 1.0, 100.0), Position(BTC, -1.0, 100.0))
    account = Account("a", balances=(Balance("USDT", 100.0),), positions=hedge)
    low, high = one(account, {BTC: 100.0}, contract(BTC))
    assert low[0] == pytest.approx(100.0 / REACH)
    assert high[0] == pytest.approx(100.0 * REACH)


def test_a_band_ends_where_the_tier_does() -> None:
    tiers = (Tier(0.0, 150.0, 0.01), Tier(150.0, INF, 0.02))
    account = Account("a", positions=(Position(BTC, -1.0, 100.0, True, margin=1_000.0),))
    _, high = one(account, {BTC: 100.0}, contract(BTC, *tiers))
    assert high[0] == pytest.approx(150.0)
    assert high[0] < 150.0


def test_what_is_no_sum_of_single_prices_is_always_due() -> None:
    account = Account(
        "a",
        collateral_mode="multi",
        balances=(Balance("BTC", 1.0),),
        positions=(Position(BTC, 1.0, 100.0),),
    )
    low, high = one(account, {BTC: 100.0, "BTC/USD": 100.0, "USDT/USD": 1.0}, contract(BTC))
    assert low[0] > high[0]


def test_a_pool_on_a_line_is_always_due() -> None:
    # 1 x 100 x 0.01 = 0.45 x 1 / 0.45: it came down to where a warning is held no longer
    account = Account("a", positions=(Position(BTC, 1.0, 100.0, True, margin=1.0 / 0.45),))
    low, high = one(account, {BTC: 100.0}, contract(BTC), level=Level.WARNING)
    assert low[0] > high[0]


def test_an_unpriced_pool_waits_for_the_mark_that_is_missing_alone() -> None:
    positions = (Position(BTC, 1.0, 100.0), Position(ETH, 10.0, 20.0))
    account = Account("a", balances=(Balance("USDT", 100.0),), positions=positions)
    low, high = one(account, {BTC: 100.0}, contract(BTC), contract(ETH))
    assert (low[0], high[0]) == (0.0, INF)
    assert low[1] > high[1]
