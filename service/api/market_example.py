"""What the contract's document shows for `GET /v1/markets`."""

MARKETS_EXAMPLE = {
    "timestamp": 1_760_133_600_120,
    "bands": {"volatility": 4.0, "divergence": 0.02, "hysteresis": 0.2},
    "markets": [
        {
            "venue": "binance",
            "symbol": "BTC/USDT:USDT",
            "markPrice": 107_400.0,
            "indexPrice": 110_000.0,
            "lastPrice": None,
            "marketId": 42,
            "eventTime": 1_760_133_600_000,
            "ageMs": 120,
            "quality": "good",
            "volatility": {"ewma": 3.1, "total": 3.6, "samples": 720, "reason": None},
            "range": {"annual": 4.4, "minutes": 61, "reason": None},
            "day": {
                "high": 122_000.0,
                "low": 105_000.0,
                "drawdown": 0.1197,
                "rise": 0.0229,
                "reason": None,
            },
            "divergence": {"ratio": -0.0236, "reason": None},
            "funding": {"rate": 0.0001, "intervalH": 8.0, "annual": 0.1095},
            "outside": [
                {"condition": "volatile", "limit": 4.0, "since": 1_760_133_480_000},
                {"condition": "diverged", "limit": 0.02, "since": 1_760_133_599_000},
            ],
        }
    ],
}
