"""A bot that asks before it acts: ccxt positions in, evaluated, what to close is printed.

    python examples/guard.py

`POSITIONS` stands for `exchange.fetch_positions()`: such a list can be posted unchanged.
"""

import os
from typing import Any

import httpx

URL = os.environ.get("PLIMSOLL_URL", "http://127.0.0.1:8000")
# Where the service wants one: a key with the scope evaluate.
TOKEN = os.environ.get("PLIMSOLL_TOKEN")
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}

POSITIONS = [
    {
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "contracts": 0.5,
        "entryPrice": 60_000,
        "markPrice": 57_500,
        "leverage": 10,
        "marginMode": "cross",
        "info": {"whatever": "the exchange added"},
    },
    {
        "symbol": "ETH/USDT:USDT",
        "side": "short",
        "contracts": 4,
        "entryPrice": 2_500,
        "markPrice": 2_450,
        "leverage": 10,
        "marginMode": "cross",
        "info": {},
    },
]


def contract(symbol: str, rate: float) -> dict[str, Any]:
    """A contract with a single tier; real tables have several (PUT /v1/instruments keeps them)."""
    return {
        "symbol": symbol,
        "linear": True,
        "contractSize": 1,
        "base": symbol.partition("/")[0],
        "quote": "USDT",
        "settle": "USDT",
        "tiers": [{"minNotional": 0, "maintenanceMarginRate": rate, "maxLeverage": 100}],
    }


def main() -> None:
    body = {
        "accounts": [
            {"id": "me", "balances": [{"asset": "USDT", "amount": 1_500}], "positions": POSITIONS}
        ],
        "instruments": [contract("BTC/USDT:USDT", 0.005), contract("ETH/USDT:USDT", 0.01)],
    }
    response = httpx.post(f"{URL}/v1/evaluate", json=body, headers=HEADERS)
    answer = response.raise_for_status().json()
    account = answer["accounts"][0]
    print(f"{account['level']}, margin ratio {account['marginRatio']:.3f}")
    for position in account["positions"]:
        print(
            f"  {position['symbol']} {position['side']}: liquidation at"
            f" {position['liquidationPrice']:.2f}, {position['distancePct']:.2f} % away"
        )
    restore = account["toRestore"]
    print(f"  to be healthy again: deposit {restore['deposit']:.2f} USDT, or close one of")
    for reduction in restore["reduce"]:
        print(f"    {reduction['contracts']} {reduction['symbol']}")


if __name__ == "__main__":
    main()
