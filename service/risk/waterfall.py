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

from service.risk.adl import Offers, Standing, standing_of, take_over
from service.risk.closing import Closing
from service.risk.columns import Batch, Bools, Floats, Ints, sums_by
from service.risk.fund import Funds, run
from service.risk.losses import Losses, losses_of
from service.risk.margin import Assessment
from service.risk.policy import POLICY_COLUMNS, PolicyColumns

_ROUNDING = 1e-12  # relative: what is missing by less is covered


@dataclass(slots=True)
class Shared:
    """Who pays for losses: rows of `Losses`, of their legs, of `Standing`, then assets.

    By pool, in its money: shortfall = fund + deleveraged + socialised + owed + venue, and
    remainder = kept + contributed - shortfall.
    """

    order: Ints  # the pools as they are liquidated
    kept: Floats  # the trader's
    contributed: Floats  # the fund's, of a surplus
    shortfall: Floats
    fund: Floats  # paid by it
    deleveraged: Floats  # saved by handing positions to the queue
    socialised: Floats
    owed: Floats  # what the venue's rules leave to the trader
    venue: Floats  # what is left to the venue itself
    fees: Floats  # paid for what was closed in the market
    handed_over: Floats  # of a lost leg: size (base, inverse: quote) the queue took over
    reduced: Floats  # of who stands: size deleveraged away
    deleveraging_cost: Floats  # of who stands, in the settle asset, against the mark
    socialised_cost: Floats  # of who stands, in the settle asset
    fund_balance: Floats  # of an asset, afterwards


@dataclass(slots=True)
class Settlement:
    """`Shared` for a whole batch: rows are its pools and legs; 0 where nothing was closed."""

    remainder: Floats
    kept: Floats
    contributed: Floats
    shortfall: Floats
    fund: Floats
    deleveraged: Floats
    socialised: Floats
    owed: Floats
    venue: Floats
    handed_over: Floats  # a leg
    reduced: Floats  # a leg
    deleveraging_cost: Floats  # a leg
    socialised_cost: Floats  # a leg
    fees: Floats
    fund_balance: Floats  # an asset


@dataclass(slots=True)
class _Queued:
    """What the queue took and what that did."""

    saved: Floats  # a pool
    over: Floats  # a lost leg
    reduced: Floats  # of who stands
    cost: Floats  # of who stands


def riskiest_first(equity: Floats, maintenance: Floats) -> Ints:
    """Return rows in the order of liquidation: least equity for each unit of maintenance first.

    Nothing required and something held is the least risky. Of equal ratios the larger requirement
    comes first, then the smaller equity (dYdX orders its accounts so).
    """
    ratio = np.where(equity == 0.0, np.inf, np.copysign(np.inf, equity))
    with np.errstate(over="ignore"):  # next to nothing required: as good as nothing
        np.divide(equity, maintenance, out=ratio, where=maintenance > 0.0)
    return np.lexsort((equity, -maintenance, ratio))


