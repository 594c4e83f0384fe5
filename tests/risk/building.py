"""Small worlds for the tests of the core: a few contracts, marks and one account, evaluated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.risk.batch import build_batch
from service.risk.columns import Batch
from service.risk.evaluate import assess, prices
from service.risk.liquidation import LegPrices
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Instrument, Mark, PoolKey, Position, Tier
from service.risk.numbered import Origin

INF = float("inf")
BTC = "BTC/USDT:USDT"
ETH = "ETH/USDT:USDT"
BTC_COIN = "BTC/USD:BTC"
# Floors 0, 10,000, 50,000; rates 1 %, 2.5 %, 10 %; deductions by continuity 0, 150, 3,900.
THREE_TIERS = (
    Tier(0.0, 10_000.0, 0.01, 50.0),
    Tier(10_000.0, 50_000.0, 0.025, 20.0),
    Tier(50_000.0, INF, 0.1, 5.0),
)


def one_rate(rate: float, deduction: float | None = None) -> tuple[Tier, ...]:
    """A table with a single tier."""
    return (Tier(0.0, INF, rate, deduction=deduction),)


def contract(symbol: str = BTC, tiers: tuple[Tier, ...] = THREE_TIERS, **terms: Any) -> Instrument:
    """A contract of one coin (inverse: one quote unit) under its unified symbol."""
    base, _, rest = symbol.partition("/")
    quote, _, settle = rest.partition(":")
    facts: dict[str, Any] = {
        "symbol": symbol,
        "linear": settle == quote,
        "contract_size": 1.0,
        "base": base,
        "quote": quote,
        "settle": settle,
        "tiers": tiers,
    }
    return Instrument(**(facts | terms))


def table_with(
    *instruments: Instrument, pegged: tuple[str, ...] = (), marks: Mapping[str, float] | None = None
) -> MarketTable:
    """A table with these contracts; marks by symbol."""
    table = MarketTable(pegged=pegged)
    for instrument in instruments:
        table.put_instrument(instrument)
    put_marks(table, marks or {})
    return table


def put_marks(table: MarketTable, marks: Mapping[str, float], venue: str = "generic") -> None:
    for symbol, price in marks.items():
        table.put_mark(Mark(symbol, price, venue=venue))


def held(*positions: Position, usdt: float = 0.0, **facts: Any) -> Account:
    """An account with these positions and, where not 0, a balance in USDT."""
    balances = (Balance("USDT", usdt),) if usdt else ()
    return Account(**({"account_key": "a", "balances": balances, "positions": positions} | facts))


@dataclass(frozen=True)
class Outcome:
    """One account through the engine."""

    batch: Batch
    assessment: Assessment
    keys: list[PoolKey]

    @property
    def prices(self) -> LegPrices:
        return prices(self.batch, self.assessment)


def outcome(table: MarketTable, account: Account) -> Outcome:
    batch, keys = build_batch([account], table)
    return Outcome(batch, assess(batch), keys[0])


def slack_at(table: MarketTable, account: Account, symbol: str, price: float) -> np.ndarray:
    """Equity less maintenance of every pool of an account if a symbol were at another price."""
    layer = MarketTable(table)
    layer.put_mark(Mark(symbol, price))
    pools = outcome(layer, account).assessment.pools
    return np.asarray(pools.equity - pools.maintenance_margin)


def origin_of(table: MarketTable, market: int) -> Origin:
    """Return where one market's instrument and mark are from."""
    return table.origins([market]).words[0]
