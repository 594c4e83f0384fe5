"""Tables in the forms that venues and tools write them, built from rows of five numbers."""

from collections.abc import Mapping, Sequence

# floor, cap, rate, leverage, deduction
Rows = Sequence[Sequence[float]]

BTC: Rows = (
    (0.0, 300_000.0, 0.004, 150.0, 0.0),
    (300_000.0, 800_000.0, 0.005, 100.0, 300.0),
    (800_000.0, 3_000_000.0, 0.0065, 75.0, 1_500.0),
)
ETH: Rows = ((0.0, 50_000.0, 0.005, 100.0, 0.0), (50_000.0, 600_000.0, 0.01, 50.0, 250.0))


def ccxt_tiers(symbol: str, rows: Rows) -> list[dict[str, object]]:
    """As ccxt's fetch_leverage_tiers gives Binance's, and freqtrade's file keeps them."""
    return [
        {
            "tier": float(place),
            "symbol": symbol,
            "currency": "USDT",
            "minNotional": floor,
            "maxNotional": cap,
            "maintenanceMarginRate": rate,
            "maxLeverage": leverage,
            "info": {
                "bracket": str(place),
                "initialLeverage": str(int(leverage)),
                "notionalCap": str(int(cap)),
                "notionalFloor": str(int(floor)),
                "maintMarginRatio": str(rate),
                "cum": str(deduction),
            },
        }
        for place, (floor, cap, rate, leverage, deduction) in enumerate(rows, 1)
    ]


def ccxt_tables(tables: Mapping[str, Rows]) -> dict[str, object]:
    """A whole file of them."""
    return {symbol: ccxt_tiers(symbol, rows) for symbol, rows in tables.items()}


def plain_tiers(rows: Sequence[Sequence[float | None]]) -> list[dict[str, object]]:
    """As ccxt gives those of a venue that takes nothing off: floor, cap, rate, leverage."""
    names = ("minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage")
    return [dict(zip(names, row, strict=True)) | {"info": {}} for row in rows]


def brackets(name: str, rows: Rows, sizes: str = "notional") -> dict[str, object]:
    """As Binance's leverageBracket answers; `qty` for COIN-M."""
    return {
        "symbol": name,
        "brackets": [
            {
                "bracket": place,
                "initialLeverage": leverage,
                f"{sizes}Cap": cap,
                f"{sizes}Floor": floor,
                "maintMarginRatio": rate,
                "cum": deduction,
            }
            for place, (floor, cap, rate, leverage, deduction) in enumerate(rows, 1)
        ],
    }
