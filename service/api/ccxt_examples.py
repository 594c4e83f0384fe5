"""The example of `POST /v1/evaluate:ccxt`: binance's objects of the account of `/v1/evaluate`."""

from typing import Any

from service.api.checkup_examples import INSTRUMENT, MARK, SYMBOL
from service.api.examples import ACCOUNT_ANSWER

_POSITION_INFO = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "0.1",
    "isolatedWallet": "0",
    "positionInitialMargin": "550.0",
}
REQUEST: dict[str, Any] = {
    "venue": "binance",
    "id": "a1",
    "positions": [
        {
            "symbol": SYMBOL,
            "side": "long",
            "contracts": 0.1,
            "contractSize": 1.0,
            "entryPrice": 60_000.0,
            "markPrice": MARK,
            "notional": 5_500.0,
            "unrealizedPnl": -500.0,
            "collateral": 40.0,
            "leverage": None,
            "marginMode": "cross",
            "info": _POSITION_INFO,
        }
    ],
    "balance": {
        "USDT": {"free": 0.0, "used": 550.0, "total": 40.0},
        "info": {
            "assets": [
                {"asset": "USDT", "crossWalletBalance": "540.0", "marginBalance": "40.0"},
            ]
        },
    },
    "leverageTiers": {
        SYMBOL: [
            {
                "tier": number,
                **tier,
                "info": {},
            }
            for number, tier in enumerate(INSTRUMENT["tiers"], 1)
        ]
    },
}
_READ_POSITION = {
    "symbol": SYMBOL,
    "contracts": 0.1,
    "side": "long",
    "entryPrice": 60_000.0,
    "marginMode": "cross",
    "leverage": 10.0,
    "contractSize": 1.0,
    "markPrice": MARK,
}
ANSWER: dict[str, Any] = {
    "timestamp": 1_760_000_000_000,
    "accounts": [ACCOUNT_ANSWER],
    "problems": [],
    "read": {
        "account": {
            "venue": "binance",
            "collateralMode": "single",
            "balances": [{"asset": "USDT", "amount": 540.0}],
            "positions": [_READ_POSITION],
        },
        "instruments": [INSTRUMENT],
        "remarks": [
            {
                "pointer": "/positions/0/leverage",
                "code": "worked_out",
                "detail": "leverage worked out as notional over initial margin",
            }
        ],
    },
}