def share_out(
    losses: Losses,
    standing: Standing,
    funds: Funds,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Shared:
    """Let everybody pay what is theirs, for the riskiest pool first.

    `standing` need only have the markets of pools that fall short.
    """
    rule, legs = losses.rule, losses.legs
    order = riskiest_first(losses.equity, losses.maintenance)
    surplus, shortfall = np.maximum(0.0, losses.remainder), np.maximum(0.0, -losses.remainder)
    contributed, claimed = np.minimum(surplus, losses.takes), np.minimum(shortfall, losses.loan)
    rows = order[policies.fund[rule[order]]]
    wanted, paid = shortfall - claimed, np.zeros(len(rule))
    paid[rows], balance = run(funds, losses.settle[rows], contributed[rows], wanted[rows])
    queued = _deleveraged(losses, standing, order, shortfall - claimed - paid)
    left = shortfall - claimed - paid - queued.saved
    spread, spread_cost = _socialised(
        losses, standing, np.where(policies.socialises[rule], left, 0.0)
    )
    left = np.maximum(0.0, left - spread)
    protected = policies.negative_balance_protection[rule]
    fee = legs.fee * (1.0 - shared_out(queued.over, 1.0, np.abs(legs.size)))
    return Shared(
        order=order,
        kept=surplus - contributed,
        contributed=contributed,
        shortfall=shortfall,
        fund=paid,
        deleveraged=queued.saved,
        socialised=spread,
        owed=claimed + np.where(protected, 0.0, left),
        venue=np.where(protected, left, 0.0),
        fees=sums_by(legs.pool, fee, len(rule)),
        handed_over=queued.over,
        reduced=queued.reduced,
        deleveraging_cost=queued.cost,
        socialised_cost=spread_cost,
        fund_balance=balance,
    )


def settle(
    batch: Batch,
    assessment: Assessment,
    closing: Closing,
    *,
    closed: Bools,
    funds: Funds,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Settlement:
    """Close some priced pools of a batch and let everybody in it pay what is theirs."""
    losses, pools, legs = losses_of(batch, assessment, closing, closed, policies)
    sought = sought_markets(losses, len(batch.markets.mark))
    standing, others = standing_of(batch, assessment, ~closed, sought, policies)
    shared = share_out(losses, standing, funds, policies)

    def of_pools(values: Floats) -> Floats:
        return _spread(values, pools, len(closed))

    def of_legs(values: Floats, rows: Ints) -> Floats:
        return _spread(values, rows, len(batch.legs.pool))

    return Settlement(
        remainder=of_pools(losses.remainder),
        kept=of_pools(shared.kept),
        contributed=of_pools(shared.contributed),
        shortfall=of_pools(shared.shortfall),
        fund=of_pools(shared.fund),
        deleveraged=of_pools(shared.deleveraged),
        socialised=of_pools(shared.socialised),
        owed=of_pools(shared.owed),
        venue=of_pools(shared.venue),
        handed_over=of_legs(shared.handed_over, legs),
        reduced=of_legs(shared.reduced, others),
        deleveraging_cost=of_legs(shared.deleveraging_cost, others),
        socialised_cost=of_legs(shared.socialised_cost, others),
        fees=of_pools(shared.fees),
        fund_balance=shared.fund_balance,
    )


def _spread(values: Floats, rows: Ints, many: int) -> Floats:
    column = np.zeros(many)
    column[rows] = values
    return column


def sought_markets(losses: Losses, markets: int) -> Bools:
    """Return the markets whose open positions may have to pay: where a pool fell short."""
    sought = np.zeros(markets, dtype=np.bool_)
    sought[losses.legs.market[losses.remainder[losses.legs.pool] < 0.0]] = True
    return sought


def _deleveraged(losses: Losses, standing: Standing, order: Ints, left: Floats) -> _Queued:
    """Hand as much of each position to the queue as saves what is left to pay."""
    legs, pools = losses.legs, len(left)
    able = (left[legs.pool] > 0.0) & ~np.isnan(legs.price) & (legs.saved >= 0.0)
    whole = sums_by(legs.pool, np.where(able, legs.saved, 0.0), pools)
    part = np.ones(pools)
    np.divide(left, whole, out=part, where=whole > left)
    place, rows = np.argsort(order), np.flatnonzero(able)
    rows = rows[np.argsort(place[legs.pool[rows]], kind="stable")]
    size = np.abs(legs.size[rows])
    offered = size * part[legs.pool[rows]]
    taken = take_over(
        Offers(legs.market[rows], legs.size[rows] > 0.0, offered, legs.cost[rows]), standing
    )
    over, saved = np.zeros(len(legs.pool)), np.zeros(len(legs.pool))
    over[rows] = taken.size
    saved[rows] = legs.saved[rows] * (taken.size / size)
    covered = sums_by(legs.pool, saved, pools)
    covered = np.where(covered >= left * (1.0 - _ROUNDING), left, covered)
    return _Queued(covered, over, taken.reduced, taken.cost)


def _socialised(losses: Losses, standing: Standing, left: Floats) -> tuple[Floats, Floats]:
    """Spread what is left over the open positions of each market, by size."""
    legs, size = losses.legs, np.abs(standing.size)
    markets = 1 + max(legs.market.max(initial=-1), standing.market.max(initial=-1))
    whole = sums_by(standing.market, size, markets)
    part = np.where(whole[legs.market] > 0.0, left[legs.pool] * legs.share, 0.0)
    loss = sums_by(legs.market, part / legs.settle_price, markets)
    each = shared_out(loss[standing.market], size, whole[standing.market])
    return np.minimum(left, sums_by(legs.pool, part, len(left))), each


def shared_out(loss: Floats, part: Floats | float, whole: Floats) -> Floats:
    """Return what of a loss spread over a whole falls on each part; 0 where the whole is none."""
    rate = np.zeros(np.shape(whole))
    np.divide(loss, whole, out=rate, where=whole > 0.0)
    return rate * part
