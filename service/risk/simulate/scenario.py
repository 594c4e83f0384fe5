"""What is supposed: where prices go, at which prices is closed, what liquidations do to prices.

Everything is by symbol, whoever's account it is: a part of a book needs no numbers of another's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.risk.columns import Floats


@dataclass(frozen=True, slots=True)
class Shock:
    """One step of prices, from the marks before the scenario; a symbol not named goes with all.

    Of a symbol that has both a mark and a percentage the mark counts. `all_pct` moves every
    contract and the coins held, but neither dollars nor stablecoins; a coin goes with the first
    contract by name that is shocked and whose base it is.
    """

    all_pct: float = 0.0  # > -100
    pct: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Depth:
    """One side of a market's order book: what fills until a price so far from the mark."""

    pct: Floats  # > 0, rising; of the mark, against who closes
    notional: Floats  # >= 0, cumulative, in the settle asset


@dataclass(frozen=True, slots=True)
class Impact:
    """The square-root rule: ln(price) moves by `coefficient` x sqrt(notional / daily volume)."""

    coefficient: float
    daily_volume: float  # > 0, in the settle asset


@dataclass(frozen=True, slots=True)
class Slippage:
    """How much worse than the mark a position closes, by its own notional; nothing: at the mark.

    Each position meets the whole depth: others' liquidations have been forgotten by then. What is
    larger than the depth fills at its last price.
    """

    bids: Mapping[str, Depth] = field(default_factory=dict)  # what closes longs, by symbol
    asks: Mapping[str, Depth] = field(default_factory=dict)
    impacts: Mapping[str, Impact] = field(default_factory=dict)
    others: Impact | None = None  # symbols without a depth or an impact of their own


@dataclass(frozen=True, slots=True)
class Cascade:
    """All that was liquidated of a symbol, net, moves its price, until nothing more falls."""

    impacts: Mapping[str, Impact]
    others: Impact | None = None
    rounds_max: int = 50  # of a step


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps in their order; liquidations happen at the step where the line is crossed."""

    steps: tuple[Shock, ...]
    slippage: Slippage = Slippage()
    cascade: Cascade | None = None
