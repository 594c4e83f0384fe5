"""The positions that ours and the peers are asked about: isolated, linear, from one seed."""

import random
from typing import Any

SEED = 5
SYMBOL_COUNT = 20
POSITIONS_AN_ACCOUNT = 5
LEVERAGES = (2, 3, 5, 10, 20)

# Upper border of the notional, maintenance rate, and the amount that makes the step continuous.
TIERS = (
    (50_000.0, 0.004, 0.0),
    (600_000.0, 0.005, 50.0),
    (3_000_000.0, 0.01, 3_050.0),
    (12_000_000.0, 0.025, 48_050.0),
    (1e12, 0.05, 348_050.0),
)


def symbol(index: int) -> str:
    return f"PEER{index:02}/USDT:USDT"


def instruments() -> list[dict[str, Any]]:
    """The body of PUT /v1/instruments."""
    return [_instrument(symbol(index)) for index in range(SYMBOL_COUNT)]


def accounts(positions: int) -> list[dict[str, Any]]:
    """Accounts of five positions each, in the order of their symbols; the last may have fewer."""
    source = random.Random(SEED)
    starts = range(0, positions, POSITIONS_AN_ACCOUNT)
    sizes = [min(POSITIONS_AN_ACCOUNT, positions - start) for start in starts]
    return [_account(number, size, source) for number, size in enumerate(sizes)]


def _account(number: int, size: int, source: random.Random) -> dict[str, Any]:
    held = sorted(source.sample(range(SYMBOL_COUNT), size))
    positions = [_position(symbol(index), source) for index in held]
    return {"id": f"a{number}", "venue": "binance", "balances": [], "positions": positions}


def _position(name: str, source: random.Random) -> dict[str, Any]:
    """A position of some 100 to 5,000,000 USDT, marked up to 5 % from where it was entered."""
    entry = 10.0 ** source.uniform(-1.0, 4.5)
    contracts = source.lognormvariate(9.0, 2.0) / entry
    leverage = source.choice(LEVERAGES)
    return {
        "symbol": name,
        "side": source.choice(("long", "short")),
        "contracts": contracts,
        "entryPrice": entry,
        "markPrice": entry * source.uniform(0.95, 1.05),
        "leverage": leverage,
        "marginMode": "isolated",
        "margin": contracts * entry / leverage,
    }


def _instrument(name: str) -> dict[str, Any]:
    floors = (0.0, *(border for border, _, _ in TIERS[:-1]))
    tiers = [
        {"minNotional": floor, "maxNotional": border, "maintenanceMarginRate": rate}
        for floor, (border, rate, _) in zip(floors, TIERS, strict=True)
    ]
    names = {"symbol": name, "base": name.partition("/")[0], "quote": "USDT", "settle": "USDT"}
    rules = {"linear": True, "contractSize": 1, "takerFee": 0.0005, "tiering": "marginal"}
    return names | rules | {"tiers": tiers, "tierUnit": "notional"}
