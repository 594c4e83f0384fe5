"""The largest position, and the most leverage, with which a stop loses no more than it may.

The position is isolated. It is bound by the budget (loss at the stop, closing fee in), or by the
capital: its margin must carry it past the stop, so that the stop comes before liquidation, by the
venue's own rules and tiers. Both grow with the size, so the largest size is found by narrowing.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from service.risk.batch import build_batch
from service.risk.columns import Batch, Floats
from service.risk.evaluate import assess, copies, prices
from service.risk.health.stops import loss_line
from service.risk.markets import MarketTable
from service.risk.model import GENERIC_VENUE, Account, Position

Bound = Literal["budget", "capital"]
Reason = Literal["", "unknown_instrument", "stop_on_wrong_side", "out_of_range"]

_WIDTH = 64  # sizes tried at once
_ROUNDS = 9  # each narrows the size to a sixty-third: to less than 1e-15 of where it began
_PASSES = 4  # some venues' closing fee hangs on the leverage, by a thousandth: soon settled
_SAFELY = 1e-9  # relative: what carries the position past the stop is this much more


@dataclass(frozen=True, slots=True)
class SizeQuestion:
    """All > 0. Money is in the contract's settle asset."""

    symbol: str
    side: Literal["long", "short"]
    entry_price: float
    stop_price: float
    budget: float  # what the stop may lose
    capital: float  # what may be given as margin
    venue: str = GENERIC_VENUE
    leverage_max: float = 125.0
    clearance: float = 0.1  # liquidation lies beyond the stop by this share of entry to stop


@dataclass(frozen=True, slots=True)
class SizeAnswer:
    """NaN and None where there is a reason."""

    reason: Reason
    bound_by: Bound | None
    contracts: float
    leverage: float
    margin: float
    loss_at_stop: float
    liquidation_price: float  # NaN: nothing liquidates it


def size_position(table: MarketTable, question: SizeQuestion) -> SizeAnswer:
    """Return the largest position that keeps to budget and capital. Raises UnknownVenue."""
    side = 1.0 if question.side == "long" else -1.0
    if table.find_instrument(question.venue, question.symbol) is None:
        return _refused("unknown_instrument")
    if side * (question.entry_price - question.stop_price) <= 0.0:
        return _refused("stop_on_wrong_side")
    unit = Position(question.symbol, side, question.entry_price, isolated=True, leverage=1.0)
    account = Account("", venue=question.venue, positions=(unit,))
    tried = copies(build_batch([account], table)[0], np.zeros(_WIDTH, np.int64))
    with np.errstate(all="ignore"):  # what is out of range is NaN, and refused
        return _answer(tried, question, side)


def _answer(tried: Batch, question: SizeQuestion, side: float) -> SizeAnswer:
    first = np.zeros(1, np.int64)
    loss = _loss_of_one(tried, question)
    most = question.budget / loss
    if not (np.isfinite(most) and most > 0.0):
        return _refused("out_of_range")
    bound_by: Bound = "budget"
    low, high = 0.0, most
    for _ in range(_ROUNDS):
        sizes = np.linspace(low, high, _WIDTH)
        affordable = _capital(tried, question, side, sizes)[0] <= question.capital
        if bound_by == "budget" and affordable[-1]:
            low = most
            break
        bound_by = "capital"
        last = int(np.flatnonzero(affordable).max(initial=0))
        low, high = float(sizes[last]), float(sizes[min(last + 1, _WIDTH - 1)])
    one = copies(tried, first)
    margin, leverage = _capital(one, question, side, np.array([low]))
    liquidation = prices(one, assess(one)).liquidation
    return SizeAnswer(
        reason="",
        bound_by=bound_by,
        contracts=low,
        leverage=float(leverage[0]),
        margin=float(margin[0]),
        loss_at_stop=low * loss,
        liquidation_price=float(liquidation[0]),
    )


def _refused(reason: Reason) -> SizeAnswer:
    nan = float("nan")
    return SizeAnswer(reason, None, nan, nan, nan, nan, nan)


def _loss_of_one(tried: Batch, question: SizeQuestion) -> float:
    found = assess(tried)
    start, slope = loss_line(tried, found)
    price = question.stop_price if found.terms.linear[0] else 1.0 / question.stop_price
    return float(start[0] + slope[0] * price)


def _capital(
    tried: Batch, question: SizeQuestion, side: float, sizes: Floats
) -> tuple[Floats, Floats]:
    """Return the margin that each size takes at the most leverage it may have, and that leverage.

    Leaves the batch with these positions at the entry price.
    """
    legs = tried.legs
    legs.contracts, legs.leverage = side * sizes, np.ones(len(sizes))
    for _ in range(_PASSES):
        legs.margin = _needed(tried, question)
        legs.mark = np.full(len(sizes), question.entry_price)
        found = assess(tried)
        allowed = tried.tables.max_leverage.reshape(-1)[found.legs.tier]
        leverage = np.fmin(found.terms.entry_notional / legs.margin, allowed)
        legs.leverage = np.minimum(leverage, question.leverage_max)
    legs.margin = np.full(len(sizes), np.nan)
    margin = assess(tried).legs.margin
    return np.where(sizes > 0.0, margin, 0.0), legs.leverage


def _needed(tried: Batch, question: SizeQuestion) -> Floats:
    """Return the margin with which equity just meets the requirement past the stop.

    Some venues count a closing fee that depends on the margin: a line, so two guesses and a step.
    """
    legs = tried.legs
    past = question.stop_price - question.clearance * (question.entry_price - question.stop_price)
    legs.mark = np.full(len(legs.contracts), max(past, question.stop_price * 1e-6))
    legs.margin = np.zeros(len(legs.contracts))
    guess, slack = [], []
    for _ in range(2):
        found = assess(tried)
        guess.append(legs.margin)
        slack.append(found.pools.equity - found.pools.maintenance_margin)
        legs.margin = legs.margin - slack[-1]
    slope = (slack[1] - slack[0]) / (guess[1] - guess[0])
    needed = guess[1] - np.where(slack[1] == 0.0, 0.0, slack[1] / slope)
    return needed + _SAFELY * (np.abs(needed) + found.terms.entry_notional)
