"""One pool's figures, one number after the other: plain Python, no columns, every term kept.

The monitor judges by compiled passes over columns (`risk.margin`, `risk.legs`, `monitor.kernels`).
This is the same rule written again for one pool: the arithmetic is in the order that the rule is
written in, in the same binary numbers, so that an alert which was logged right is met to the last
digit, and one that was not is not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.audit.recorded import Recorded, RecordedMark
from service.audit.tiers import Tiers, tiers_of
from service.contract.alerts import CrossPool, PoolName
from service.risk.model import USD, Account, Balance, Instrument, Position
from service.risk.quality import GOOD, Verdict
from service.risk.reports import price_in_usd
from service.risk.symbols import settle_of
from service.risk.venues import RULES, VenueRule


@dataclass(slots=True)
class LegSum:
    """Every term of one position, in its settle asset; what is made of something missing is NaN."""

    position: Position
    instrument: Instrument | None
    instrument_id: int | None  # the entry that brought it, None: before the snapshot
    used: RecordedMark | None
    size: float = math.nan
    entry_notional: float = math.nan
    notional: float = math.nan
    pnl: float = math.nan
    on_entry: bool = False  # the requirement is taken of the notional at the entry price
    tiers: Tiers | None = None
    tier: int = 0
    fee_rate: float = 0.0
    fixed_fee: float = 0.0
    maintenance: float = math.nan
    leverage: float = math.nan
    initial_fee: float = 0.0
    initial_on_entry: bool = False
    initial: float = math.nan
    margin: float = 0.0  # isolated wallet margin
    price: float = 1.0  # of a unit of the settle asset, in the pool's money

    @property
    def settle(self) -> str:
        """The asset its money is in."""
        return self.instrument.settle if self.instrument else settle_of(self.position.symbol)

    @property
    def basis(self) -> float:
        """The notional that the requirement is taken of."""
        return self.entry_notional if self.on_entry else self.notional


@dataclass(slots=True)
class PoolSum:
    """What a pool's positions and balances come to; NaN where something is missing."""

    rule: VenueRule
    multi: bool
    legs: list[LegSum]
    held: list[tuple[Balance, float, float]] = field(default_factory=list)  # price, worth
    wallet: float = 0.0
    pnl: float = 0.0
    initial: float = 0.0
    maintenance: float = 0.0

    @property
    def equity(self) -> float:
        return self.wallet + self.pnl

    @property
    def is_open(self) -> bool:
        """Whether it has a position."""
        return bool(self.legs)

    @property
    def unpriced(self) -> bool:
        return not math.isfinite(self.equity + self.initial + self.maintenance)

    @property
    def verdict(self) -> Verdict:
        """The worst quality of the marks it goes by, and the highest level that all allow."""
        said = [leg.used.verdict for leg in self.legs if leg.used is not None]
        return Verdict(
            max((one.quality for one in said), default=GOOD.quality),
            min((one.most for one in said), default=GOOD.most),
        )

    @property
    def ratio(self) -> float:
        return self.maintenance / self.equity if self.equity > 0.0 else math.nan


def sum_up(
    account: Account, pool: PoolName, recorded: Recorded, pegged: frozenset[str]
) -> PoolSum | None:
    """Return the figures of an account's pool, None where the account has no such pool."""
    positions = [one for one in account.positions if _is_in(account, pool, one, recorded)]
    balances = [] if not isinstance(pool, CrossPool) else _balances(account, pool.settle)
    if not positions and not balances:
        return None
    multi = account.collateral_mode == "multi" and isinstance(pool, CrossPool)
    found = PoolSum(RULES[account.venue], multi, [])
    for balance in balances:
        price = _price(account, balance.asset, recorded, pegged) if multi else 1.0
        weight = balance.weight if balance.amount > 0.0 else 1.0
        worth = balance.amount * price * weight if multi else balance.amount
        found.held.append((balance, price, worth))
        found.wallet += worth
    for position in positions:
        leg = _leg(account, position, recorded)
        leg.price = _price(account, leg.settle, recorded, pegged) if multi else 1.0
        _add(found, leg)
    return found


def revalued(found: PoolSum, at: LegSum, mark: float) -> tuple[float, float]:
    """Return equity and maintenance if one position's mark were another, all else as it is."""
    moved = PoolSum(found.rule, found.multi, [], wallet=sum(worth for *_, worth in found.held))
    for leg in found.legs:
        _add(moved, _valued(_copy(leg), mark) if leg is at else leg)
    return moved.equity, moved.maintenance


def _is_in(account: Account, pool: PoolName, position: Position, recorded: Recorded) -> bool:
    terms = recorded.instrument_of(account.venue, position.symbol)
    settle = terms[0].settle if terms else settle_of(position.symbol)
    if isinstance(pool, CrossPool):
        mine = USD if account.collateral_mode == "multi" else settle
        return not position.isolated and mine == pool.settle
    named = (position.symbol, position.side, settle) == (pool.symbol, pool.side, pool.settle)
    return position.isolated and named


