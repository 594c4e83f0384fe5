"""What backs cross positions, by venue: never the PnL, never an isolated margin, never a guess."""

import contextlib
from random import Random
from typing import Any

import pytest

from service.contract.accounts import BalanceDocument
from service.errors import InvalidInput
from service.unified.account import UNDERSTOOD, read_account
from service.unified.figures import number
from service.unified.records import AccountReading, Terms
from tests.unified.rows import (
    BALANCES,
    Row,
    binance,
    bitget,
    bybit,
    gate,
    hyperliquid,
    isolated,
    okx,
    position,
)


def read(venue: Any, balance: Row, *rows: Row, terms: Terms | None = None) -> AccountReading:
    return read_account(venue, rows, balance, terms or Terms())


def amounts(reading: AccountReading) -> dict[str, float]:
    return {row.asset: row.amount for row in reading.document.balances or ()}


CROSS = {"leverage": {"type": "cross"}, "unrealizedPnl": "20"}
APART = {"leverage": {"type": "isolated"}, "unrealizedPnl": "7"}


@pytest.mark.parametrize(
    ("venue", "balance", "rows"),
    [
        ("binance", binance(("USDT", "50")), (isolated({"isolatedWallet": "25"}),)),
        ("bybit", bybit({"coin": "USDT", "walletBalance": "50"}), (position(),)),
        (
            "bybit-classic",
            bybit({"coin": "USDT", "walletBalance": "70"}, kind="CONTRACT"),
            (isolated({"bustPrice": "90"}),),
        ),
        (
            "okx",
            okx({"ccy": "USDT", "eq": "132", "isoEq": "62", "upl": "27", "isoUpl": "7"}),
            (position(), isolated({"margin": "55"}, side="short")),
        ),
        ("okx", okx({"ccy": "USDT", "eq": "60", "stgyEq": "10"}), ()),
        ("hyperliquid", hyperliquid("70", CROSS, APART), (position(),)),
        ("gate", gate("75"), (isolated({"margin": "25"}),)),
        ("bitget", bitget("120", "45"), (position(), isolated({"marginSize": "25"}, side="short"))),
    ],
)
def test_the_wallet_is_without_pnl_and_without_isolated_margins(
    venue: str, balance: Row, rows: tuple[Row, ...]
) -> None:
    reading = read(venue, balance, *rows)
    asset = "USDC" if venue == "hyperliquid" else "USDT"
    assert amounts(reading) == pytest.approx({asset: 50.0})
    assert reading.document.collateral_mode == "single"


def test_the_margin_of_coins_comes_off_their_own_wallet() -> None:
    coins = ({"coin": "BTC", "walletBalance": "3"}, {"coin": "USDT", "walletBalance": "50"})
    row = isolated({"positionBalance": "1"}, symbol="BTC/USD:BTC")
    reading = read("bybit", bybit(*coins, kind="CONTRACT"), row)
    assert amounts(reading) == {"BTC": 2.0, "USDT": 50.0}


