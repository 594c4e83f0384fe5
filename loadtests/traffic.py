"""What the users send, from one seed, as text made before the clock runs."""

import os
import random
from typing import Any

import orjson

SEED = 11
SYMBOLS = 40
STORED_ACCOUNTS = 2_000
DESK_ACCOUNTS = 200  # of five positions each: a batch of 1,000
SYNC_ACCOUNTS = 20

# A canary of each run's own, so that two runs can ask one service at once.
CANARY = f"CANARY{os.getpid()}/USDT:USDT"
CANARY_ACCOUNT = f"canary-{os.getpid()}"
# A long of one coin entered at 100 over a balance of 20 is warned from 80.65 down and called from
# 80.40: these are on either side of the first.
CANARY_HEALTHY, CANARY_WARNED = 90.0, 80.5


def dump(body: object) -> str:
    return orjson.dumps(body).decode()


def symbol(index: int) -> str:
    return f"LOAD{index}/USDT:USDT"


def instruments() -> str:
    """The body of PUT /v1/instruments."""
    names = [symbol(index) for index in range(SYMBOLS)] + [CANARY]
    return dump([_instrument(name) for name in names])


def marks(seed: int, step_bp: float = 2.0) -> str:
    """The body of POST /v1/marks: one mark a symbol, a small step around where it started."""
    source = random.Random(seed)
    steps = (1.0 + source.gauss(0.0, step_bp / 10_000) for _ in range(SYMBOLS))
    return _marks({symbol(index): _start(index) * step for index, step in enumerate(steps)})


def canary_mark(price: float) -> str:
    return _marks({CANARY: price})


def accounts(count: int, positions: int, prefix: str, seed: int = SEED) -> list[dict[str, Any]]:
    """Cross accounts of a few positions, leverage 1.5 to 30 over all of an account."""
    source = random.Random(seed)
    return [_account(f"{prefix}-{number}", positions, source) for number in range(count)]


def canary_account() -> str:
    """The body of PUT /v1/accounts/{id} whose level each canary mark changes."""
    position = {"symbol": CANARY, "side": "long", "contracts": 1, "entryPrice": 100}
    thresholds = {"hysteresis": 0.0, "easeAfterMs": 0}
    balances = [{"asset": "USDT", "amount": 20}]
    return dump({"balances": balances, "positions": [position], "thresholds": thresholds})


def evaluation(accounts: list[dict[str, Any]]) -> str:
    """The body of POST /v1/evaluate; marks are the streamed ones."""
    return dump({"accounts": accounts})


def _start(index: int) -> float:
    return round(10.0 ** (index % 5) * (1.0 + 0.07 * index), 4)


def _marks(prices: dict[str, float]) -> str:
    rows = [{"symbol": name, "markPrice": price} for name, price in prices.items()]
    return dump({"marks": rows})


def _instrument(name: str) -> dict[str, Any]:
    rows = [
        (0, 50_000, 0.004, 125),
        (50_000, 600_000, 0.005, 100),
        (600_000, 3e6, 0.01, 50),
        (3e6, 12e6, 0.025, 20),
        (12e6, 70e6, 0.05, 10),
        (70e6, 1e12, 0.1, 5),
    ]
    keys = ("minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage")
    return {
        "symbol": name,
        "linear": True,
        "contractSize": 1,
        "base": name.partition("/")[0],
        "quote": "USDT",
        "settle": "USDT",
        "takerFee": 0.0005,
        "tiers": [dict(zip(keys, row, strict=True)) for row in rows],
        "tiering": "marginal",
        "tierUnit": "notional",
    }


def _account(name: str, positions: int, source: random.Random) -> dict[str, Any]:
    legs, notional = [], 0.0
    for index in source.sample(range(SYMBOLS), positions):
        size = source.lognormvariate(8.0, 1.5)
        notional += size
        entry = _start(index) * source.uniform(0.95, 1.05)
        side = source.choice(("long", "short"))
        legs.append(
            {
                "symbol": symbol(index),
                "side": side,
                "contracts": size / _start(index),
                "entryPrice": entry,
                "marginMode": "cross",
            }
        )
    leverage = 1.5 * 20.0 ** source.random()
    return {
        "id": name,
        "balances": [{"asset": "USDT", "amount": notional / leverage}],
        "positions": legs,
    }
