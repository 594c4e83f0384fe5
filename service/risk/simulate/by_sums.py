"""A scenario on a piece of a book, as sums that anybody can add up.

A pool that is closed whole and at the mark is so by compiled code (`whole`). Venues that go by
steps, and fills off the mark, go as they do where a book is here as a whole (`part`). On a path
each pool is closed at the step at which it crosses the line. What others would bear is left out:
nobody is deleveraged and no loss is spread, so that no pool's fate hangs on another's and a book
may be walked piece by piece, anywhere. `map_payers` says who pays the sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.risk.adl import Standing
from service.risk.columns import Batch, Bools, Floats, Ints, sums_by
from service.risk.evaluate import select
from service.risk.fund import Funds
from service.risk.levels import Levels
from service.risk.markets import MarketTable
from service.risk.model import Level
from service.risk.policy import WHOLE, PolicyColumns
from service.risk.simulate.afterwards import applied
from service.risk.simulate.part import Assessed, Part, assess
from service.risk.simulate.prices import Prices
from service.risk.simulate.scenario import Slippage
from service.risk.simulate.whole import ACCOUNTS, FEES, FIELDS, close_whole
from service.risk.walking import ASKED, CLAIMED, CONTRIBUTED, LONG, POOLS, SHORT, SHORTFALL, Moves
from service.risk.waterfall import Shared, share_out

_NOBODY = Standing(np.zeros(0, np.int64), *np.zeros((3, 0)))


@dataclass(frozen=True, slots=True)
class Supposed:
    """What is supposed of a piece: `prices` of each step in turn, as its markets are numbered."""

    prices: Sequence[Prices]
    slippage: Slippage
    policies: PolicyColumns
    event_most: Floats  # what a fund pays a pool at most, an asset (inf: no limit)
    moves: Moves  # the prices in columns

    @classmethod
    def of(
        cls,
        prices: Sequence[Prices],
        slippage: Slippage,
        policies: PolicyColumns,
        event_most: Floats,
    ) -> "Supposed":
        """Put the prices in columns: everything moves, each by itself."""
        markets, assets = len(prices[0].factor), len(prices[0].coin)
        moves = Moves(
            market_moves=np.ones(markets, np.bool_),
            asset_moves=np.ones(assets, np.bool_),
            market_column=np.arange(markets),
            asset_column=np.arange(assets),
            factor=np.stack([each.factor for each in prices]),
            fixed=np.stack([each.mark for each in prices]),
            coin=np.stack([each.coin for each in prices]),
        )
        return cls(prices, slippage, policies, event_most, moves)

    def by_steps(self) -> Bools:
        """Return the rules whose pools are not closed whole and at the mark."""
        steps: Bools = self.policies.partial != WHOLE
        return steps | (self.slippage != Slippage())


@dataclass(slots=True)
class Short:
    """A row a pool that fell short."""

    account: Ints
    asset: Ints
    shortfall: Floats
    usd: Floats  # of it; NaN where the asset has no price


@dataclass(slots=True)
class Summed:
    """What a scenario does to a piece; `assets` are the numbers of the rows of `sums`."""

    account: Ints  # every one of the piece
    level: Levels  # its worst on the way
    assets: Ints
    sums: Floats  # (assets, steps, FIELDS); an account or a pool counts where it is first closed
    short: Short


def summed(batch: Batch, table: MarketTable, supposed: Supposed) -> Summed:
    """Take a piece through a scenario; `table` numbered it."""
    policies, most = supposed.policies, supposed.event_most
    whole = close_whole(batch, supposed.moves, most, policies, supposed.by_steps())
    pools = np.flatnonzero(whole.left)
    if len(pools):
        journey = _Journey(select(batch, pools), table, supposed)
        for step in range(len(supposed.prices)):
            journey.take(step)
        whole.level[pools] = journey.level
        whole.sums[np.searchsorted(whole.assets, journey.assets)] += journey.sums
        whole.shortfall[pools], whole.usd[pools] = journey.shortfall, journey.usd
    account, owner = np.unique(batch.pools.account, return_inverse=True)
    worst = np.zeros(len(account), np.int8)
    np.maximum.at(worst, owner, whole.level)
    rows = np.flatnonzero(whole.shortfall > 0.0)
    own = batch.pools
    short = Short(own.account[rows], own.settle[rows], whole.shortfall[rows], whole.usd[rows])
    return Summed(account, worst, whole.assets, whole.sums, short)


class _Journey:
    """Pools that go by steps, or close off the mark, on their way; each by itself."""

    def __init__(self, batch: Batch, table: MarketTable, supposed: Supposed) -> None:
        pools = batch.pools
        self._part, self._supposed = Part.of(batch, table), supposed
        self._asset_price = batch.asset_price
        self._account, self._settle = pools.account, pools.settle
        self._counted = np.zeros(len(pools.rule), np.bool_)
        self.shortfall, self.usd = np.zeros((2, len(pools.rule)))
        self.level: Levels = np.zeros(len(pools.rule), np.int8)
        self.assets, self._cell = np.unique(pools.settle, return_inverse=True)
        self.sums = np.zeros((len(self.assets), len(supposed.prices), FIELDS))

    def take(self, step: int) -> None:
        """Go one step; who is due there is closed as far as the venue does it."""
        supposed = self._supposed
        prices = supposed.prices[step]
        found = assess(self._part, prices, supposed.slippage, supposed.policies)
        self.level = np.maximum(self.level, found.level)
        if not len(found.pools.pool):
            return
        funds = Funds.unlimited(len(prices.coin))
        shared = share_out(found.losses, _NOBODY, funds, supposed.policies)
        self._add(step, found, shared)
        self._count(step, found.pools.pool)
        worth = self._asset_price * prices.coin
        self.shortfall[found.lost] = shared.shortfall
        self.usd[found.lost] = shared.shortfall * worth[self._settle[found.lost]]
        if step + 1 < len(supposed.prices):
            self._part, _, _ = applied(self._part, found, shared, np.zeros(0, np.int64))

    def _add(self, step: int, found: Assessed, shared: Shared) -> None:
        """Add what is closed, and what that leaves."""
        legs, lost, policies = found.legs, found.lost, self._supposed.policies
        rule = found.losses.rule
        most = self._supposed.event_most[self._settle[lost]]
        claimed = np.minimum(shared.shortfall, found.losses.loan)
        asked = np.where(policies.fund[rule], np.minimum(shared.shortfall - claimed, most), 0.0)
        long = legs.contracts > 0.0
        for field, rows, values in (
            (LONG, legs.pool, np.where(long, legs.worth, 0.0)),
            (SHORT, legs.pool, np.where(long, 0.0, legs.worth)),
            (FEES, found.pools.pool, found.pools.step_fees),
            (FEES, lost, shared.fees),
            (SHORTFALL, lost, shared.shortfall),
            (CLAIMED, lost, claimed),
            (ASKED, lost, asked),
            (CONTRIBUTED, lost, shared.contributed),
        ):
            self.sums[:, step, field] += sums_by(self._cell[rows], values, len(self.assets))

    def _count(self, step: int, pools: Ints) -> None:
        """Count the pools that are closed for the first time, and accounts by asset likewise."""
        many = len(self.assets)
        account = self._account * many + self._cell
        before = account[self._counted]
        new = pools[~self._counted[pools]]
        self._counted[pools] = True
        self.sums[:, step, POOLS] += np.bincount(self._cell[new], minlength=many)
        accounts = np.setdiff1d(account[new], before)
        self.sums[:, step, ACCOUNTS] += np.bincount(accounts % many, minlength=many)


def level_counts(level: Levels) -> Ints:
    """Return how many have each level."""
    return np.bincount(level, minlength=len(Level))
