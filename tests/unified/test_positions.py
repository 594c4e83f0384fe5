"""What each venue means by the fields of a position: the margin, the mode, the size, the mark."""

from typing import Any

import pytest

from service.contract.positions import PositionDocument
from service.errors import InvalidInput
from service.unified.account import UNDERSTOOD, read_account
from service.unified.records import Terms
from tests.unified.rows import BALANCES, Row, isolated, position


def read(venue: Any, *rows: Row, terms: Terms | None = None) -> list[PositionDocument]:
    reading = read_account(venue, rows, BALANCES[venue], terms or Terms())
    return list(reading.document.positions or ())


def faults(venue: Any, *rows: Row, terms: Terms | None = None) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        read(venue, *rows, terms=terms)
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("venue", "row", "margin"),
    [
        # With the PnL in `collateral`, and the wallet beside it.
        ("binance", isolated({"isolatedWallet": "25"}, collateral=45.0), 25.0),
        ("hyperliquid", isolated(collateral=45.0), 25.0),
        ("bitget", isolated({"marginSize": "25"}, collateral=45.0), 25.0),
        # Without it: taking the PnL off once more would be wrong by it.
        ("okx", isolated({"margin": "25"}, collateral=25.0), 25.0),
        ("gate", isolated({"margin": "25"}, collateral=25.0), 25.0),
        ("bybit", isolated({"positionBalance": "25"}, collateral=25.0), 25.0),
        # A classic account's balance has the fee of closing in it: the bankruptcy price has not.
        ("bybit-classic", isolated({"bustPrice": "90", "positionBalance": "20.108"}), 20.0),
    ],
)
def test_an_isolated_margin_is_without_the_pnl(venue: str, row: Row, margin: float) -> None:
    (found,) = read(venue, row)
    assert (found.margin_mode, found.margin) == ("isolated", margin)
    assert (found.collateral, found.unrealized_pnl) == (None, None)


@pytest.mark.parametrize("venue", UNDERSTOOD)
def test_an_isolated_position_whose_margin_nobody_says_is_refused(venue: str) -> None:
    assert faults(venue, position(), isolated()) == [("/positions/1/collateral", "missing_margin")]


def test_a_coin_margined_classic_position_may_lose_coins() -> None:
    row = isolated({"bustPrice": "80"}, symbol="BTC/USD:BTC", contracts=100.0)
    (found,) = read("bybit-classic", row)
    assert found.margin == pytest.approx(100.0 * (1.0 / 80.0 - 1.0 / 100.0))


@pytest.mark.parametrize(
    ("info", "terms", "mode"),
    [
        ({"tradeMode": 1, "positionBalance": "25", "bustPrice": "90"}, Terms(), "isolated"),
        ({"tradeMode": 0, "positionBalance": "0"}, Terms(), "cross"),
        ({"positionBalance": ""}, Terms(), "cross"),
        ({"positionBalance": "25"}, Terms(margin_mode="cross"), "cross"),
        ({"positionBalance": "25"}, Terms(margin_mode="isolated"), "isolated"),
    ],
)
def test_bybits_mode_is_the_accounts_own(info: Row, terms: Terms, mode: str) -> None:
    (found,) = read("bybit", position(info, marginMode=None), terms=terms)
    assert found.margin_mode == mode


def test_a_mode_that_could_be_either_is_refused() -> None:
    row = position({"tradeMode": 0, "positionBalance": "25"}, marginMode=None)
    assert faults("bybit", row) == [("/positions/0/marginMode", "margin_mode_unknown")]


@pytest.mark.parametrize(
    ("venue", "row", "leverage"),
    [
        ("gate", position({"cross_leverage_limit": "20"}, leverage=0.0), 20.0),
        ("gate", position({"cross_leverage_limit": "0"}, leverage=0.0), None),
        ("gate", isolated({"margin": "25"}, leverage=5.0), 5.0),
        ("binance", position({"positionInitialMargin": "22.0"}, leverage=None), 10.0),
        ("binance", position({"positionInitialMargin": "22.02"}, leverage=None), 10.0),
        ("binance", position({"positionInitialMargin": "23.0"}, leverage=None), None),
        ("binance", position({"positionInitialMargin": "0"}, leverage=None), None),
        ("okx", position(leverage=0.0), None),
    ],
)
def test_leverage_is_the_positions_own_or_nobodys(
    venue: str, row: Row, leverage: float | None
) -> None:
    (found,) = read(venue, row)
    assert found.leverage == leverage


def test_a_side_that_was_lost_in_rounding_is_found_again() -> None:
    row = position({"positionAmt": "-0.001"}, side=None, contracts=0.001)
    assert read("binance", row)[0].side == "short"
    assert faults("binance", position(side=None)) == [("/positions/0/side", "missing_field")]
    assert faults("gate", position({"size": 0}, side=None)) == [
        ("/positions/0/side", "missing_field")
    ]


def test_a_mark_is_worked_out_of_a_value_where_none_is_said() -> None:
    row = position({"position": {"szi": "-2", "positionValue": "220"}}, markPrice=None)
    reading = read_account("hyperliquid", [row], BALANCES["hyperliquid"], Terms())
    assert (reading.document.positions or [])[0].mark_price == 110.0
    assert [(one.pointer, one.code) for one in reading.remarks] == [
        ("/positions/0/markPrice", "worked_out")
    ]
    assert read("okx", position(markPrice=None))[0].mark_price is None


def test_sizes_of_coin_margined_contracts_at_bitget_are_not_guessed() -> None:
    row = position(symbol="BTC/USD:BTC")
    assert faults("bitget", row) == [("/positions/0/contracts", "size_unit_unknown")]


def test_both_legs_of_a_hedge_are_kept_and_closed_rows_are_not() -> None:
    short = position(side="short", contracts=1.0)
    rows = read("okx", position(contracts=0.0), position(), short)
    assert [(row.side, row.contracts) for row in rows] == [("long", 2.0), ("short", 1.0)]


def test_faults_stand_where_the_rows_stood() -> None:
    closed = position(contracts=0.0)
    assert faults("okx", closed, position(), position()) == [("/positions/2", "duplicate_position")]
    assert faults("okx", closed, position(entryPrice=-1.0)) == [
        ("/positions/1/entryPrice", "not_positive")
    ]
    assert faults("okx", closed, position(symbol="x" * 65))[0][0] == "/positions/1/symbol"
    assert faults("okx", position(symbol=None), position(contracts="1e999")) == [
        ("/positions/0/symbol", "missing_field"),
        ("/positions/1/contracts", "missing_field"),
    ]


@pytest.mark.parametrize("text", ["NaN", "1_000", " 5", "0x5", "", "Infinity", "1e999"])
def test_texts_that_are_no_numbers_are_none(text: str) -> None:
    assert faults("okx", position(contracts=text)) == [("/positions/0/contracts", "missing_field")]


def test_stops_are_kept_and_no_stop_is_told_from_not_said() -> None:
    assert read("bybit", position(stopLossPrice=0.0))[0].stop_loss_price == 0.0
    assert read("bybit", position(stopLossPrice=90.0))[0].stop_loss_price == 90.0
    assert read("bybit", position())[0].stop_loss_price is None


def test_a_venue_that_nobody_has_looked_at_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_account("kucoin", [position()], {}, Terms())
    assert refused.value.faults[0].code == "venue_not_understood"
