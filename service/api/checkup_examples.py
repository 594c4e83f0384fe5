"""The examples of checks and sizes; tests ask for them, so that they stay true."""

from typing import Any

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
FINDINGS: list[dict[str, Any]] = [
    {
        "code": "buffer_thin",
        "severity": "critical",
        "pool": {"kind": "cross", "settle": "USDT"},
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "measured": 0.1048,
        "limit": 3.0,
        "unit": "standard_deviations",
        "changes": [
            {"action": "deposit", "amount": 474.549528},
            {"action": "reduce", "amount": 0.092226},
        ],
        "figures": {"standardDeviation": 0.031405, "liquidationPrice": 54819.277108},
    },
    {
        "code": "leverage_above_limit",
        "severity": "warning",
        "pool": {"kind": "cross", "settle": "USDT"},
        "symbol": None,
        "side": None,
        "measured": 137.5,
        "limit": 10.0,
        "unit": "ratio",
        "changes": [
            {"action": "deposit", "amount": 510.0},
            {"action": "reduce_pool", "amount": 0.927273},
        ],
        "figures": {},
    },
    {
        "code": "position_too_large",
        "severity": "warning",
        "pool": {"kind": "cross", "settle": "USDT"},
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "measured": 13.75,
        "limit": 0.5,
        "unit": "ratio",
        "changes": [
            {"action": "deposit", "amount": 1060.0},
            {"action": "reduce", "amount": 0.096364},
        ],
        "figures": {},
    },
    {
        "code": "no_stop_loss",
        "severity": "warning",
        "pool": {"kind": "cross", "settle": "USDT"},
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "measured": None,
        "limit": None,
        "unit": "none",
        "changes": [
            {"action": "set_stop", "amount": 54909.564203},
            {"action": "reduce", "amount": 0.1},
        ],
        "figures": {},
    },
]
LIKELIHOOD: dict[str, Any] = {
    "horizonS": 86400.0,
    "correlation": 0.7,
    "liquidation": {"atLeast": 0.916535, "atMost": 0.916535},
    "shortfall": {"atLeast": 0.0, "atMost": 0.0},
    "owing": {"atLeast": 0.0, "atMost": 0.0},
    "pools": [
        {
            "pool": {"kind": "cross", "settle": "USDT"},
            "model": "double_exponential_jump_diffusion",
            "liquidation": 0.916535,
            "shortfall": 0.0,
            "owing": 0.0,
            "reason": None,
            "deviation": None,
            "distance": None,
        }
    ],
    "positions": [
        {
            "symbol": "BTC/USDT:USDT",
            "side": "long",
            "marginMode": "cross",
            "model": "double_exponential_jump_diffusion",
            "liquidation": 0.916535,
            "shortfall": 0.0,
            "owing": 0.0,
            "reason": None,
            "distanceBelow": 0.003291,
            "distanceAbove": None,
            "gapBelow": 0.004008,
            "gapAbove": None,
            "volatility": {
                "source": "request",
                "venue": None,
                "reason": None,
                "samples": None,
                "diffusionPerSqrtS": 0.000107,
                "jumpsPerS": 0.0,
                "jumpMean": 0.0,
                "annual": 0.6,
            },
        }
    ],
}
HEALTH_ANSWER: dict[str, Any] = {
    "id": "a1",
    "timestamp": TIME_MS,
    "version": 3,
    "level": "WARNING",
    "limits": {
        "leverageMax": 10.0,
        "positionShareMax": 0.5,
        "concentrationMax": 0.8,
        "stops": "expected",
        "budgetShare": 0.02,
        "boundFactorMax": 3.0,
        "bufferDeviationsMin": 3.0,
        "bufferHorizonS": 86400.0,
        "fundingHoursMin": 168.0,
        "markAgeMaxMs": 10000.0,
    },
    "findings": FINDINGS,
}
SIZE: dict[str, Any] = {
    "venue": "binance",
    "symbol": "BTC/USDT:USDT",
    "side": "long",
    "entryPrice": 55000,
    "stopPrice": 53900,
    "budget": 110,
    "capital": 2000,
    "instruments": [INSTRUMENT],
}
SIZED: dict[str, Any] = {
    "timestamp": TIME_MS,
    "symbol": "BTC/USDT:USDT",
    "side": "long",
    "venue": "binance",
    "instrumentVenue": "binance",
    "settle": "USDT",
    "entryPrice": 55000.0,
    "stopPrice": 53900.0,
    "boundBy": "budget",
    "contracts": 0.1,
    "leverage": 38.592157,
    "margin": 142.516006,
    "lossAtStop": 110.0,
    "liquidationPrice": 53789.999943,
}
