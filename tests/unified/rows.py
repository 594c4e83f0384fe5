"""Positions and balances in the form of ccxt's, shortened to what is read."""

from typing import Any

Row = dict[str, Any]


def position(info: Row | None = None, **more: Any) -> Row:
    """A long of 2 contracts at 100, cross, without anything that only some venues say."""
    base: Row = {
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "contracts": 2.0,
        "contractSize": 1.0,
        "entryPrice": 100.0,
        "markPrice": 110.0,
        "notional": 220.0,
        "unrealizedPnl": 20.0,
        "leverage": 10.0,
        "marginMode": "cross",
        "collateral": None,
        "info": info or {},
    }
    return base | more


def isolated(info: Row | None = None, **more: Any) -> Row:
    return position(info, marginMode="isolated", **more)


def binance(*assets: tuple[str, str], **more: Any) -> Row:
    rows = [{"asset": name, "crossWalletBalance": amount} for name, amount in assets]
    return {"info": {"assets": rows or [{"asset": "USDT", "crossWalletBalance": "50"}], **more}}


def bybit(*coins: Row, kind: str = "UNIFIED") -> Row:
    account = {"accountType": kind, "coin": [*coins] or [{"coin": "USDT", "walletBalance": "50"}]}
    return {"info": {"result": {"list": [account]}}}


def okx(*details: Row, adjusted: str = "") -> Row:
    rows = [*details] or [{"ccy": "USDT", "eq": "50"}]
    return {"info": {"data": [{"adjEq": adjusted, "details": rows}]}}


def hyperliquid(value: str, *positions: Row) -> Row:
    rows = [{"position": one} for one in positions]
    return {"info": {"crossMarginSummary": {"accountValue": value}, "assetPositions": rows}}


def gate(total: str, **more: Any) -> Row:
    return {"info": [{"currency": "USDT", "total": total, "margin_mode": 0, **more}]}


def bitget(equity: str, profit: str = "0", **more: Any) -> Row:
    row = {"marginCoin": "USDT", "accountEquity": equity, "unrealizedPL": profit}
    return {"info": [row | more]}


BALANCES: dict[str, Row] = {
    "binance": binance(),
    "bybit": bybit(),
    "bybit-classic": bybit(kind="CONTRACT"),
    "okx": okx(),
    "hyperliquid": hyperliquid("50"),
    "gate": gate("50"),
    "bitget": bitget("50"),
}
