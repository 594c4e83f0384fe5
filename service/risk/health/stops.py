"""Stop-losses: is there one, does it come before liquidation, does it lose no more than it may?

The loss at a stop is the position's loss against its entry if closed there, closing fee in: a line
in the price (linear) or in 1 / price (inverse), so the stop that loses just the budget is exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from service.risk.columns import Batch, Floats
from service.risk.health.findings import SAFELY, Action, Examined, Rule
from service.risk.margin import Assessment
from service.risk.venues import RULE_COLUMNS


@dataclass(frozen=True, slots=True)
class _Stops:
    """A row a leg; prices on the losing side, NaN where there is none."""

    side: Floats  # 1 long, -1 short
    mark: Floats
    stop: Floats
    liquidation: Floats
    budget: Floats  # in the settle asset
    loss: Floats  # at the stop
    at_budget: Floats  # the stop that loses just so much
    proposed: Floats  # at budget or halfway to liquidation (in log price), the nearer to the mark


def stop_rules(examined: Examined) -> Iterator[Rule]:
    """Return what is wrong with stops; closing the position clears all of it."""
    stops = _stops(examined)
    contracts = np.abs(examined.batch.legs.contracts)
    close: dict[Action, Floats] = {"set_stop": stops.proposed, "reduce": contracts}
    unknown = np.full(len(contracts), np.nan)
    priced = ~examined.assessment.legs.unpriced
    none = np.isnan(stops.stop)
    if examined.limits.stop_expected:
        yield Rule("no_stop_loss", priced & none, unknown, np.nan, "none", close)
    passed = priced & (stops.side * (stops.mark - stops.stop) <= 0.0)
    yield Rule("stop_loss_passed", passed, stops.stop, stops.mark, "price", close)
    yield Rule(
        "stop_loss_beyond_liquidation",
        stops.side * (stops.stop - stops.liquidation) <= 0.0,
        stops.stop,
        stops.liquidation,
        "price",
        close,
    )
    in_time = ~(stops.side * (stops.at_budget - stops.liquidation) <= 0.0)
    within = np.where(np.isnan(stops.at_budget), np.nan, stops.proposed)
    part = np.clip(1.0 - stops.budget / stops.loss + SAFELY, 0.0, 1.0)
    yield Rule(
        "stop_loss_above_budget",
        ~passed & (stops.loss > stops.budget),
        stops.loss,
        stops.budget,
        "money",
        {
            "set_stop": np.where(in_time, stops.at_budget, within),
            "reduce": contracts * part,
        },
    )


def _stops(examined: Examined) -> _Stops:
    batch, legs, prices = examined.batch, examined.assessment.legs, examined.prices
    inputs, pool = examined.inputs, batch.legs.pool
    is_long = legs.size > 0.0
    liquidation = np.where(is_long, prices.below, prices.above)
    unit = legs.settle_price * examined.in_account[pool]
    equity = np.maximum(0.0, examined.equity[batch.pools.account[pool]])
    budget = examined.limits.budget_share * equity / unit
    budget = np.where(np.isnan(inputs.budget), budget, inputs.budget)
    side = np.where(is_long, 1.0, -1.0)
    halfway = np.sqrt(legs.mark * liquidation)
    at_budget = _at_budget(examined, side, budget)
    return _Stops(
        side=side,
        mark=legs.mark,
        stop=inputs.stop_price,
        liquidation=liquidation,
        budget=budget,
        loss=loss_at(batch, examined.assessment, inputs.stop_price),
        at_budget=at_budget,
        proposed=np.where(is_long, np.fmax(halfway, at_budget), np.fmin(halfway, at_budget)),
    )


def _at_budget(examined: Examined, side: Floats, budget: Floats) -> Floats:
    """Return the stop that loses just the budget; NaN where that is lost already, or never is."""
    start, slope = loss_line(examined.batch, examined.assessment)
    at = (budget - start) / slope
    price = np.where(examined.assessment.terms.linear, at, 1.0 / at) * (1.0 + side * SAFELY)
    usable = (side * (examined.assessment.legs.mark - price) > 0.0) & (price > 0.0)
    return np.where(usable & np.isfinite(price), price, np.nan)


def loss_at(batch: Batch, assessment: Assessment, price: Floats) -> Floats:
    """Return what each leg loses against its entry when closed at a price, closing fee in."""
    start, slope = loss_line(batch, assessment)
    return start + slope * np.where(assessment.terms.linear, price, 1.0 / price)


def loss_line(batch: Batch, assessment: Assessment) -> tuple[Floats, Floats]:
    """Return that loss as start + slope x price, x 1 / price where inverse."""
    size, entry = assessment.terms.size, batch.legs.entry_price
    fee = batch.markets.taker_fee[batch.legs.market]
    fee = np.where(np.isnan(fee), RULE_COLUMNS.default_fee[batch.pools.rule[batch.legs.pool]], fee)
    linear = assessment.terms.linear
    start = np.where(linear, size * entry, -size / entry)
    return start, np.where(linear, -size, size) + fee * np.abs(size)