@pytest.mark.parametrize(
    ("venue", "balance", "place"),
    [
        ("binance", {"info": [{"asset": "USDT", "umWalletBalance": "5"}]}, "/info/assets"),
        ("bybit", {"info": {"result": {"memberId": "1"}}}, "/info/result/list"),
        ("okx", {"info": {"data": [{"ccy": "USDT", "bal": "5"}]}}, "/info/data"),
        ("hyperliquid", {"info": {"balances": []}}, "/info/crossMarginSummary"),
        ("gate", gate("5", margin_mode=1), "/info/margin_mode"),
        ("bitget", bitget("5", assetMode="union"), "/info"),
        ("bitget", {"info": [{"coin": "USDT", "balance": "5"}]}, "/info"),
    ],
)
def test_accounts_that_are_computed_otherwise_are_refused(
    venue: str, balance: Row, place: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(venue, balance)
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == (f"/balance{place}", "not_a_futures_account")


@pytest.mark.parametrize("venue", UNDERSTOOD)
def test_without_info_nothing_is_known(venue: Any) -> None:
    with pytest.raises(InvalidInput):
        read(venue, {"USDT": {"total": 5.0}, "total": {"USDT": 5.0}})


@pytest.mark.parametrize(
    ("venue", "balance"),
    [
        ("binance", binance(("USDT", "none"))),
        ("okx", okx({"ccy": "USDT", "eq": ""})),
        ("hyperliquid", hyperliquid("")),
        ("hyperliquid", hyperliquid("5", {"leverage": {"type": "cross"}})),
        ("gate", gate("NaN")),
    ],
)
def test_an_amount_that_is_not_said_is_not_zero(venue: Any, balance: Row) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(venue, balance)
    assert refused.value.faults[0].code == "not_a_number"


COINS = (
    {"coin": "USDT", "walletBalance": "50", "equity": "50", "usdValue": "50.5"},
    {"coin": "BTC", "walletBalance": "2", "equity": "2", "usdValue": "200000"},
    {"coin": "ETH", "walletBalance": "-1", "equity": "-1", "usdValue": "-4000"},
    {"coin": "DOGE", "walletBalance": "9", "collateralSwitch": False},
    {"coin": "PEPE", "walletBalance": "9", "marginCollateral": False},
    {"coin": "XRP", "walletBalance": "0"},
)


def test_assets_that_back_one_another_have_weights_or_are_left_out_by_name() -> None:
    reading = read("bybit", bybit(*COINS))
    assert reading.document.collateral_mode == "multi"
    assert amounts(reading) == {"USDT": 50.0, "ETH": -1.0}
    (remark,) = reading.remarks
    assert (remark.pointer, remark.code) == ("/balance/info", "weight_unknown")
    assert remark.detail.startswith("BTC is left out")
    weighed = read("bybit", bybit(*COINS), terms=Terms(weights={"BTC": 0.95}))
    assert weighed.remarks == []
    assert [(row.asset, row.weight, row.price) for row in weighed.document.balances or ()] == [
        ("USDT", 1.0, 1.01),
        ("BTC", 0.95, 100_000.0),
        ("ETH", 1.0, 4_000.0),
    ]


def test_okx_says_its_own_haircuts() -> None:
    rows = (
        {"ccy": "USDT", "eq": "50", "eqUsd": "50", "disEq": "50"},
        {"ccy": "BTC", "eq": "2", "eqUsd": "200000", "disEq": "190000"},
    )
    reading = read("okx", okx(*rows, adjusted="190050"))
    assert reading.document.balances == [
        BalanceDocument("USDT", 50.0, 1.0, 1.0),
        BalanceDocument("BTC", 2.0, 0.95, 100_000.0),
    ]


def test_one_asset_backs_itself_and_needs_no_price() -> None:
    reading = read("bybit", bybit({"coin": "BTC", "walletBalance": "2"}))
    assert reading.document.collateral_mode == "single"
    assert reading.document.balances == [BalanceDocument("BTC", 2.0)]


def test_the_owner_may_say_how_assets_back_positions() -> None:
    assets = binance(("USDT", "50"), ("BTC", "2"))
    assert read("binance", assets).document.collateral_mode == "single"
    several = binance(("USDT", "50"), ("BTC", "2"), multiAssetsMargin=True)
    assert read("binance", several).document.collateral_mode == "multi"
    terms = Terms(collateral_mode="multi", weights={"BTC": 0.9})
    assert read("binance", assets, terms=terms).document.balances == [
        BalanceDocument("USDT", 50.0, 1.0),
        BalanceDocument("BTC", 2.0, 0.9),
    ]


WORDS = (
    *("info", "assets", "asset", "crossWalletBalance", "result", "list", "coin", "data", "eq"),
    *("details", "ccy", "total", "currency", "accountEquity", "marginCoin", "symbol", "contracts"),
    *("side", "leverage", "position"),
)
SCALARS = (None, True, 0, -1, 10**400, 1.5, float("nan"), "", "5", "NaN", "USDT")


def anything(random: Random, depth: int = 4) -> Any:
    """Grow a tree of what JSON may have, with names that are looked for."""
    kind = random.random() if depth else 0.0
    if kind < 0.3:
        return random.choice(SCALARS)
    if kind < 0.5:
        return [anything(random, depth - 1) for _ in range(random.randrange(3))]
    names = random.sample(WORDS, random.randrange(1, 5))
    return {name: anything(random, depth - 1) for name in names}


@pytest.mark.parametrize("venue", UNDERSTOOD)
def test_whatever_is_given_is_read_or_refused(venue: Any) -> None:
    random = Random(7)
    for _ in range(300):
        value = anything(random)
        rows = value if isinstance(value, list) else [value]
        objects = [row for row in rows if isinstance(row, dict)]
        for positions, balance in ((objects, BALANCES[venue]), ([], {"info": value})):
            with contextlib.suppress(InvalidInput):
                found = read_account(venue, positions, balance, Terms()).document
                assert all(number(row.amount) is not None for row in found.balances or ())