def _balances(account: Account, settle: str) -> Sequence[Balance]:
    if account.collateral_mode == "multi":  # all of them back the one pool in USD
        return [one for one in account.balances if one.amount != 0.0 and settle == USD]
    return [one for one in account.balances if one.amount != 0.0 and one.asset == settle]


def _price(account: Account, asset: str, recorded: Recorded, pegged: frozenset[str]) -> float:
    """Return what a unit of an asset is worth in USD by the stream, NaN where nobody says."""
    return price_in_usd(asset, pegged, lambda symbol: recorded.worth_of(account.venue, symbol))


def _add(found: PoolSum, leg: LegSum) -> None:
    found.legs.append(leg)
    found.wallet += leg.margin
    found.pnl += leg.pnl * leg.price
    found.initial += leg.initial * leg.price
    found.maintenance += leg.maintenance * leg.price


def _copy(leg: LegSum) -> LegSum:
    return LegSum(**{name: getattr(leg, name) for name in LegSum.__slots__})


def _leg(account: Account, position: Position, recorded: Recorded) -> LegSum:
    rule = RULES[account.venue]
    terms = recorded.instrument_of(account.venue, position.symbol)
    used = recorded.mark_of(account.venue, position.symbol)
    if terms is None:
        return LegSum(position, None, None, used)
    instrument, market_id = terms
    leg = LegSum(position, instrument, market_id, used)
    _put_terms(leg, instrument, rule)
    return leg if used is None else _valued(leg, used.mark.mark_price)


def _put_terms(leg: LegSum, instrument: Instrument, rule: VenueRule) -> None:
    """Write what no mark moves: size, entry notional, leverage, fees, isolated margin."""
    position, isolated = leg.position, leg.position.isolated
    contract_size = position.contract_size or instrument.contract_size
    leg.size = position.contracts * contract_size
    leg.entry_notional = notional_at(instrument, leg.size, position.entry_price)
    leg.tiers = tiers_of(instrument, rule)
    at_entry = leg.tiers.tier(position.contracts, leg.entry_notional)
    leg.leverage = position.leverage or leg.tiers.max_leverage[at_entry] or 1.0
    kind = rule.fee_isolated if isolated else rule.fee_cross
    fee = rule.default_fee if instrument.taker_fee is None else instrument.taker_fee
    margin = leg.entry_notional / leg.leverage
    # Losing its margin, a linear long or an inverse short is closed at less notional than at entry.
    less = -1.0 if instrument.linear == (leg.size > 0.0) and kind != "on_cost" else 1.0
    closing_fee = fee * max(0.0, leg.entry_notional + less * margin)
    leg.initial_fee = closing_fee if rule.initial_fee else 0.0
    share = 1.0 + less * fee
    if isolated and kind == "at_bankruptcy" and position.margin is not None and share > 0.0:
        closing_fee = fee * (max(0.0, leg.entry_notional + less * position.margin) / share)
    leg.fee_rate = fee if kind == "on_notional" else 0.0
    leg.fixed_fee = closing_fee if kind in ("at_bankruptcy", "on_cost") else 0.0
    leg.on_entry = (rule.basis_isolated if isolated else rule.basis_cross) == "entry"
    initial_basis = rule.initial_basis_isolated if isolated else rule.initial_basis_cross
    leg.initial_on_entry = initial_basis == "entry"
    if isolated:
        given = position.margin
        leg.margin = margin + leg.initial_fee if given is None else given


def _valued(leg: LegSum, mark: float) -> LegSum:
    """Write what a mark makes of a position."""
    instrument, tiers, position = leg.instrument, leg.tiers, leg.position
    assert instrument is not None
    assert tiers is not None
    leg.notional = notional_at(instrument, leg.size, mark)
    moved = leg.size * (mark - position.entry_price)
    leg.pnl = moved if instrument.linear else moved / position.entry_price / mark
    leg.tier = tiers.tier(position.contracts, leg.basis)
    fee = leg.fee_rate
    if tiers.by_contracts:
        fee -= tiers.rebate[leg.tier] / abs(position.contracts)
    required = leg.basis * tiers.rate[leg.tier] - tiers.deduction[leg.tier]
    leg.maintenance = required + leg.basis * fee + leg.fixed_fee
    initial_basis = leg.entry_notional if leg.initial_on_entry else leg.notional
    leg.initial = initial_basis / leg.leverage + leg.initial_fee
    return leg


def notional_at(instrument: Instrument, size: float, price: float) -> float:
    """Return the notional at a price: linear in quote, inverse in coin."""
    return abs(size) * price if instrument.linear else abs(size) / price
