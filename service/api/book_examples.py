"""Scenarios settled by sums in the OpenAPI document: as JSON, and by the line."""

from typing import Any

from service.api.checkup_examples import TIME_MS

REQUEST: dict[str, Any] = {
    "accounts": "monitored",
    "settledBy": "sums",
    "funds": [{"venue": "binance", "asset": "USDT", "balance": 100}],
    "scenarios": [{"name": "a gap", "shocks": {"allPct": -12}}],
    "worst": 1,
}
ANSWER: dict[str, Any] = {
    "timestamp": TIME_MS,
    "settledBy": "sums",
    "priceBasis": "mark",
    "marketIds": {"first": 7, "last": 7},
    "accounts": 2,
    "scenarios": [
        {
            "name": "a gap",
            "index": 0,
            "moves": None,
            "levels": {
                "HEALTHY": 1,
                "UNPRICED": 0,
                "WARNING": 0,
                "MARGIN_CALL": 0,
                "LIQUIDATION": 0,
                "BANKRUPT": 1,
            },
            "notionalUsd": 5280.0,
            "shortfallUsd": 120.0,
            "owedUsd": 0.0,
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
            "worst": [
                {
                    "id": "a1",
                    "level": "BANKRUPT",
                    "shortfallUsd": 120.0,
                    "money": [{"asset": "USDT", "shortfall": 120.0}],
                }
            ],
            "unranked": 0,
        }
    ],
    "problems": [],
}
