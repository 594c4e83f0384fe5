"""The demo's market: sixteen contracts with their venues' real tier tables and starting prices."""

from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

import orjson

from service.feeds.synthetic import Asset, Crash

Document: TypeAlias = dict[str, Any]

# Price, a year's volatility, how deep it falls in a crash of depth 1.0, decimals of its quote.
_UNDERLYINGS: dict[str, tuple[float, float, float, int]] = {
    "BTC": (112_000.0, 0.45, 0.70, 1),
    "ETH": (4_050.0, 0.65, 0.95, 2),
    "SOL": (205.0, 0.80, 1.10, 3),
    "XRP": (2.75, 0.80, 1.25, 4),
    "DOGE": (0.235, 0.95, 1.45, 5),
    "BNB": (1_180.0, 0.55, 0.80, 2),
    "ADA": (0.78, 0.90, 1.40, 5),
    "LINK": (21.4, 0.90, 1.30, 4),
    "AVAX": (27.6, 0.95, 1.40, 4),
    "LTC": (117.0, 0.75, 1.10, 3),
}
_QUOTES = ("USDT", "USDC")  # what collateral in them is worth is a price like any other

DEMO_CRASH = Crash(depth=0.15, fall_s=20.0, pause_s=5.0, recovery_s=15.0, recovered=1.0)


@cache
def _file() -> Document:
    document: Document = orjson.loads(
        files("service.demo").joinpath("instruments.json").read_bytes()
    )
    return document


def instruments() -> list[Document]:
    """Return the contracts in the form `PUT /v1/instruments` takes."""
    return [_instrument(row) for row in _file()["instruments"]]


def assets() -> list[Asset]:
    """Return what quotes every contract of the demo, and the currencies they settle in."""
    coins = [
        Asset(name, price, volatility, beta, _listings(name), decimals)
        for name, (price, volatility, beta, decimals) in _UNDERLYINGS.items()
    ]
    pegs = [Asset(name, 1.0, 0.002, 0.0, (("generic", f"{name}/USD"),), 5) for name in _QUOTES]
    return [*coins, *pegs]


def beta(symbol: str) -> float:
    """How much deeper than the market `symbol` falls in a crash."""
    return _UNDERLYINGS[symbol.partition("/")[0]][2]


def maintenance_rate(venue: str, symbol: str, notional: float) -> float:
    """The rate of the tier that `notional` (settle asset) stands in."""
    (row,) = (r for r in _file()["instruments"] if (r["venue"], r["symbol"]) == (venue, symbol))
    rates: list[float] = [rate for floor, rate, _ in row["tiers"] if floor <= notional]
    return rates[-1]


def contract_size(venue: str, symbol: str) -> float:
    (row,) = (r for r in _file()["instruments"] if (r["venue"], r["symbol"]) == (venue, symbol))
    return float(row["contractSize"])


def start_price(symbol: str) -> float:
    return _UNDERLYINGS[symbol.partition("/")[0]][0]


def _listings(base: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (row["venue"], row["symbol"])
        for row in _file()["instruments"]
        if row["symbol"].startswith(f"{base}/")
    )


def _instrument(row: Document) -> Document:
    base, _, rest = row["symbol"].partition("/")
    quote, _, settle = rest.partition(":")
    floors = [tier[0] for tier in row["tiers"]]
    caps = [*floors[1:], row["endsAt"]]
    tiers = [
        {
            "minNotional": floor,
            "maxNotional": cap,
            "maintenanceMarginRate": rate,
            "maxLeverage": most,
        }
        for (floor, rate, most), cap in zip(row["tiers"], caps, strict=True)
    ]
    names = {key: row[key] for key in ("venue", "symbol", "linear", "contractSize", "takerFee")}
    return {**names, "base": base, "quote": quote, "settle": settle, "tiers": tiers}
