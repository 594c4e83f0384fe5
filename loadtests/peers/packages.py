"""What packages compute of the same positions, each by its own function, in the peers' environment.

Accounts come as JSON on standard input; a JSON object by package goes to standard output: the
figure of every position, and the median seconds that computing all of them took.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from freqtrade.enums import MarginMode, RunMode, TradingMode
from freqtrade.exchange.binance import Binance
from nautilus_trader.accounting.margin_models import StandardMarginModel
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Currency, Price, Quantity

from loadtests.peers.positions import TIERS

ROUNDS = 5
Figures = list[float | None]


class Offline(Binance):  # type: ignore[misc]  # it is not installed where types are checked
    """freqtrade's Binance with the tiers it would have fetched, and no connection."""

    def __init__(self, symbols: set[str]) -> None:
        floors = (0.0, *(border for border, _, _ in TIERS[:-1]))
        tiers = [
            {"minNotional": floor, "maintenanceMarginRate": rate, "maintAmt": amount}
            for floor, (_, rate, amount) in zip(floors, TIERS, strict=True)
        ]
        self._config = {"runmode": RunMode.BACKTEST}
        self._leverage_tiers = dict.fromkeys(symbols, tiers)
        self.trading_mode, self.margin_mode = TradingMode.FUTURES, MarginMode.ISOLATED

    def __del__(self) -> None:
        """There is nothing to close."""


def liquidation_prices(positions: list[dict[str, Any]]) -> Callable[[], Figures]:
    """By freqtrade as its bot calls it: the tier is that of the stake, which is the collateral."""
    exchange = Offline({position["symbol"] for position in positions})
    rows = [
        {
            "pair": position["symbol"],
            "open_rate": position["entryPrice"],
            "is_short": position["side"] == "short",
            "amount": position["contracts"],
            "stake_amount": position["margin"],
            "leverage": position["leverage"],
            "wallet_balance": position["margin"],
            "open_trades": [],
        }
        for position in positions
    ]
    return lambda: [exchange.dry_run_liquidation_price(**row) for row in rows]


def maintenance_margins(positions: list[dict[str, Any]]) -> Callable[[], Figures]:
    """By NautilusTrader, which has one rate an instrument: that of the first tier."""
    model, contract = StandardMarginModel(), _perpetual(TIERS[0][1])
    rows = [
        (
            PositionSide.LONG if position["side"] == "long" else PositionSide.SHORT,
            Quantity(position["contracts"], 9),
            Price(position["markPrice"], 9),
            Decimal(position["leverage"]),
        )
        for position in positions
    ]
    return lambda: [model.calculate_margin_maint(contract, *row).as_double() for row in rows]


def _perpetual(maintenance_rate: float) -> CryptoPerpetual:
    return CryptoPerpetual(
        instrument_id=InstrumentId(Symbol("PEER"), Venue("BINANCE")),
        raw_symbol=Symbol("PEER"),
        base_currency=Currency.from_str("BTC"),
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=9,
        size_precision=9,
        price_increment=Price(1e-9, 9),
        size_increment=Quantity(1e-9, 9),
        margin_init=Decimal("0.05"),
        margin_maint=Decimal(str(maintenance_rate)),
        ts_event=0,
        ts_init=0,
    )


def timed(work: Callable[[], Figures]) -> dict[str, Any]:
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        figures = work()
        seconds.append(time.perf_counter() - start)
    return {"figures": figures, "seconds": statistics.median(seconds)}


def main() -> None:
    accounts = json.load(sys.stdin)
    positions = [position for account in accounts for position in account["positions"]]
    found = {
        "freqtrade": timed(liquidation_prices(positions)),
        "nautilus_trader": timed(maintenance_margins(positions)),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
