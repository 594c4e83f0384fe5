"""The waterfall as the reference has it, to the last payer; and no money comes or goes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

from service.risk.closing import filled
from service.risk.columns import sums_by
from tests import agreement
from tests.agreement import RELATIVE
from tests.liquidations import Scene, Settled, by_reference, liquidations, places, settled
from tests.reference import waterfall as reference
from tests.reference.legs import notional, unrealised
from tests.reference.pools import Pool, figures, money_factor
from tests.reference.rules import ZERO
from tests.strategies import effort

PAYERS = ("fund", "deleveraged", "socialised", "owed", "venue")
OF_POOLS = ("remainder", "kept", "contributed", "shortfall", *PAYERS)
OF_LEGS = {
    "handed_over": "handed_over",
    "reduced": "reduced",
    "deleveraging_cost": "deleveraging_cost",
    "socialised_cost": "socialised_cost",
}


def settle_factor(pool: Pool) -> Fraction:
    """What a unit of the money of all funds is in the pool's money."""
    assert pool.legs[0].instrument is not None
    factor = money_factor(pool, pool.legs[0].instrument.settle)
    assert factor is not None
    return factor


def scale(pools: list[Pool], event: reference.Event) -> Fraction:
    """What errors are measured by, in the settle asset: everything that anybody has at stake."""
    total = ZERO
    for number, pool in enumerate(pools):
        worth = figures(pool)
        if not pool.legs or worth is None:
            continue
        total += agreement.scale(pool, worth) / settle_factor(pool)
        total += sum((notional(leg, event.fills[place]) for place, leg in event.legs(number)), ZERO)
    return total


def is_doubtful(scene: Scene, pools: list[Pool], event: reference.Event) -> bool:
    """Whether a choice hangs on rounding: a tier, a backstop, the mark or the bankruptcy price."""
    if any(agreement.is_on_a_jump(pool) for pool in pools):
        return True
    for number in event.closed:
        pool = pools[number]
        worth = figures(pool)
        assert worth is not None
        line = Fraction(scene.policy.backstop) * worth.maintenance
        if abs(worth.equity - line) <= RELATIVE * agreement.scale(pool, worth):
            return True
    return has_a_price_at_a_border(scene, pools, event)


def has_a_price_at_a_border(scene: Scene, pools: list[Pool], event: reference.Event) -> bool:
    beyond = Fraction(scene.policy.mixed_beyond)
    for number in event.closed:
        outcome, pool = event.outcomes[number], pools[number]
        for place, leg in event.legs(number):
            missing = outcome.shortfall * reference.share(pool, leg)
            missing /= reference.factor_of(pool, leg)
            at_fill = unrealised(leg, event.fills[place])
            fee = notional(leg, event.fills[place]) * event.fees[place]
            for near in (Fraction(1) - RELATIVE, Fraction(1) + RELATIVE):
                prices = [
                    reference.price_where(leg, at_fill - fee + missing * part)
                    for part in (near, Fraction(1))
                ]
                mark = reference.mark_of(leg)
                sides = [price and abs(price - mark) > beyond * mark for price in prices]
                if (prices[0] is None) != (prices[1] is None) or sides[0] != sides[1]:
                    return True
    return False


@effort(60, 3_000)
@given(liquidations())
def test_everybody_pays_what_the_reference_says(scene: Scene) -> None:
    found = settled(scene)
    pools, event = by_reference(scene, found)
    if is_doubtful(scene, pools, event):
        return
    whole = scale(pools, event)
    for number, pool in enumerate(pools):
        if not pool.legs:
            continue
        allowed = RELATIVE * whole * settle_factor(pool)
        for name in OF_POOLS:
            value = Fraction(float(getattr(found.outcome, name)[number]))
            outcome = event.outcomes.get(number)
            exact = ZERO if outcome is None else getattr(outcome, name)
            assert abs(value - exact) <= allowed, (name, float(value), float(exact))
    for place, row in places(found).items():
        leg = pools[place[0]].legs[place[1]]
        unit = notional(leg, reference.mark_of(leg)) / leg.quantity
        for name, theirs in OF_LEGS.items():
            value = Fraction(float(getattr(found.outcome, name)[row]))
            exact = getattr(event, theirs).get(place, ZERO)
            per = unit if name in ("handed_over", "reduced") else Fraction(1)
            assert abs(value - exact) * per <= RELATIVE * whole, (name, float(value), float(exact))


@effort(60, 3_000)
@given(liquidations())
def test_money_in_is_money_out(scene: Scene) -> None:
    """Traders, fund, counterparties of the market, fees: what one has less another has more."""
    found = settled(scene)
    before, after, moved = ledger(scene, found)
    assert abs(after - before) <= 1e-9 * moved


@effort(50, 2_000)
@given(liquidations())
def test_the_payers_of_every_pool_add_up_to_its_shortfall(scene: Scene) -> None:
    outcome = settled(scene).outcome
    paid = sum((getattr(outcome, name) for name in PAYERS), np.zeros(len(outcome.owed)))
    for name in (*PAYERS, "kept", "contributed"):
        assert np.all(getattr(outcome, name) >= 0.0), name
    assert paid == pytest.approx(outcome.shortfall, rel=1e-9, abs=0.0)


def ledger(scene: Scene, found: Settled) -> tuple[float, float, float]:
    """All money before and after, in the settle asset, and how much there was to go wrong with."""
    batch, legs, pools = found.batch, found.assessment.legs, found.assessment.pools
    outcome, at = found.outcome, batch.legs.pool
    known = pools.open & ~pools.unpriced
    unit = np.ones(len(known))
    unit[at] = legs.settle_price
    fund = 0.0 if scene.fund is None else scene.fund
    # A fund holds its pools' money; one without end is known by what went in and out.
    units = dict(zip(batch.pools.settle[known].tolist(), unit[known].tolist(), strict=True))
    funds = sum((float(outcome.fund_balance[a]) - fund) / units[a] for a in units)
    if scene.fund is None:
        funds = float(np.sum(((outcome.contributed - outcome.fund) / unit)[found.closed]))
    before = float(np.sum((pools.equity / unit)[known]))
    open_ = known & ~found.closed
    cost = sums_by(at, outcome.deleveraging_cost + outcome.socialised_cost, len(known))
    left = float(np.sum(((pools.equity / unit) - cost)[open_]))
    closed = (outcome.kept - outcome.owed - outcome.venue + outcome.fees) / unit
    market = to_the_market(found)
    after = left + float(np.sum(closed[found.closed])) + market + funds
    size = np.abs(pools.wallet) + np.abs(pools.unrealised_pnl) + pools.maintenance_margin
    whole = np.sum((size / unit)[known]) + np.sum(legs.notional[known[at]])
    return before, after, float(whole) + abs(fund)


def to_the_market(found: Settled) -> float:
    """What whoever trades with the liquidation earns against the mark."""
    batch, legs = found.batch, found.assessment.legs
    at_marks, at_fills = (
        filled(batch, found.assessment, price).pnl for price in (legs.mark, found.fills)
    )
    lost = at_marks - at_fills
    sold = 1.0 - found.outcome.handed_over / np.abs(legs.size)
    return float(np.sum((lost * sold)[found.closed[batch.legs.pool]]))
