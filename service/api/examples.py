"""The examples of the OpenAPI document; a test evaluates them, so that they stay true."""

from typing import Any

from service.api.checkup_examples import FINDINGS, INSTRUMENT, LIKELIHOOD, MARK, SYMBOL, TIME_MS

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
    "gap": {"movePct": -2},
    "findings": True,
    "likelihood": {"horizonS": 86_400},
    "volatility": {SYMBOL: {"annual": 0.6}},
}
ACCOUNT_ANSWER: dict[str, Any] = {
    "id": "a1",
    "level": "WARNING",
    "currency": "USDT",
    "totalsReason": None,
    "stale": False,
    "quality": "good",
    "equity": 40.0,
    "walletBalance": 540.0,
    "unrealizedPnl": -500.0,
    "initialMargin": 550.0,
    "maintenanceMargin": 22.0,
    "marginRatio": 0.55,
    "healthFactor": 1.818182,
    "availableMargin": 0.0,
    "marginDeficit": 0.0,
    "shortfall": 0.0,
    "owed": 0.0,
    "toRestore": {
        "deposit": 8.888889,
        "reduce": [{"symbol": "BTC/USDT:USDT", "side": "long", "contracts": 0.018182}],
    },
    "pools": [
        {
            "kind": "cross",
            "settle": "USDT",
            "symbol": None,
            "side": None,
            "level": "WARNING",
            "reason": None,
            "stale": False,
            "quality": "good",
            "walletBalance": 540.0,
            "unrealizedPnl": -500.0,
            "equity": 40.0,
            "initialMargin": 550.0,
            "maintenanceMargin": 22.0,
            "marginRatio": 0.55,
            "healthFactor": 1.818182,
            "availableMargin": 0.0,
            "marginDeficit": 0.0,
            "shortfall": 0.0,
            "owed": 0.0,
            "maxLoss": 540.0,
            "maxLossReason": None,
            "gapToLiquidationPct": 0.328587,
            "gapToLiquidationReason": None,
            "gapToOwePct": None,
            "gapToOweReason": "protected",
            "afterGap": None,
            "toRestore": {
                "deposit": 8.888889,
                "reduce": [{"symbol": "BTC/USDT:USDT", "side": "long", "contracts": 0.018182}],
            },
        }
    ],
    "positions": [
        {
            "symbol": "BTC/USDT:USDT",
            "side": "long",
            "contracts": 0.1,
            "marginMode": "cross",
            "instrumentVenue": "binance",
            "markVenue": "binance",
            "markSource": "request",
            "markPrice": 55000.0,
            "markAgeMs": 0,
            "stale": False,
            "quality": "good",
            "notional": 5500.0,
            "unrealizedPnl": -500.0,
            "initialMargin": 550.0,
            "maintenanceMargin": 22.0,
            "marginRatio": 0.55,
            "leverage": 10.0,
            "liquidationPrice": 54819.277108,
            "liquidationPriceReason": None,
            "liquidationPriceBelow": 54819.277108,
            "liquidationPriceAbove": None,
            "bankruptcyPrice": 54600.0,
            "bankruptcyPriceReason": None,
            "distancePct": 0.328587,
            "gapToLiquidationPct": 0.328587,
            "gapToLiquidationReason": None,
            "gapToOwePct": None,
            "gapToOweReason": "protected",
        }
    ],
    "findings": None,
    "likelihood": None,
}
AFTER_GAP: dict[str, Any] = {
    "level": "BANKRUPT",
    "reason": None,
    "equity": -70.0,
    "shortfall": 70.0,
    "fund": 70.0,
    "deleveraged": 0.0,
    "socialised": 0.0,
    "owed": 0.0,
    "venue": 0.0,
}
EVALUATE_ANSWER = {
    "timestamp": TIME_MS,
    "accounts": [
        ACCOUNT_ANSWER
        | {
            "pools": [ACCOUNT_ANSWER["pools"][0] | {"afterGap": AFTER_GAP}],
            "findings": FINDINGS,
            "likelihood": LIKELIHOOD,
        }
    ],
    "problems": [],
}
RISK_ANSWER = ACCOUNT_ANSWER | {"timestamp": TIME_MS, "version": 3, "monitored": []}
