"""Which instrument, mark and USD price an account of a venue gets; what a new one touches."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.markets import SHARED_MAX, MarketTable
from service.risk.model import Mark, Tier
from service.risk.quality import GOOD, STALE, Quality
from service.risk.symbols import base_of, settle_of
from tests.risk.building import BTC, BTC_COIN, INF, THREE_TIERS, contract, origin_of, put_marks
from tests.strategies import effort


def price_of(table: MarketTable, asset: str, venue: str = "generic") -> float:
    number = table.asset(venue, asset)
    return float(table.asset_prices()[number])


def is_stale(table: MarketTable, venue: str, symbol: str) -> bool:
    market = table.market(venue, symbol)
    return bool(table.columns().quality[market] == Quality.STALE)


def mark_of(table: MarketTable, market: int) -> float:
    return float(table.columns().mark[market])


@pytest.mark.parametrize(
    ("symbol", "base", "settle"),
    [
        (BTC, "BTC", "USDT"),
        (BTC_COIN, "BTC", "BTC"),
        ("ETH/USD", "ETH", "USD"),
        ("odd", "odd", "odd"),
    ],
)
def test_a_symbol_names_its_assets(symbol: str, base: str, settle: str) -> None:
    assert (base_of(symbol), settle_of(symbol)) == (base, settle)


def test_a_market_nobody_listed_has_neither_table_nor_mark() -> None:
    table = MarketTable()
    market = table.market("okx", BTC)
    columns = table.columns()
    assert columns.table[market] == -1
    assert math.isnan(columns.mark[market])
    assert table.instrument(market) is None
    assert origin_of(table, market) == (None, None, None)
    assert table.market("okx", BTC) == market


def test_a_venues_own_mark_goes_before_generics_whichever_came_first() -> None:
    table = MarketTable()
    market = table.market("okx", BTC)
    put_marks(table, {BTC: 100.0})
    assert (mark_of(table, market), origin_of(table, market).mark_venue) == (100.0, "generic")
    put_marks(table, {BTC: 101.0}, venue="okx")
    put_marks(table, {BTC: 99.0})
    assert (mark_of(table, market), origin_of(table, market).mark_venue) == (101.0, "okx")


def test_a_mark_names_the_markets_that_it_moved() -> None:
    table = MarketTable()
    generic, okx, gate = (table.market(venue, BTC) for venue in ("generic", "okx", "gate"))
    table.market("okx", BTC_COIN)
    assert table.put_mark(Mark(BTC, 100.0), 5) == [generic, okx, gate]
    assert table.put_mark(Mark(BTC, 101.0, venue="okx"), 6) == [okx]
    assert table.put_mark(Mark(BTC, 102.0), 7) == [generic, gate]
    origins = table.origins([generic, okx, gate, generic])
    assert [each.mark_time_ms for each in origins.listed()] == [7, 6, 7, 7]
    assert origins.code.tolist() == [0, 1, 0, 0]


def test_a_venues_own_contract_goes_before_generics() -> None:
    table = MarketTable()
    market = table.market("okx", BTC)
    assert table.put_instrument(contract(BTC, contract_size=1.0)) == [market]
    assert table.put_instrument(contract(BTC, contract_size=0.01, venue="okx")) == [market]
    assert table.put_instrument(contract(BTC, contract_size=5.0)) == []
    assert table.columns().contract_size[market] == 0.01
    assert origin_of(table, market).instrument_venue == "okx"


def test_a_contract_may_be_listed_again_with_more_or_fewer_tiers() -> None:
    table = MarketTable()
    market = table.market("generic", BTC)
    twenty = tuple(
        Tier(10.0 * n, 10.0 * (n + 1) if n < 19 else INF, 0.01 * (n + 1)) for n in range(20)
    )
    for tiers in (THREE_TIERS, twenty, THREE_TIERS):
        table.put_instrument(contract(BTC, tiers))
        row = table.tables().floor[table.columns().table[market]]
        assert row[: len(tiers)].tolist() == [tier.floor for tier in tiers]
        assert all(math.isinf(floor) for floor in row[len(tiers) :])


def test_rows_outlive_the_growth_of_the_table() -> None:
    table = MarketTable()
    symbols = [f"C{n}/USDT:USDT" for n in range(100)]
    for n, symbol in enumerate(symbols):
        table.put_instrument(contract(symbol, contract_size=n + 1.0))
        table.put_mark(Mark(symbol, n + 0.5))
        table.market("generic", symbol)
    columns = table.columns()
    for n, symbol in enumerate(symbols):
        market = table.market("generic", symbol)
        assert (columns.contract_size[market], columns.mark[market]) == (n + 1.0, n + 0.5)
        assert table.tables().rate[columns.table[market], 0] == 0.01


def test_a_layer_answers_first_and_leaves_its_parent_alone() -> None:
    parent = MarketTable(pegged=("USDT",))
    parent.put_instrument(contract(BTC, venue="okx"))
    parent.put_mark(Mark(BTC, 100.0, venue="okx"), 5)
    layer = MarketTable(parent)
    market = layer.market("okx", BTC)
    assert (mark_of(layer, market), origin_of(layer, market).mark_time_ms) == (100.0, 5)
    layer.put_mark(Mark(BTC, 90.0))
    layer.put_instrument(contract(BTC, contract_size=7.0))
    assert mark_of(layer, market) == 90.0
    assert layer.columns().contract_size[market] == 7.0
    assert price_of(layer, "BTC", "okx") == 90.0
    kept = parent.market("okx", BTC)
    assert mark_of(parent, kept) == 100.0
    assert parent.columns().contract_size[kept] == 1.0


def test_finding_an_instrument_registers_nothing() -> None:
    table = MarketTable()
    table.put_instrument(contract(BTC))
    found = table.find_instrument("okx", BTC)
    assert found is not None
    assert found.symbol == BTC
    assert table.find_instrument("okx", BTC_COIN) is None
    assert len(table.columns().mark) == 0


def test_staleness_is_of_the_mark_that_is_shown() -> None:
    table = MarketTable()
    okx, gate = table.market("okx", BTC), table.market("gate", BTC)
    put_marks(table, {BTC: 100.0})
    put_marks(table, {BTC: 100.0}, venue="okx")
    assert table.judge_marks("generic", BTC, STALE) == [gate]
    assert table.columns().quality[[okx, gate]].tolist() == [Quality.GOOD, Quality.STALE]
    put_marks(table, {BTC: 101.0})
    assert table.columns().quality[gate] == Quality.STALE, "only the gate's word ends staleness"
    assert table.judge_marks("generic", BTC, GOOD) == [gate]
    assert not table.columns().quality.any()


def test_staleness_is_remembered_for_markets_that_come_later() -> None:
    table = MarketTable()
    put_marks(table, {BTC: 100.0})
    table.judge_marks("generic", BTC, STALE)
    assert is_stale(table, "okx", BTC)
    layer = MarketTable(table)
    assert is_stale(layer, "okx", BTC)
    layer.put_mark(Mark(BTC, 99.0))
    assert not is_stale(layer, "okx", BTC), "its own mark is fresh"


@pytest.mark.parametrize("asset", ["USDT", "BTC", "nothing"])
def test_an_unknown_price_is_not_guessed(asset: str) -> None:
    assert math.isnan(price_of(MarketTable(), asset))


def test_usd_is_one_and_so_is_what_is_pegged() -> None:
    assert price_of(MarketTable(), "USD") == 1.0
    assert price_of(MarketTable(pegged=("USDT",)), "USDT", "okx") == 1.0


def test_an_assets_price_takes_the_index_and_the_nearest_source() -> None:
    table = MarketTable()
    asset = table.asset("okx", "BTC")
    prices = []
    for symbol, mark, index in (
        ("BTC/USDC:USDC", 10.0, None),
        ("USDC/USD", 0.5, None),
        (BTC, 30.0, 20.0),
        ("USDT/USD", 1.5, 2.0),
        (BTC_COIN, 50.0, None),
        ("BTC/USD", 60.0, 61.0),
    ):
        table.put_mark(Mark(symbol, mark, index_price=index))
        prices.append(float(table.asset_prices()[asset]))
    assert math.isnan(prices[0])
    assert prices[1:] == [5.0, 5.0, 40.0, 50.0, 61.0]


def test_a_venues_own_price_of_an_asset_goes_before_generics() -> None:
    table = MarketTable()
    put_marks(table, {"BTC/USD": 60.0})
    put_marks(table, {"BTC/USD": 62.0}, venue="okx")
    assert price_of(table, "BTC", "okx") == 62.0
    assert price_of(table, "BTC", "gate") == 60.0


def test_whoever_moves_a_market_learns_which_assets_follow() -> None:
    table = MarketTable()
    asset, tether = table.asset("okx", "BTC"), table.asset("okx", "USDT")
    followed = {
        symbol: table.assets_priced_by(table.market("okx", symbol))
        for symbol in (BTC, BTC_COIN, "USDT/USD", "ETH/USD")
    }
    assert followed[BTC] == followed[BTC_COIN] == [asset]
    assert sorted(followed["USDT/USD"]) == sorted([asset, tether])
    assert followed["ETH/USD"] == []
    assert table.put_mark(Mark("USDT/USD", 1.0)) == [table.market("okx", "USDT/USD")]


VENUES = ("generic", "okx", "gate")
SYMBOLS = (BTC, BTC_COIN, "ETH/USDT:USDT", "USDT/USD")
a_place = st.tuples(st.sampled_from(VENUES), st.sampled_from(SYMBOLS))
a_fact = st.one_of(
    st.tuples(st.just("list"), a_place, st.sampled_from((1.0, 0.01))),
    st.tuples(st.just("mark"), a_place, st.sampled_from((100.0, 101.0))),
)
a_change = st.one_of(a_fact, st.tuples(st.just("stale"), a_place, st.sampled_from((0.0, 1.0))))
a_question = st.tuples(st.sampled_from(("market", "asset")), a_place)
a_round = st.tuples(st.lists(a_change), st.lists(a_fact), st.lists(a_question))


def tell(table: MarketTable, kind: str, place: tuple[str, str], value: float) -> None:
    venue, symbol = place
    if kind == "list":
        tiers = THREE_TIERS if value == 1.0 else THREE_TIERS[:-1]
        table.put_instrument(contract(symbol, tiers, contract_size=value, venue=venue))
    elif kind == "mark":
        table.put_mark(Mark(symbol, value, venue=venue), int(value))
    else:
        table.judge_marks(venue, symbol, STALE if value else GOOD)


def answers_of(table: MarketTable, kind: str, place: tuple[str, str]) -> object:
    """Return all that a table says of a market, or what it prices an asset at."""
    venue, symbol = place
    if kind == "asset":
        return repr(price_of(table, base_of(symbol), venue))
    market = table.market(venue, symbol)
    columns, tables = table.columns(), table.tables()
    row, names = int(columns.table[market]), ("contract_size", "mark", "quality", "most")
    told = (
        [float(getattr(columns, name)[market]) for name in names],
        [table.asset_name(int(number[market])) for number in (columns.base, columns.settle)],
        [] if row < 0 else tables.rate[row][np.isfinite(tables.floor[row])].tolist(),
        (table.instrument(market), origin_of(table, market)),
    )
    return repr(told)


@effort(100, 5_000)
@given(st.lists(a_round, max_size=4))
def test_a_layer_is_what_it_would_be_if_nobody_had_asked_before(
    rounds: list[tuple[list[Any], list[Any], list[Any]]],
) -> None:
    used, told = MarketTable(), list[Any]()
    for changes, own, questions in rounds:
        told += changes
        for change in changes:
            tell(used, *change)
        fresh = MarketTable()
        for change in told:
            tell(fresh, *change)
        one, other = MarketTable(used), MarketTable(fresh)
        for layer, change in ((layer, change) for layer in (one, other) for change in own):
            tell(layer, *change)
        for question in questions:
            assert answers_of(one, *question) == answers_of(other, *question)


def test_what_a_layer_writes_stays_in_it() -> None:
    parent = MarketTable()
    parent.put_instrument(contract(BTC))
    MarketTable(parent).market("okx", BTC)  # from now on the parent keeps it
    layer, other = MarketTable(parent), MarketTable(parent)
    layer.put_instrument(contract(BTC, THREE_TIERS[:1], contract_size=5.0))
    layer.put_mark(Mark(BTC, 7.0), 1)
    market = other.market("okx", BTC)
    assert math.isnan(mark_of(other, market))
    assert other.columns().contract_size[market] == contract(BTC).contract_size
    rates = other.tables().rate[market, : len(THREE_TIERS)].tolist()
    assert rates == [tier.maintenance_rate for tier in THREE_TIERS]


def test_a_parent_keeps_only_what_is_listed_and_not_without_end() -> None:
    parent = MarketTable()
    for n in range(SHARED_MAX + 10):
        parent.put_instrument(contract(f"C{n}/USDT:USDT"))
    layer = MarketTable(parent)
    layer.market("okx", "ODD/USDT:USDT")
    layer.asset("okx", "ODD")
    assert MarketTable(parent).market("okx", BTC) == 0
    for n in range(SHARED_MAX + 10):
        layer.market("okx", f"C{n}/USDT:USDT")
    assert MarketTable(parent).market("gate", BTC) == SHARED_MAX
