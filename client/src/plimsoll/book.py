"""What comes of the whole monitored book under a move: frozen records of sums and of the worst."""

from dataclasses import dataclass
from typing import Literal

from plimsoll.answers import Fault
from plimsoll.documents import Level
from plimsoll.scenarios import PriceBasis
from plimsoll.simulation import AssetTotal, FundChange


@dataclass(frozen=True, slots=True)
class MarketIds:
    """The entries of the market stream whose marks the parts of the map go by."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class MissingMoney:
    """What closing an account's pools of an asset leaves missing, whoever pays it."""

    asset: str
    shortfall: float


@dataclass(frozen=True, slots=True)
class WorstAccount:
    """An account that falls short; `level` is the worst on the way."""

    id: str
    level: Level
    shortfall_usd: float
    money: list[MissingMoney]


@dataclass(frozen=True, slots=True)
class BookScenario:
    """One scenario on the whole book; a total in USD is null where an asset has no price."""

    name: str | None
    index: int
    moves: dict[str, float] | None
    levels: dict[str, int]
    notional_usd: float | None
    shortfall_usd: float | None
    owed_usd: float | None
    totals: list[AssetTotal]
    funds: list[FundChange]
    worst: list[WorstAccount]
    unranked: int


@dataclass(frozen=True, slots=True)
class Book:
    """Scenarios settled by sums: nobody is deleveraged one by one, and no account is listed."""

    timestamp: int
    settled_by: Literal["sums"]
    price_basis: PriceBasis
    market_ids: MarketIds
    accounts: int
    scenarios: list[BookScenario]
    problems: list[Fault]


@dataclass(frozen=True, slots=True)
class MapMoney:
    """What is liquidated at a point of pools that one venue counts in one asset; money in it."""

    venue: str
    asset: str
    pools: int
    long_notional: float | None
    short_notional: float | None
    shortfall: float | None
    fund: float | None
    deleveraged: float | None
    socialised: float | None
    owed: float | None
    venue_pays: float | None
    fund_after: float | None


@dataclass(frozen=True, slots=True)
class MapPoint:
    """One move; a total in USD is null where an asset in it has no price."""

    move_pct: float
    accounts: int
    accounts_short: int
    pools: int
    notional_usd: float | None
    shortfall_usd: float | None
    owed_usd: float | None
    by_asset: list[MapMoney]


@dataclass(frozen=True, slots=True)
class LiquidationMap:
    """The map; `pools` were judged at every point, `unpricedPools` of them are in none."""

    timestamp: int
    symbol: str | None
    venue: str | None
    market_ids: MarketIds
    accounts: int
    pools: int
    unpriced_pools: int
    points: list[MapPoint]
