"""Alerts and figures in words: what people read in the terminal."""

import io

import pytest
from rich.console import Console, RenderableType

from service.contract.alerts import (
    Alert,
    AlertPosition,
    CrossPool,
    LevelName,
    Reduction,
    ToRestore,
)
from service.contract.frames import AlertsFrame, MarksFrame, MarkUpdate, Notice, Subscribed
from service.demo.board import Board
from service.demo.wording import (
    alert_table,
    line,
    money,
    nearest_liquidation,
    price,
    quantity,
    remedy,
)


def alert(account_id: str = "a1", level: LevelName = "LIQUIDATION", settle: str = "USDT") -> Alert:
    return Alert(
        id=f"{account_id}-1",
        epoch="e",
        account_id=account_id,
        seq=1,
        pool=CrossPool(settle),
        level=level,
        previous_level="HEALTHY",
        transition="escalated",
        cause="mark",
        margin_ratio=1.0125 if level == "LIQUIDATION" else None,
        equity=-5.0,
        maintenance_margin=10.0,
        margin_deficit=15.0,
        shortfall=5.0 if level == "BANKRUPT" else 0.0,
        owed=0.0,
        to_restore=ToRestore(1_234.5, [Reduction("BTC/USDT:USDT", "long", 0.25)]),
        positions=[
            AlertPosition("BTC/USDT:USDT", "long", 100.0, None, None, None),
            AlertPosition("ETH/USDT:USDT", "long", 4_000.0, 3_900.0, 3_800.0, 2.5),
            AlertPosition("BTC/USD:BTC", "short", 100_000.0, 101_000.0, None, 1.0),
        ],
        market_id=1,
        account_version=1,
        event_time=1_760_129_100_000,
        timestamp=1_760_129_100_000,
    )


def drawn(what: RenderableType, width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    with console.capture() as capture:
        console.print(what)
    return capture.get()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (112_345.678, "112,346"),
        (4_050.126, "4,050.13"),
        (0.235, "0.235000"),
        (0.0000123456, "0.0000123456"),
        (1.0, "1.00000"),
    ],
)
def test_prices_keep_six_digits(value: float, shown: str) -> None:
    assert price(value) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (12_345.6, "12,346 USDT"),
        (234.5, "234.50 USDT"),
        (0.0123612, "0.01236 USDT"),
        (0.0, "0.00 USDT"),
    ],
)
def test_money_is_as_exact_as_it_is_small(amount: float, shown: str) -> None:
    assert money(amount, "USDT") == shown


def test_the_nearest_liquidation_is_the_one_that_counts() -> None:
    near = nearest_liquidation(alert(level="WARNING"))
    assert near == "BTC/USD:BTC at 101,000, 1.0 %"
    assert nearest_liquidation(alert(level="LIQUIDATION")) == "reached"


@pytest.mark.parametrize(
    ("contracts", "shown"), [(67_650.4, "67,650"), (0.24315, "0.2432"), (999.96, "1000")]
)
def test_quantities_are_never_in_powers_of_ten(contracts: float, shown: str) -> None:
    assert quantity(contracts) == shown


def test_a_remedy_is_a_deposit_or_a_reduction() -> None:
    assert remedy(alert().to_restore, "USDT") == "deposit 1,234 USDT or close 0.25 BTC/USDT"
    assert remedy(ToRestore(None, [Reduction("BTC/USDT:USDT", "long", None)]), "USDT") == "-"


def test_a_line_says_it_all() -> None:
    said = line(alert("desk-7"))
    for word in ("LIQUIDATION", "desk-7", "cross USDT", "ratio 1.01", "deposit 1,234 USDT"):
        assert word in said
    assert "5.00 USDT short" in line(alert(level="BANKRUPT"))


@pytest.mark.parametrize("width", [60, 80, 103, 104, 160])
def test_a_table_fits_the_terminal(width: int) -> None:
    text = drawn(alert_table([alert(), alert("b", "BANKRUPT")], width), width)
    assert max(map(len, text.splitlines())) <= width


def test_a_board_counts_accounts_at_their_worst_pool() -> None:
    board = Board("test", ("BTC/USDT:USDT",))
    board.accounts = 10
    first = alert("a", "WARNING")
    worse = alert("a", "LIQUIDATION", settle="BTC")
    board.take(AlertsFrame("alerts", [first, worse, alert("b", "BANKRUPT")], "c"))

    assert dict(board.levels()) == {"LIQUIDATION": 1, "BANKRUPT": 1, "HEALTHY": 8}
    assert board.alerts_seen == 3
    newest = board.newest()
    assert newest is not None
    assert newest.account_id == "b"


def test_a_snapshot_replaces_what_was_known() -> None:
    board = Board("test")
    board.take(AlertsFrame("alerts", [alert("a", "WARNING")], "c"))
    board.take(Subscribed("alerts", "alerts", "e", False, "c"))

    assert board.subscribed.is_set()
    assert not board.levels()


def test_a_board_draws_in_any_size() -> None:
    board = Board("test", ("BTC/USDT:USDT",))
    board.urls["service"] = "http://127.0.0.1:8000/docs"
    board.take(MarksFrame("marks", [MarkUpdate("binance", "BTC/USDT:USDT", 100.0)]))
    board.take(MarksFrame("marks", [MarkUpdate("binance", "BTC/USDT:USDT", 90.0)]))
    board.take(Notice("stale", venue="binance", symbol="BTC/USDT:USDT"))
    board.take(Notice("outside", "okx", "ETH/USDT:USDT", "diverged", 0.03, 0.02))
    board.take(AlertsFrame("alerts", [alert(), alert(settle="ETH")] * 30, "c"))
    for width, height in ((40, 10), (120, 40)):
        text = drawn(board.render(width, board.alerts_that_fit(height)), width)

    assert "-10.0 %" in text
    assert "stale binance BTC/USDT:USDT" in text
    assert "outside diverged okx ETH/USDT:USDT" in text
    assert text.count("LIQUIDATION") > 5
