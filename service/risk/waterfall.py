"""What a liquidation leaves and who pays it: fund, deleveraged positions, everybody, the trader.

Pools are closed at their fill prices. What is left above zero goes to the fund as far as the venue
takes it, the rest to the trader. What is missing (the shortfall) is paid in order: a loan stays the
trader's; the insurance fund pays what it has; the part of the position that it cannot pay for is
handed to the queue instead of the market; what the queue does not take is spread over the market's
open positions where the venue does that; the rest the trader owes, or the venue bears where
negative balances are protected. Every stage is columns, one row a pool, and for each pool the
payers add up to its shortfall.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.adl import Offers, scores, take_over
from service.risk.closing import Closing, borrowed, filled, pool_shares, price_after
from service.risk.columns import Batch, Bools, Floats, Ints, sums_by
from service.risk.fund import Funds, run
from service.risk.margin import Assessment
from service.risk.policy import (
    AT_MARK,
    MIXED,
    NO_DELEVERAGING,
    POLICY_COLUMNS,
    PolicyColumns,
)

_ROUNDING = 1e-12  # relative: what is missing by less is covered


@dataclass(slots=True)
class Settlement:
    """Who has what after it; money of pools that were not closed is 0.

    By pool, in its money: shortfall = fund + deleveraged + socialised + owed + venue, and
    remainder = kept + contributed - shortfall.
    """

    remainder: Floats
    kept: Floats  # the trader's
    contributed: Floats  # the fund's, of a surplus
    shortfall: Floats
    fund: Floats  # paid by it
    deleveraged: Floats  # saved by handing positions to the queue
    socialised: Floats
    owed: Floats  # what the venue's rules leave to the trader
    venue: Floats  # what is left to the venue itself
    handed_over: Floats  # a leg: size (base, inverse: quote) taken over from it
    reduced: Floats  # a leg: size deleveraged away
    deleveraging_cost: Floats  # a leg, in its settle asset, against the mark
    socialised_cost: Floats  # a leg, in its settle asset
    fees: Floats  # paid for what was closed in the market
    fund_balance: Floats  # an asset, afterwards


@dataclass(slots=True)
class _Event:
    """What is being settled."""

    batch: Batch
    assessment: Assessment
    closing: Closing
    closed: Bools
    order: Ints  # of the pools' liquidation
    policies: PolicyColumns


@dataclass(slots=True)
class _Handover:
    """What it takes to hand whole legs to the queue instead of closing them; a row a leg."""

    price: Floats  # NaN: there is none
    saved: Floats  # pool money, against closing at the fill


@dataclass(slots=True)
class _Queued:
    """What the queue took and what that did."""

    saved: Floats  # a pool
    over: Floats  # a leg
    reduced: Floats  # a leg
    cost: Floats  # a leg


def riskiest_first(equity: Floats, maintenance: Floats) -> Ints:
    """Return rows in the order of liquidation: least equity for each unit of maintenance first.

    Nothing required and something held is the least risky. Of equal ratios the larger requirement
    comes first, then the smaller equity (dYdX orders its accounts so).
    """
    ratio = np.where(equity == 0.0, np.inf, np.copysign(np.inf, equity))
    np.divide(equity, maintenance, out=ratio, where=maintenance > 0.0)
    return np.lexsort((equity, -maintenance, ratio))


def settle(
    batch: Batch,
    assessment: Assessment,
    closing: Closing,
    *,
    closed: Bools,
    funds: Funds,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Settlement:
    """Close some priced pools, the riskiest first, and let everybody pay what is theirs."""
    pools, rule = assessment.pools, batch.pools.rule
    order = riskiest_first(pools.equity, pools.maintenance_margin)
    event = _Event(batch, assessment, closing, closed, order, policies)
    remainder = np.where(closed, closing.remainder, 0.0)
    surplus, shortfall = np.maximum(0.0, remainder), np.maximum(0.0, -remainder)
    share = fund_share(batch, assessment, closing.notional, policies)
    contributed = np.where(closed, np.minimum(surplus, share), 0.0)
    protected = policies.negative_balance_protection[rule]
    loan = np.where(protected & policies.claims_borrowed[rule], borrowed(batch, assessment), 0.0)
    claimed = np.minimum(shortfall, loan)
    paid, balance = _funded(event, contributed, shortfall - claimed, funds)
    queued = _deleveraged(event, shortfall - claimed - paid)
    spread, spread_cost = _socialised(event, shortfall - claimed - paid - queued.saved)
    left = np.maximum(0.0, shortfall - claimed - paid - queued.saved - spread)
    kept_open = np.zeros(len(queued.over))
    np.divide(queued.over, np.abs(assessment.legs.size), out=kept_open, where=queued.over > 0.0)
    fee = np.where(closed[batch.legs.pool], closing.fee * (1.0 - kept_open), 0.0)
    return Settlement(
        remainder=remainder,
        kept=surplus - contributed,
        contributed=contributed,
        shortfall=shortfall,
        fund=paid,
        deleveraged=queued.saved,
        socialised=spread,
        owed=claimed + np.where(protected, 0.0, left),
        venue=np.where(protected, left, 0.0),
        handed_over=queued.over,
        reduced=queued.reduced,
        deleveraging_cost=queued.cost,
        socialised_cost=spread_cost,
        fees=sums_by(batch.legs.pool, fee * assessment.legs.settle_price, len(rule)),
        fund_balance=balance,
    )


def fund_share(
    batch: Batch,
    assessment: Assessment,
    notional: Floats,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Floats:
    """Return how much of a surplus the venue's fund may take, a pool: all of it at the backstop.

    `notional` is what of each pool is closed, in its money.
    """
    rule = batch.pools.rule
    rate = policies.surplus_rate[rule]
    everything = np.isinf(rate) | backstopped(batch, assessment, policies)
    most = np.where(everything, np.inf, np.where(np.isinf(rate), 0.0, rate) * notional)
    return np.where(policies.fund[rule] & assessment.pools.open, most, 0.0)


def backstopped(
    batch: Batch, assessment: Assessment, policies: PolicyColumns = POLICY_COLUMNS
) -> Bools:
    """Return the pools that are so far below maintenance that all of them is taken."""
    pools, part = assessment.pools, policies.backstop[batch.pools.rule]
    taken: Bools = pools.open & (part > 0.0) & (pools.equity < part * pools.maintenance_margin)
    return taken


def _funded(
    event: _Event, contributed: Floats, wanted: Floats, funds: Funds
) -> tuple[Floats, Floats]:
    """Let the venue's funds take and pay in the order of liquidation."""
    has_fund = event.closed & event.policies.fund[event.batch.pools.rule]
    rows = event.order[has_fund[event.order]]
    each, balance = run(funds, event.batch.pools.settle[rows], contributed[rows], wanted[rows])
    paid = np.zeros(len(has_fund))
    paid[rows] = each
    return paid, balance


