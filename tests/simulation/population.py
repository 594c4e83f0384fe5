"""Seeded accounts over the crash tape's markets, of every kind, as REST bodies.

Isolated, cross, hedged, inverse and multi-asset.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """A market accounts may hold: its instrument body and the tape's first price."""

    venue: str
    symbol: str
    base: str
    settle: str
    linear: bool
    first_price: float


def instrument_body(listing: Listing, tiers: list[list[float]]) -> Body:
    """An instrument as `PUT /v1/instruments` takes it; inverse tiers scaled into coin.

    `tiers` rows are [floor, cap, rate, max leverage, deduction] in quote, as the real tables have
    them.
    """
    scale = 1.0 if listing.linear else 1.0 / listing.first_price
    return {
        "venue": listing.venue,
        "symbol": listing.symbol,
        "linear": listing.linear,
        "contractSize": 1.0 if listing.linear else 10.0,
        "base": listing.base,
        "quote": "USDT" if listing.settle == "USDT" else "USD",
        "settle": listing.settle,
        "takerFee": 0.0005,
        "tiers": [
            {
                "minNotional": floor * scale,
                "maxNotional": cap * scale,
                "maintenanceMarginRate": rate,
                "maxLeverage": max_leverage,
            }
            for floor, cap, rate, max_leverage, _ in tiers
        ],
    }


def account_bodies(count: int, seed: int, listings: list[Listing]) -> list[Body]:
    """`count` accounts in fixed shares of kinds; the same seed gives the same bodies."""
    generator = np.random.default_rng(seed)
    makers = (_isolated, _cross, _hedged, _inverse, _multi)
    kinds = generator.choice(len(makers), size=count, p=[0.40, 0.30, 0.12, 0.13, 0.05])
    return [
        {"id": f"acc-{number:06d}", **makers[kind](generator, listings), **_thresholds(generator)}
        for number, kind in enumerate(kinds.tolist())
    ]


def _thresholds(generator: np.random.Generator) -> Body:
    if generator.random() < 0.7:
        return {}
    every_ms = int(generator.choice([60_000, 300_000]))
    return {
        "repeat": {"everyMs": every_ms, "until": "resolved"},
        "thresholds": {
            "warning": float(generator.choice([0.4, 0.5, 0.6])),
            "marginCall": float(generator.choice([0.7, 0.8, 0.9])),
            "hysteresis": float(generator.choice([0.0, 0.02, 0.05])),
            "easeAfterMs": int(generator.choice([0, 1_000, 5_000, 30_000])),
        },
    }


def _position(
    generator: np.random.Generator, listing: Listing, side: str, notional: float, mode: str
) -> Body:
    """A position of about `notional` (in quote) entered within 3 % of the first price."""
    entry = listing.first_price * float(generator.uniform(0.97, 1.03))
    contracts = notional / entry if listing.linear else max(1.0, round(notional / 10.0))
    return {
        "symbol": listing.symbol,
        "side": side,
        "contracts": contracts,
        "entryPrice": entry,
        "marginMode": mode,
        "leverage": float(np.exp(generator.uniform(np.log(1.5), np.log(30.0)))),
    }


def _side(generator: np.random.Generator) -> str:
    return "long" if generator.random() < 0.7 else "short"


def _notional(generator: np.random.Generator) -> float:
    return float(np.exp(generator.normal(8.5, 1.6)))


def _pick(
    generator: np.random.Generator, listings: list[Listing], most: int, settle: str | None = None
) -> list[Listing]:
    """Between 1 and `most` different markets of one settle asset (of any linear one where None)."""
    linear = [one for one in listings if one.linear]
    chosen = settle or linear[int(generator.integers(len(linear)))].settle
    pool = [one for one in linear if one.settle == chosen]
    count = int(generator.integers(1, min(most, len(pool)) + 1))
    return [pool[index] for index in generator.choice(len(pool), size=count, replace=False)]


def _isolated(generator: np.random.Generator, listings: list[Listing]) -> Body:
    chosen = _pick(generator, listings, 2)
    return {
        "venue": chosen[0].venue,
        "balances": [{"asset": chosen[0].settle, "amount": float(generator.uniform(0, 1_000))}],
        "positions": [
            _position(generator, one, _side(generator), _notional(generator), "isolated")
            for one in chosen
        ],
    }


def _backing(generator: np.random.Generator, positions: list[Body], sizes: list[float]) -> float:
    """Wallet that gives the whole book a leverage between 1.5 and 25."""
    leverage = float(np.exp(generator.uniform(np.log(1.5), np.log(25.0))))
    return sum(sizes) / leverage if positions else 0.0


def _cross(generator: np.random.Generator, listings: list[Listing]) -> Body:
    chosen = _pick(generator, listings, 6)
    sizes = [_notional(generator) for _ in chosen]
    positions = [
        _position(generator, one, _side(generator), size, "cross")
        for one, size in zip(chosen, sizes, strict=True)
    ]
    return {
        "venue": chosen[0].venue,
        "balances": [{"asset": chosen[0].settle, "amount": _backing(generator, positions, sizes)}],
        "positions": positions,
    }


def _hedged(generator: np.random.Generator, listings: list[Listing]) -> Body:
    body = _cross(generator, listings)
    first = body["positions"][0]
    listing = next(one for one in listings if one.symbol == first["symbol"])
    other = "short" if first["side"] == "long" else "long"
    size = first["contracts"] * first["entryPrice"] * float(generator.uniform(0.2, 0.95))
    body["positions"].append(_position(generator, listing, other, size, "cross"))
    return body


def _inverse(generator: np.random.Generator, listings: list[Listing]) -> Body:
    inverse = [one for one in listings if not one.linear]
    listing = inverse[int(generator.integers(len(inverse)))]
    isolated = bool(generator.random() < 0.5)
    size = _notional(generator)
    position = _position(
        generator, listing, _side(generator), size, "isolated" if isolated else "cross"
    )
    coins = size / listing.first_price
    backing = 0.1 * coins if isolated else coins / float(generator.uniform(1.5, 20.0))
    return {
        "venue": listing.venue,
        "balances": [{"asset": listing.settle, "amount": backing}],
        "positions": [position],
    }


def _multi(generator: np.random.Generator, listings: list[Listing]) -> Body:
    """USD-settled positions backed by USD and a coin that has a coin-margined contract."""
    chosen = _pick(generator, listings, 3, settle="USD")
    coins = [one for one in listings if not one.linear]
    coin = coins[int(generator.integers(len(coins)))]
    sizes = [_notional(generator) for _ in chosen]
    positions = [
        _position(generator, one, _side(generator), size, "cross")
        for one, size in zip(chosen, sizes, strict=True)
    ]
    money = _backing(generator, positions, sizes)
    share = float(generator.uniform(0.2, 0.8))
    return {
        "venue": coin.venue,
        "collateralMode": "multi",
        "balances": [
            {"asset": "USD", "amount": money * (1.0 - share)},
            {"asset": coin.base, "amount": money * share / coin.first_price, "weight": 0.9},
        ],
        "positions": positions,
    }
