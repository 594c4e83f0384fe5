"""The example of the simulate call, worked out by hand in `docs/simulate.md`; a test asks it."""

from typing import Any

from service.api.checkup_examples import INSTRUMENT, SYMBOL, TIME_MS

SIMULATE = {
    "accounts": [
        {
            "id": name,
            "venue": "binance",
            "balances": [{"asset": "USDT", "amount": 600}],
            "positions": [{"symbol": SYMBOL, "side": side, "contracts": 0.1, "entryPrice": 60_000}],
        }
        for name, side in (("a1", "long"), ("a2", "short"))
    ],
    "marks": {SYMBOL: 60_000},
    "instruments": [INSTRUMENT],
    "funds": [{"venue": "binance", "asset": "USDT", "balance": 100}],
    "scenarios": [{"name": "a gap", "shocks": {"pct": {SYMBOL: -12}}}],
}
SIMULATE_ANSWER: dict[str, Any] = {
    "timestamp": TIME_MS,
    "priceBasis": "mark",
    "scenarios": [
        {
            "name": "a gap",
            "index": 0,
            "moves": None,
            "atRest": True,
            "rounds": 1,
            "levels": {
                "HEALTHY": 1,
                "UNPRICED": 0,
                "WARNING": 0,
                "MARGIN_CALL": 0,
                "LIQUIDATION": 0,
                "BANKRUPT": 1,
            },
            "totals": [
                {
                    "asset": "USDT",
                    "liquidated": 1,
                    "notional": 5280.0,
                    "fees": 0.0,
                    "shortfall": 120.0,
                    "contributed": 0.0,
                    "fund": 100.0,
                    "deleveraged": 20.0,
                    "socialised": 0.0,
                    "owed": 0.0,
                    "venue": 0.0,
                    "worstAccountId": None,
                    "worstOwed": 0.0,
                }
            ],
            "funds": [
                {
                    "venue": "binance",
                    "asset": "USDT",
                    "before": 100.0,
                    "after": 0.0,
                    "reason": None,
                    "contributed": 0.0,
                    "paid": 100.0,
                }
            ],
            "conservation": [
                {
                    "asset": "USDT",
                    "moneyIn": {
                        "wallets": 1200.0,
                        "revaluation": 0.0,
                        "counterparties": -600.0,
                        "funds": 100.0,
                        "socialised": 0.0,
                        "venue": 0.0,
                    },
                    "moneyOut": {"wallets": 700.0, "fees": 0.0},
                    "totalIn": 700.0,
                    "totalOut": 700.0,
                }
            ],
            "accounts": [
                {
                    "id": "a1",
                    "level": "BANKRUPT",
                    "liquidated": True,
                    "money": [{"asset": "USDT", "shortfall": 120.0, "owed": 0.0}],
                },
                {"id": "a2", "level": "HEALTHY", "liquidated": False, "money": []},
            ],
            "liquidations": [
                {
                    "accountId": "a1",
                    "pool": {"kind": "cross", "settle": "USDT", "symbol": None, "side": None},
                    "step": 0,
                    "round": 0,
                    "whole": True,
                    "level": "BANKRUPT",
                    "notional": 5280.0,
                    "partialSteps": 0,
                    "fees": 0.0,
                    "remainder": -120.0,
                    "kept": 0.0,
                    "contributed": 0.0,
                    "shortfall": 120.0,
                    "fund": 100.0,
                    "deleveraged": 20.0,
                    "socialised": 0.0,
                    "owed": 0.0,
                    "venue": 0.0,
                    "positions": [
                        {
                            "symbol": "BTC/USDT:USDT",
                            "side": "long",
                            "contracts": 0.1,
                            "markPrice": 52800.0,
                            "fillPrice": 52800.0,
                            "notional": 5280.0,
                            "beyondDepth": 0.0,
                        }
                    ],
                }
            ],
            "deleveraged": [
                {
                    "accountId": "a2",
                    "symbol": "BTC/USDT:USDT",
                    "side": "short",
                    "contracts": 0.016667,
                    "cost": 20.0,
                    "step": 0,
                    "round": 0,
                }
            ],
            "comparison": None,
        }
    ],
    "problems": [],
}
