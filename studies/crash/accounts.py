"""Seeded traders of the crash: half isolated with one contract, half cross with up to four.

An isolated position is margined in its coin, as these contracts are. A cross account has dollars
behind all its contracts (the venue's portfolio margin). Leverage is log-uniform from 2 to 20, of
the position or of all of them together, and at most what the tier of a position's size allows.
Sizes are log-normal around 5,000 USD, seven in ten positions are long, and everybody entered at
the spot median of the first second.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.markets import MarketTable
from service.risk.model import USD, Account, Balance, Instrument, Position, Tier

VENUE = "binance"
LEVERAGES = (2.0, 20.0)
SIZE_MEDIAN_USD, SIZE_SIGMA = 5_000.0, 1.6
LONG_SHARE, CROSS_SHARE = 0.7, 0.5
MARKETS_MOST = 4
CONTRACT_USD = 10.0
TAKER_FEE = 0.0005

TierRows = list[list[float]]  # floor, cap, rate, max leverage, deduction; money of the quote


@dataclass(frozen=True, slots=True)
class Listing:
    """A contract, the price everybody enters at, and its tiers in USD."""

    coin: str
    price: float
    tiers: TierRows

    @property
    def symbol(self) -> str:
        return f"{self.coin}/USD:{self.coin}"

    def leverage_most(self, size_usd: float) -> float:
        """Return what the tier of a position of this size allows."""
        return next((row[3] for row in self.tiers if size_usd < row[1]), self.tiers[-1][3])

    def instrument(self) -> Instrument:
        """Return the inverse contract; floors are counted in the coin, as the venue does."""
        tiers = tuple(
            Tier(floor / self.price, cap / self.price, rate, max_leverage)
            for floor, cap, rate, max_leverage, _ in self.tiers
        )
        return Instrument(
            symbol=self.symbol,
            linear=False,
            contract_size=CONTRACT_USD,
            base=self.coin,
            quote=USD,
            settle=self.coin,
            tiers=tiers,
            venue=VENUE,
            taker_fee=TAKER_FEE,
        )


def market_table(listings: list[Listing]) -> MarketTable:
    """Return a table that knows the contracts, and no mark yet."""
    table = MarketTable()
    for each in listings:
        table.put_instrument(each.instrument())
    return table


@dataclass(frozen=True, slots=True)
class Trader:
    """An account of one pool, and what it was drawn with."""

    account: Account
    leverage: float

    @property
    def is_cross(self) -> bool:
        return self.account.collateral_mode == "multi"


def draw_traders(count: int, seed: int, listings: list[Listing]) -> list[Trader]:
    """Return `count` traders; the same seed gives the same."""
    source = np.random.default_rng(seed)
    return [_trader(f"trader-{number:05d}", source, listings) for number in range(count)]


def _trader(name: str, source: np.random.Generator, listings: list[Listing]) -> Trader:
    low, high = np.log(LEVERAGES)
    wanted = float(np.exp(source.uniform(low, high)))
    is_cross = bool(source.random() < CROSS_SHARE)
    most = MARKETS_MOST if is_cross else 1
    count = int(source.integers(1, min(most, len(listings)) + 1))
    chosen = [listings[row] for row in source.choice(len(listings), size=count, replace=False)]
    contracts = [_contracts(source) for _ in chosen]
    sizes = [abs(each) * CONTRACT_USD for each in contracts]
    allowed = [one.leverage_most(size) for one, size in zip(chosen, sizes, strict=True)]
    leverage = min(wanted, *allowed)
    positions = tuple(
        Position(one.symbol, size, one.price, isolated=not is_cross, leverage=leverage)
        for one, size in zip(chosen, contracts, strict=True)
    )
    if not is_cross:
        return Trader(Account(name, VENUE, positions=positions), leverage)
    wallet = (Balance(USD, sum(sizes) / leverage),)
    return Trader(Account(name, VENUE, "multi", wallet, positions), leverage)


def _contracts(source: np.random.Generator) -> float:
    """Return a position in contracts; short is below zero."""
    size_usd = float(np.exp(source.normal(np.log(SIZE_MEDIAN_USD), SIZE_SIGMA)))
    sign = 1.0 if source.random() < LONG_SHARE else -1.0
    return sign * max(1.0, round(size_usd / CONTRACT_USD))
