"""The pools of an account and their sums at the marks or at a supposed price, exact."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.risk.model import (
    GENERIC_VENUE,
    USD,
    Account,
    Balance,
    Level,
    PoolKey,
    Position,
    Thresholds,
)
from service.risk.quality import GOOD, Quality
from tests.reference.legs import Leg, initial, isolated_wallet, maintenance, unrealised
from tests.reference.rational import Fraction
from tests.reference.rules import RULES, ZERO, Rule
from tests.reference.world import World, asset_price, look_up


@dataclass(frozen=True, slots=True)
class Pool:
    """A margin pool and the world it is priced by."""

    key: PoolKey
    legs: tuple[Leg, ...]
    balances: tuple[Balance, ...]
    multi: bool
    thresholds: Thresholds
    venue: str
    rule: Rule
    world: World

    @property
    def quality(self) -> Quality:
        """The worst of its marks."""
        return max((leg.verdict.quality for leg in self.legs), default=Quality.GOOD)

    @property
    def most(self) -> Level:
        """The highest level that all its marks raise it to."""
        return min((leg.verdict.most for leg in self.legs), default=Level.BANKRUPT)


@dataclass(frozen=True, slots=True)
class Figures:
    """Money of a pool at one set of prices."""

    wallet: Fraction
    pnl: Fraction
    initial: Fraction
    maintenance: Fraction

    @property
    def equity(self) -> Fraction:
        return self.wallet + self.pnl

    @property
    def excess(self) -> Fraction:
        return self.equity - self.maintenance


@dataclass(frozen=True, slots=True)
class Move:
    """A supposition: `symbol` trades at `price`, its base asset moves as much, all else stays."""

    symbol: str
    price: Fraction


@dataclass(frozen=True, slots=True)
class Shift:
    """A supposition: each of these symbols is at so many times its mark, its base asset too."""

    factors: Mapping[str, Fraction]


def price_of(leg: Leg, move: Move | Shift | None) -> Fraction | None:
    if isinstance(move, Shift):
        return None if leg.mark is None else leg.mark * move.factors[leg.position.symbol]
    moved = move is not None and move.symbol == leg.position.symbol
    return move.price if moved and move is not None else leg.mark


def _moved_asset(pool: Pool, asset: str, move: Move | Shift | None) -> Fraction:
    """How much a coin's price changes under the supposition: as much as its contract's."""
    if move is None:
        return Fraction(1)
    for leg in pool.legs:
        supposed = isinstance(move, Shift) or move.symbol == leg.position.symbol
        if supposed and leg.instrument is not None and leg.instrument.base == asset:
            assert leg.mark is not None
            price = price_of(leg, move)
            assert price is not None
            return price / leg.mark
    return Fraction(1)


def money_factor(pool: Pool, asset: str, move: Move | Shift | None = None) -> Fraction | None:
    """What one unit of `asset` is worth in the pool's own money."""
    if not pool.multi:
        return Fraction(1)
    price = asset_price(pool.world, pool.venue, asset)
    if price is None:  # then what the account itself says
        own = [balance.price for balance in pool.balances if balance.asset == asset]
        price = Fraction(own[0]) if own and own[0] is not None else None
    return None if price is None else price * _moved_asset(pool, asset, move)


def balance_value(
    pool: Pool, balance: Balance, move: Move | Shift | None = None
) -> Fraction | None:
    amount = Fraction(balance.amount)
    if not pool.multi or amount == 0:
        return amount
    factor = money_factor(pool, balance.asset, move)
    if factor is None:
        return None
    return amount * factor * (Fraction(balance.weight) if amount > 0 else 1)


def borrowed(pool: Pool) -> Fraction:
    """What its negative balances come to in the pool's money."""
    values = (balance_value(pool, balance) for balance in pool.balances)
    return sum((-value for value in values if value is not None and value < 0), ZERO)