def _deleveraged(event: _Event, left: Floats) -> _Queued:
    """Hand as much of each position to the queue as saves what is left to pay."""
    batch, assessment, at = event.batch, event.assessment, event.batch.legs.pool
    legs, size, pools = assessment.legs, np.abs(assessment.legs.size), len(left)
    rule = batch.pools.rule
    due = event.closed & (left > 0.0) & (event.policies.deleveraging[rule] != NO_DELEVERAGING)
    if not due.any():
        none = np.zeros(len(at))
        return _Queued(np.zeros(pools), none, none, none)
    handover = _handover(event)
    able = due[at] & ~np.isnan(handover.price) & (handover.saved >= 0.0)
    whole = sums_by(at, np.where(able, handover.saved, 0.0), pools)
    part = np.ones(pools)
    np.divide(left, whole, out=part, where=whole > left)
    place = np.argsort(event.order)
    rows = np.flatnonzero(able)
    rows = rows[np.argsort(place[at[rows]], kind="stable")]
    given_up = filled(batch, assessment, handover.price).pnl
    cost = (given_up - filled(batch, assessment, legs.mark).pnl) / size
    offers = Offers(rows, size[rows] * part[at[rows]], cost[rows])
    taken = take_over(
        batch, assessment, offers, ~event.closed, scores(batch, assessment, event.policies)
    )
    over, saved = np.zeros(len(at)), np.zeros(len(at))
    over[rows] = taken.size
    saved[rows] = handover.saved[rows] * (taken.size / size[rows])
    covered = sums_by(at, saved, pools)
    covered = np.where(covered >= left * (1.0 - _ROUNDING), left, covered)
    return _Queued(covered, over, taken.reduced, taken.cost)


def _handover(event: _Event) -> _Handover:
    """Price the legs for the queue: where the pool's loss is nil, or at the mark, by policy."""
    batch, assessment, closing = event.batch, event.assessment, event.closing
    legs, terms, at = assessment.legs, assessment.terms, batch.legs.pool
    rule, mark = batch.pools.rule[at], legs.mark
    shortfall = np.maximum(0.0, -closing.remainder)[at] * pool_shares(batch, assessment)
    change = shortfall / legs.settle_price - closing.fee
    price = price_after(terms, closing.fills, change)
    way = event.policies.deleveraging[rule]
    far = np.abs(price - mark) > event.policies.mixed_beyond[rule] * mark
    price = np.where((way == AT_MARK) | ((way == MIXED) & far), mark, price)
    better = filled(batch, assessment, price).pnl - closing.pnl + closing.fee
    return _Handover(price, better * legs.settle_price)


def _socialised(event: _Event, left: Floats) -> tuple[Floats, Floats]:
    """Spread what is left over the open positions of each market, by size."""
    batch, legs, closed = event.batch, event.assessment.legs, event.closed
    at, market, markets = batch.legs.pool, batch.legs.market, len(batch.markets.mark)
    due = closed & (left > 0.0) & event.policies.socialises[batch.pools.rule]
    if not due.any():
        return np.zeros(len(left)), np.zeros(len(at))
    part = np.where(due[at], left[at] * pool_shares(batch, event.assessment), 0.0)
    size = np.where(~closed[at] & ~legs.unpriced, np.abs(legs.size), 0.0)
    whole = sums_by(market, size, markets)
    part[whole[market] == 0.0] = 0.0
    loss = sums_by(market, part / legs.settle_price, markets)
    each = shared_out(loss[market], size, whole[market])
    return np.minimum(left, sums_by(at, part, len(left))), each


def shared_out(loss: Floats, part: Floats, whole: Floats) -> Floats:
    """Return what of a loss spread over a whole falls on each part; 0 where the whole is none."""
    rate = np.zeros(np.shape(whole))
    np.divide(loss, whole, out=rate, where=whole > 0.0)
    return rate * part
