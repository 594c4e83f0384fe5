"""One account evaluated exactly: everything an answer of `POST /v1/evaluate` says, as Fractions."""

from dataclasses import dataclass, field

from service.risk.model import USD, Account, Level, PoolKey, Position
from service.risk.quality import Quality
from tests.reference.legs import Leg, initial, isolated_wallet, maintenance, notional
from tests.reference.legs import unrealised as unrealised_of
from tests.reference.pools import Figures, Pool, borrowed, figures, pools_of, table_level
from tests.reference.prices import Prices, prices
from tests.reference.rational import Fraction
from tests.reference.restore import deposit, reduce
from tests.reference.rules import ZERO
from tests.reference.world import World, asset_price


@dataclass(frozen=True, slots=True)
class LegAnswer:
    """A position in its settle asset; all but the position None where it is unpriced."""

    position: Position
    settle: str
    mark: Fraction | None = None
    notional: Fraction | None = None
    unrealised_pnl: Fraction | None = None
    initial_margin: Fraction | None = None
    maintenance_margin: Fraction | None = None
    margin: Fraction | None = None  # isolated wallet margin
    prices: Prices = field(default_factory=lambda: Prices(reason="unpriced"))
    reduce: Fraction | None = None


@dataclass(frozen=True, slots=True)
class PoolAnswer:
    """A pool in its own money; `worth` None where it is unpriced."""

    key: PoolKey
    worth: Figures | None
    level: Level
    quality: Quality
    most: Level
    shortfall: Fraction | None
    owed: Fraction | None
    deposit: Fraction | None
    legs: tuple[LegAnswer, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An account; `totals` None where a pool cannot be counted in `currency`."""

    level: Level
    currency: str
    totals: Figures | None
    pools: tuple[PoolAnswer, ...]


def answer_leg(pool: Pool, leg: Leg, worth: Figures | None) -> LegAnswer:
    settle = "" if leg.instrument is None else leg.instrument.settle
    if leg.instrument is None or leg.mark is None:
        return LegAnswer(leg.position, settle)
    return LegAnswer(
        leg.position,
        settle,
        leg.mark,
        notional(leg, leg.mark),
        unrealised_of(leg, leg.mark),
        initial(leg, leg.mark),
        maintenance(leg, leg.mark),
        isolated_wallet(leg) if leg.position.isolated else None,
        prices(pool, leg.position.symbol, worth),
        None if worth is None else reduce(pool, leg, worth),
    )


def answer_pool(pool: Pool) -> PoolAnswer:
    worth = figures(pool)
    shortfall = None if worth is None else max(ZERO, -worth.equity)
    return PoolAnswer(
        pool.key,
        worth,
        table_level(pool, worth),
        pool.quality,
        pool.most,
        shortfall,
        None if shortfall is None else owed(pool, shortfall),
        None if worth is None else deposit(pool, worth),
        tuple(answer_leg(pool, leg, worth) for leg in pool.legs),
    )


def owed(pool: Pool, shortfall: Fraction) -> Fraction:
    """What the venue leaves to the trader of a shortfall."""
    if not pool.rule.protected:
        return shortfall
    return min(shortfall, borrowed(pool)) if pool.rule.loans_stay else ZERO


def currency_of(pools: list[Pool]) -> str:
    """The settle asset that all pools share, else USD."""
    settles = {pool.key.settle for pool in pools}
    return settles.pop() if len(settles) == 1 else USD


def total(pools: list[Pool], currency: str) -> Figures | None:
    sums = Figures(ZERO, ZERO, ZERO, ZERO)
    for pool in pools:
        worth, factor = figures(pool), Fraction(1)
        if pool.key.settle != currency:
            price = asset_price(pool.world, pool.venue, pool.key.settle)
            if price is None:
                return None
            factor = price
        if worth is None:
            return None
        sums = Figures(
            sums.wallet + factor * worth.wallet,
            sums.pnl + factor * worth.pnl,
            sums.initial + factor * worth.initial,
            sums.maintenance + factor * worth.maintenance,
        )
    return sums


def evaluate(account: Account, world: World) -> Answer:
    """Everything, at the world's marks."""
    pools = pools_of(account, world)
    currency = currency_of(pools)
    answers = tuple(answer_pool(pool) for pool in pools)
    level = max((answer.level for answer in answers), default=Level.HEALTHY)
    return Answer(level, currency, total(pools, currency), answers)