def figures(pool: Pool, move: Move | Shift | None = None) -> Figures | None:
    """All sums of a pool; None where a mark, an instrument or a price it needs is missing."""
    wallet, pnl, initial_sum, maintenance_sum = ZERO, ZERO, ZERO, ZERO
    for balance in pool.balances:
        value = balance_value(pool, balance, move)
        if value is None:
            return None
        wallet += value
    for leg in pool.legs:
        price = price_of(leg, move)
        if leg.instrument is None or price is None:
            return None
        factor = money_factor(pool, leg.instrument.settle, move)
        if factor is None:
            return None
        wallet += isolated_wallet(leg) * factor if leg.position.isolated else ZERO
        pnl += unrealised(leg, price) * factor
        initial_sum += initial(leg, price) * factor
        maintenance_sum += maintenance(leg, price) * factor
    return Figures(wallet, pnl, initial_sum, maintenance_sum)


def make_leg(account: Account, position: Position, world: World) -> Leg:
    mark = look_up(world.marks, account.venue, position.symbol)
    own = position.mark_price
    price = own if own is not None else None if mark is None else mark.mark_price
    at = account.venue if (account.venue, position.symbol) in world.marks else GENERIC_VENUE
    return Leg(
        position,
        look_up(world.instruments, account.venue, position.symbol),
        None if price is None else Fraction(price),
        GOOD if own is not None else world.verdicts.get((at, position.symbol), GOOD),
        RULES[account.venue],
    )


def pools_of(account: Account, world: World) -> list[Pool]:
    """One pool an isolated position; the others share one a settle asset, or one in USD (multi).

    Cross first, by settle asset; then isolated, by symbol and side.
    """
    legs = [make_leg(account, position, world) for position in account.positions]
    multi = account.collateral_mode == "multi"
    crossed: dict[str, tuple[list[Leg], list[Balance]]] = {}
    for balance in account.balances:
        if balance.amount == 0.0 and not (multi and balance.price is not None):
            continue
        crossed.setdefault(USD if multi else balance.asset, ([], []))[1].append(balance)
    for leg in (leg for leg in legs if not leg.position.isolated):
        settle = USD if multi else settle_of(leg)
        crossed.setdefault(settle, ([], []))[0].append(leg)
    keyed = [
        (PoolKey("cross", settle), tuple(crossed[settle][0]), tuple(crossed[settle][1]), multi)
        for settle in sorted(crossed)
    ]
    alone = sorted(
        (leg for leg in legs if leg.position.isolated),
        key=lambda leg: (leg.position.symbol, leg.position.side),
    )
    for leg in alone:
        key = PoolKey("isolated", settle_of(leg), leg.position.symbol, leg.position.side)
        keyed.append((key, (leg,), (), False))
    return [
        Pool(*fields, account.thresholds, account.venue, RULES[account.venue], world)
        for fields in keyed
    ]


def settle_of(leg: Leg) -> str:
    """The instrument's, else what ccxt's unified symbol says after its colon."""
    if leg.instrument is not None:
        return leg.instrument.settle
    pair, _, settle = leg.position.symbol.partition(":")
    return settle or pair.partition("/")[2] or pair


def table_level(pool: Pool, worth: Figures | None) -> Level:
    """The first row of the contract's table that holds."""
    if not pool.legs:
        return Level.HEALTHY
    if worth is None:
        return Level.UNPRICED
    equity, required = worth.equity, worth.maintenance
    rows = (
        (required == 0 and equity >= 0, Level.HEALTHY),
        (equity < 0, Level.BANKRUPT),
        (required > equity if pool.rule.strict else required >= equity, Level.LIQUIDATION),
        (required >= Fraction(pool.thresholds.margin_call) * equity, Level.MARGIN_CALL),
        (required >= Fraction(pool.thresholds.warning) * equity, Level.WARNING),
        (True, Level.HEALTHY),
    )
    return next(level for holds, level in rows if holds)
