"""A scenario from its first step to its last, for a whole book that is here.

At each step the prices are looked at until nothing more falls: again after liquidations have pushed
them (a cascade), or after others have borne so much of a loss that they may fall too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.risk.adl import Standing
from service.risk.columns import Batch, Floats, Ints
from service.risk.evaluate import assess as assess_batch
from service.risk.fund import Funds
from service.risk.losses import Losses
from service.risk.markets import MarketTable
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.simulate.afterwards import applied
from service.risk.simulate.ledger import Ledger
from service.risk.simulate.part import (
    Assessed,
    ClosedLegs,
    ClosedPools,
    Part,
    assess,
    standing,
)
from service.risk.simulate.prices import Pushes, prices_at
from service.risk.simulate.scenario import Cascade, Scenario
from service.risk.simulate.slippage import push_of
from service.risk.waterfall import Shared, riskiest_first, share_out, sought_markets

ROUNDS_MAX = 50  # of a step without a cascade: looks after others have paid


@dataclass(slots=True)
class Round:
    """One look at one step that found something to close."""

    step: int
    number: int  # of the step's looks, from 0
    pools: ClosedPools
    legs: ClosedLegs
    lost: Ints  # the pools that were closed whole: rows of `losses` and `shared`
    losses: Losses
    shared: Shared
    standing: Standing
    standing_legs: Ints  # of the first batch

    def in_order(self) -> Ints:
        """Return the rows of `pools` as they are liquidated; who was made safe comes last."""
        settled = riskiest_first(self.pools.equity, self.pools.maintenance)
        place = np.full(len(settled), len(settled))
        place[np.searchsorted(self.pools.pool, self.lost[self.shared.order])] = np.arange(
            len(self.lost)
        )
        return settled[np.argsort(place[settled], kind="stable")]


@dataclass(slots=True)
class Outcome:
    """What a scenario does to a book."""

    level: NDArray[np.int8]  # a pool, the worst on the way, before it is closed
    rounds: list[Round]
    fund_balance: Floats  # an asset
    ledger: Ledger
    at_rest: bool  # False: something was still falling after the most rounds of a step


def run(
    batch: Batch,
    table: MarketTable,
    scenario: Scenario,
    funds: Funds,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Outcome:
    """Take a book through a scenario; `table` numbered it. An account of no pools has no rows."""
    journey = _Journey(Part.of(batch, table), scenario, funds, policies)
    for step in range(len(scenario.steps)):
        journey.take(step)
    return Outcome(
        journey.level, journey.rounds, journey.funds.balance, journey.ledger, journey.at_rest
    )


class _Journey:
    """A book on its way."""

    def __init__(
        self, part: Part, scenario: Scenario, funds: Funds, policies: PolicyColumns
    ) -> None:
        self.level = np.zeros(len(part.gone), dtype=np.int8)
        self.rounds: list[Round] = []
        self.funds = funds
        self.at_rest = True
        self.ledger = Ledger.of(part.batch.pools.settle, assess_batch(part.batch).pools)
        self._part, self._scenario, self._policies = part, scenario, policies
        self._pushes: Pushes = {}
        self._closed: dict[str, float] = {}  # net notional by symbol, longs > 0

    def take(self, step: int) -> None:
        """Go one step, until nothing more falls."""
        cascade = self._scenario.cascade
        for number in range(ROUNDS_MAX if cascade is None else cascade.rounds_max):
            found = self._look(step)
            if not len(found.pools.pool):
                return
            told = self._settle(found, step, number)
            if cascade is not None:
                self._push(cascade, told.legs)
            elif not (told.shared.reduced.any() or told.shared.socialised_cost.any()):
                return
        self.at_rest = self.at_rest and not len(self._look(step).pools.pool)

    def _look(self, step: int) -> Assessed:
        part, scenario = self._part, self._scenario
        prices = prices_at(part.batch, part.table, scenario.steps[step], self._pushes)
        found = assess(part, prices, scenario.slippage, self._policies)
        self.level = np.maximum(self.level, found.level)
        self.ledger.revalue(np.where(part.gone, part.left, found.wallet))
        return found

    def _settle(self, found: Assessed, step: int, number: int) -> Round:
        """Let everybody pay and go on from there."""
        sought = sought_markets(found.losses, len(found.at.batch.markets.mark))
        others, rows = standing(found, sought, self._policies)
        shared = share_out(found.losses, others, self.funds, self._policies)
        self.funds = Funds(shared.fund_balance, self.funds.event_most)
        self._part, moved, wallet = applied(self._part, found, shared, rows)
        self.ledger.move(moved, wallet)
        told = Round(
            step=step,
            number=number,
            pools=found.pools,
            legs=found.legs,
            lost=found.lost,
            losses=found.losses,
            shared=shared,
            standing=others,
            standing_legs=found.at.rows[rows],
        )
        self.rounds.append(told)
        return told

    def _push(self, cascade: Cascade, legs: ClosedLegs) -> None:
        """Let what has been closed so far, net by symbol, move its price."""
        for symbol, net in _net_by_symbol(self._part.table, legs):
            self._closed[symbol] = self._closed.get(symbol, 0.0) + net
        self._pushes = {
            symbol: push_of(cascade.impacts.get(symbol, cascade.others), net)
            for symbol, net in self._closed.items()
        }


def _net_by_symbol(table: MarketTable, legs: ClosedLegs) -> Iterator[tuple[str, float]]:
    signed = np.copysign(legs.notional, legs.contracts)
    for market in np.unique(legs.market).tolist():
        yield table.market_key(market)[1], float(signed[legs.market == market].sum())
