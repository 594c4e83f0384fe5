"""The examples of the OpenAPI document; figures are evaluated, so that they stay true."""

from typing import Any

import msgspec

from service.api.answers import FROM_REQUEST_MS, answer_accounts
from service.contract.accounts import NamedAccountDocument, to_account
from service.contract.instruments import InstrumentDocument, to_instrument
from service.risk.markets import MarketTable
from service.risk.model import Mark

TIME_MS = 1_760_000_000_000
SYMBOL, MARK = "BTC/USDT:USDT", 55_000

INSTRUMENT: dict[str, Any] = {
    "venue": "binance",
    "symbol": SYMBOL,
    "linear": True,
    "contractSize": 1,
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "tiers": [
        {
            "minNotional": 0,
            "maxNotional": 50_000,
            "maintenanceMarginRate": 0.004,
            "maxLeverage": 125,
        },
        {"minNotional": 50_000, "maintenanceMarginRate": 0.005, "maxLeverage": 100},
    ],
}
ACCOUNT: dict[str, Any] = {
    "venue": "binance",
    "balances": [{"asset": "USDT", "amount": 540}],
    "positions": [
        {
            "symbol": SYMBOL,
            "side": "long",
            "contracts": 0.1,
            "entryPrice": 60_000,
            "leverage": 10,
            "marginMode": "cross",
        }
    ],
}
EVALUATE = {
    "accounts": [{"id": "a1"} | ACCOUNT],
    "marks": {SYMBOL: MARK},
    "instruments": [INSTRUMENT],
}


def _evaluated() -> dict[str, Any]:
    table = MarketTable()
    table.put_instrument(to_instrument(msgspec.convert(INSTRUMENT, InstrumentDocument)))
    table.put_mark(Mark(SYMBOL, MARK, "binance"), FROM_REQUEST_MS)
    document = msgspec.convert({"id": "a1"} | ACCOUNT, NamedAccountDocument)
    (answer,), _ = answer_accounts([to_account(document, document.id)], table, TIME_MS)
    plain: dict[str, Any] = _rounded(msgspec.json.decode(msgspec.json.encode(answer)))
    return plain


def _rounded(node: Any) -> Any:
    """Round figures, so that the last bit of one machine does not change the document."""
    if isinstance(node, dict):
        return {name: _rounded(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_rounded(value) for value in node]
    return round(node, 6) if isinstance(node, float) else node


_ACCOUNT_ANSWER = _evaluated()
EVALUATE_ANSWER = {"timestamp": TIME_MS, "accounts": [_ACCOUNT_ANSWER], "problems": []}
RISK_ANSWER = _ACCOUNT_ANSWER | {"timestamp": TIME_MS, "version": 3, "monitored": []}
