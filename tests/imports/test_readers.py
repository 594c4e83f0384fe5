"""Each format is read into the service's documents; what would be a guess is refused by place."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from service.contract.instruments import InstrumentDocument
from service.errors import InvalidInput
from service.imports.files import read_content, read_file
from service.imports.records import Asked, Reading
from tests.imports.forms import BTC, ETH, Rows, brackets, ccxt_tables, plain_tiers

BINANCE = Asked("binance")
COIN_MARKET = {"BTC/USD:BTC": {"id": "BTCUSD_PERP", "symbol": "BTC/USD:BTC", "contractSize": 100.0}}


def read(
    content: object, asked: Asked = BINANCE, markets: Mapping[str, object] | None = None
) -> Reading:
    return read_content(content, "a file", markets or {}, asked)


def only(reading: Reading) -> InstrumentDocument:
    assert not reading.refusals
    (document,) = reading.documents
    return document


def table(document: InstrumentDocument) -> list[tuple[float | None, ...]]:
    return [
        (
            tier.min_notional,
            tier.max_notional,
            tier.maintenance_margin_rate,
            tier.max_leverage,
            tier.maintenance_amount,
        )
        for tier in document.tiers
    ]


def test_ccxt_and_freqtrade_tables_keep_the_deduction_that_is_only_in_info() -> None:
    document = only(read(ccxt_tables({"BTC/USDT:USDT": BTC})))
    assert table(document) == [tuple(row) for row in BTC]
    assert (document.venue, document.symbol) == ("binance", "BTC/USDT:USDT")
    assert (document.base, document.quote, document.settle) == ("BTC", "USDT", "USDT")
    assert (document.linear, document.contract_size) == (True, 1.0)
    assert document.tier_unit == "notional"
    assert document.taker_fee is None


@pytest.mark.parametrize("venue", [None, "binance"])
def test_brackets_are_read_as_binance_answers_them(venue: str | None) -> None:
    reading = read(
        [brackets("BTCUSDT", BTC), brackets("1000SHIBUSDC", ETH), brackets("BTCUSDT_251226", BTC)],
        Asked(venue),  # type: ignore[arg-type]  # one of the names
    )
    symbols = [one.symbol for one in reading.documents]
    assert symbols == ["BTC/USDT:USDT", "1000SHIB/USDC:USDC", "BTC/USDT:USDT-251226"]
    assert table(reading.documents[0]) == [tuple(row) for row in BTC]
    assert not reading.refusals


def test_coin_margined_tables_are_in_the_coin_and_need_the_contract_size() -> None:
    rows: Rows = ((0.0, 5.0, 0.004, 125.0, 0.0), (5.0, 10.0, 0.005, 100.0, 0.005))
    answer = [brackets("BTCUSD_PERP", rows, "qty")]
    (refusal,) = read(answer).refusals
    assert (refusal.symbol, refusal.place) == ("BTC/USD:BTC", "contractSize")
    assert refusal.code == "contract_size_unknown"
    document = only(read(answer, markets=COIN_MARKET))
    assert (document.linear, document.contract_size, document.settle) == (False, 100.0, "BTC")
    assert document.tier_unit == "notional"
    assert table(document)[1] == (5.0, 10.0, 0.005, 100.0, 0.005)


def okx(rows: Sequence[Sequence[float | None]], lot: float = 1.0) -> Reading:
    symbol = "ETH/USDT:USDT"
    market = {"contractSize": 0.1, "linear": True, "precision": {"amount": lot}}
    return read({symbol: plain_tiers(rows)}, Asked("okx"), {symbol: market})


def test_okx_counts_contracts_and_a_step_of_one_lot_is_a_border() -> None:
    reading = okx([(0, 500, 0.01, 50), (501, 1_000, 0.02, 25), (1_001, None, 0.03, 10)])
    document = only(reading)
    assert (document.tier_unit, document.contract_size) == ("contracts", 0.1)
    assert [row[:2] for row in table(document)] == [(0, 501), (501, 1_001), (1_001, None)]
    assert "2 borders of one lot" in reading.remarks[0]


@pytest.mark.parametrize(("lot", "good"), [(1.0, True), (0.1, False)])
def test_a_step_of_more_than_a_lot_is_a_gap(lot: float, good: bool) -> None:
    reading = okx([(0, 500, 0.01, 50), (501, 1_000, 0.02, 25)], lot)
    assert bool(reading.documents) is good
    assert [one.code for one in reading.refusals] == ([] if good else ["tier_gap"])


def test_a_table_from_the_top_down_is_turned_round() -> None:
    assert table(only(read([brackets("BTCUSDT", BTC[::-1])]))) == [tuple(row) for row in BTC]


@pytest.mark.parametrize(
    ("place", "column", "value", "where", "code"),
    [
        (1, 0, 300_001.0, "tier 2", "tier_gap"),
        (1, 0, 299_999.0, "tier 2", "tier_overlap"),
        (2, 2, 0.0049, "tier 3", "falling_rate"),
        (0, 0, 1.0, "tier 1", "tier_start"),
        (1, 1, 300_000.0, "tier 2", "empty_tier"),
        (1, 2, -0.1, "tier 2 maintenanceMarginRate", "out_of_range"),
        (1, 2, 0.5, "tier 2", "rate_above_initial"),
        (1, 2, None, "tier 2", "missing_field"),
        (0, 0, None, "tier 1", "missing_field"),
        (1, 1, "NaN", "tier 2", "not_a_number"),
        (1, 1, float("nan"), "tier 2", "not_a_number"),
        (1, 3, True, "tier 2", "not_a_number"),
        (2, 1, float("inf"), "tier 3", "not_a_number"),
        (1, 4, "much", "tier 2", "not_a_number"),
    ],
)
def test_a_bad_table_is_refused_with_its_symbol_and_the_place(
    place: int, column: int, value: object, where: str, code: str
) -> None:
    rows: list[list[object]] = [list(row) for row in BTC]
    rows[place][column] = value
    reading = read([brackets("BTCUSDT", rows), brackets("ETHUSDT", ETH)])  # type: ignore[arg-type]  # bad on purpose
    assert [one.symbol for one in reading.documents] == ["ETH/USDT:USDT"]
    refusal = reading.refusals[0]
    assert (refusal.symbol, refusal.place, refusal.code) == ("BTC/USDT:USDT", where, code)
    assert str(refusal).startswith(f"binance BTC/USDT:USDT {where}: ")


def test_a_gap_is_shown_with_its_sizes() -> None:
    rows = [BTC[0], (300_001.0, *BTC[1][1:])]
    (refusal,) = read(ccxt_tables({"BTC/USDT:USDT": rows})).refusals
    assert "starts at 300001.0" in refusal.detail
    assert "ends at 300000.0" in refusal.detail


def test_an_open_end_in_the_middle_is_an_overlap() -> None:
    reading = okx([(0, None, 0.01, 50), (501, None, 0.02, 25)])
    assert [(one.place, one.code) for one in reading.refusals] == [("tier 2", "tier_overlap")]


def test_a_deduction_that_makes_a_step_is_taken_and_remarked_on() -> None:
    rows = [BTC[0], (*BTC[1][:4], 301.0)]
    reading = read(ccxt_tables({"BTC/USDT:USDT": rows}))
    assert table(only(reading))[1][4] == 301.0
    assert "tier 2" in reading.remarks[0]
    assert not read(ccxt_tables({"BTC/USDT:USDT": BTC})).remarks


def test_a_venue_whose_unit_is_not_known_needs_to_be_told() -> None:
    tables = {"XBT/USDT:USDT": plain_tiers([(0, 100, 0.01, 50)])}
    markets: dict[str, object] = {"XBT/USDT:USDT": {"contractSize": 0.001}}
    (refusal,) = read(tables, Asked("kucoin"), markets).refusals
    assert refusal.code == "tier_unit_unknown"
    told = only(read(tables, Asked("kucoin", "contracts"), markets))
    assert told.tier_unit == "contracts"


@pytest.mark.parametrize(
    ("symbol", "market", "code"),
    [
        ("BTC/USD:USDC", {}, "kind_unknown"),
        ("BTC/USD:ETH", {"inverse": True, "contractSize": 1.0}, "quanto"),
        ("BTC/USDT:USDT", {"contractSize": 0.0}, "contract_size_unknown"),
    ],
)
def test_what_a_symbol_does_not_say_is_not_guessed(
    symbol: str, market: dict[str, object], code: str
) -> None:
    tables = {symbol: plain_tiers([(0, 100, 0.01, 50)])}
    (refusal,) = read(tables, Asked("gate"), {symbol: market}).refusals
    assert refusal.code == code


def test_gates_emulated_tables_are_refused() -> None:
    tiers = plain_tiers([(0, 100, 0.01, 50)])
    tiers[0]["info"] = {"risk_limit_step": "100"}
    markets: dict[str, object] = {"BTC/USDT:USDT": {"contractSize": 0.0001}}
    (refusal,) = read({"BTC/USDT:USDT": tiers}, Asked("gate"), markets).refusals
    assert (refusal.place, refusal.code) == ("tier 1", "emulated_tiers")


def test_spot_and_options_are_passed_over() -> None:
    tables = ccxt_tables(
        {"BTC/USDT": BTC, "BTC/USD:BTC-251226-100000-C": BTC, "ETH/USDT:USDT-251226": ETH}
    )
    reading = read(tables)
    assert only(reading).symbol == "ETH/USDT:USDT-251226"
    assert reading.remarks == ["2 that are no futures passed over"]


def test_only_the_symbols_asked_for_are_read() -> None:
    tables = ccxt_tables({"BTC/USDT:USDT": BTC, "ETH/USDT:USDT": ETH})
    asked = Asked("binance", symbols=("ETH/USDT:USDT",))
    assert only(read(tables, asked)).symbol == "ETH/USDT:USDT"


@pytest.mark.parametrize(
    "content",
    [[], {}, 1, "x", None, [1], {"a": 1}, [{"symbol": "BTCUSDT"}], {"instruments": []}],
)
def test_another_format_is_refused(content: object) -> None:
    with pytest.raises(InvalidInput, match="none of the known formats"):
        read(content)


@pytest.mark.parametrize("tiers", [None, "text", {}, [1], [None], [{}], [{"minNotional": []}], []])
def test_no_table_is_no_crash(tiers: object) -> None:
    reading = read({"BTC/USDT:USDT": tiers})
    assert not reading.documents
    assert reading.refusals[0].symbol == "BTC/USDT:USDT"


def test_tables_without_a_venue_are_refused() -> None:
    with pytest.raises(InvalidInput, match="--venue"):
        read(ccxt_tables({"BTC/USDT:USDT": BTC}), Asked())
    with pytest.raises(InvalidInput, match="Binance's"):
        read([brackets("BTCUSDT", BTC)], Asked("okx"))


@pytest.mark.parametrize("text", ["", "{", '{"BTC/USDT:USDT": [NaN]}', "\ud800"])
def test_a_file_that_is_no_json_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tiers.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidInput, match=r"tiers\.json"):
        read_file(file, {}, BINANCE)


def test_what_the_service_lists_is_read_again() -> None:
    document = only(read(ccxt_tables({"BTC/USDT:USDT": BTC})))
    listed = msgspec.to_builtins([document])
    again = read({"instruments": listed}, Asked())
    assert only(again) == document
    assert not again.keeps_terms
