"""What follows from the figures: what restores a pool, what is owed, and an account's totals."""

import math
from fractions import Fraction

from hypothesis import given

from service.risk.model import (
    Account,
    Balance,
    Instrument,
    Mark,
    Position,
    Thresholds,
    Tier,
)
from service.risk.restore import owed, shortfall, to_restore
from service.risk.totals import IN_USD, account_totals
from tests import agreement
from tests.agreement import RELATIVE
from tests.reference.evaluate import currency_of, total
from tests.reference.evaluate import owed as owed_by_reference
from tests.reference.legs import Leg
from tests.reference.pools import Figures, Pool, figures
from tests.reference.restore import deposit, fall_line, is_needed, reduce, requirement_of
from tests.reference.rules import ZERO
from tests.reference.world import World, asset_price
from tests.safe_scenes import safe_scenes
from tests.strategies import effort, scenes


def assert_reduction(pool: Pool, leg: Leg, worth: Figures, found: float, allowed: Fraction) -> None:
    """A cut is the least that does: by its size, or where sizes hardly matter by what it leaves."""
    exact = reduce(pool, leg, worth)
    contracts = abs(Fraction(leg.position.contracts))
    others = worth.maintenance - requirement_of(pool, leg, contracts)
    room = fall_line(pool) * worth.equity - others
    if abs(room) <= allowed:
        return  # whether closing all of it does is a matter of rounding
    if exact is None or math.isnan(found):
        assert exact is None
        assert math.isnan(found)
        return
    assert 0.0 <= found <= float(contracts)
    kept = contracts - Fraction(found)
    near = abs(Fraction(found) - exact) <= RELATIVE * contracts
    assert near or abs(requirement_of(pool, leg, kept) - room) <= allowed


def assert_restorations_agree(world: World, account: Account) -> None:
    both = agreement.both(world, account)
    found = to_restore(both.batch, both.assessment)
    for slot, pool in enumerate(both.pools):
        if agreement.is_on_a_jump(pool):
            continue
        worth = figures(pool)
        if worth is None:
            assert math.isnan(found.deposit[slot])
            continue
        allowed = RELATIVE * agreement.scale(pool, worth) / fall_line(pool)
        if agreement.is_on_a_line(pool, worth, allowed):
            continue
        assert abs(Fraction(float(found.deposit[slot])) - deposit(pool, worth)) <= allowed
        for row, leg in zip(agreement.legs_of(both, slot), pool.legs, strict=True):
            if is_needed(pool, worth):
                assert_reduction(pool, leg, worth, float(found.reduce[row]), allowed)
            else:
                assert found.reduce[row] == 0.0


def assert_debts_agree(world: World, account: Account) -> None:
    both = agreement.both(world, account)
    short, left = shortfall(both.assessment.pools.equity), owed(both.batch, both.assessment)
    for slot, pool in enumerate(both.pools):
        worth = figures(pool)
        if worth is None:
            assert math.isnan(short[slot])
            assert math.isnan(left[slot])
            continue
        allowed = RELATIVE * agreement.scale(pool, worth)
        exact = max(ZERO, -worth.equity)
        assert abs(Fraction(float(short[slot])) - exact) <= allowed
        assert abs(Fraction(float(left[slot])) - owed_by_reference(pool, exact)) <= allowed


def assert_totals_agree(world: World, account: Account) -> None:
    both = agreement.both(world, account)
    if any(agreement.is_on_a_jump(pool) for pool in both.pools):
        return
    found = account_totals(both.batch, both.assessment, 1)
    currency = currency_of(both.pools)
    exact = total(both.pools, currency)
    if both.pools:
        shared = len({pool.key.settle for pool in both.pools}) == 1
        assert (found.settle[0] == IN_USD) == (not shared)
    if exact is None:
        assert math.isnan(found.equity[0] + found.maintenance_margin[0])
        assert found.reason[0]
        return
    assert not found.reason[0]
    allowed = RELATIVE * sum((scale_in(pool, currency) for pool in both.pools), ZERO)
    pairs = (
        (found.wallet, exact.wallet),
        (found.unrealised_pnl, exact.pnl),
        (found.equity, exact.equity),
        (found.maintenance_margin, exact.maintenance),
    )
    for column, value in pairs:
        assert abs(Fraction(float(column[0])) - value) <= allowed


def scale_in(pool: Pool, currency: str) -> Fraction:
    worth = figures(pool)
    assert worth is not None
    shared = pool.key.settle == currency
    price = Fraction(1) if shared else asset_price(pool.world, pool.venue, pool.key.settle)
    assert price is not None
    return agreement.scale(pool, worth) * price


def test_a_cut_never_counts_on_a_larger_position() -> None:
    """A higher tier may ask for less where its deduction is given: growing into it is no answer."""
    symbol = "BTC/USD:BTC"
    tiers = (
        Tier(0.0, 494.0, 0.004),
        Tier(494.0, 1_014.0, 0.004),
        Tier(1_014.0, math.inf, 0.004, None, 2.028),
    )
    listed = Instrument(symbol, False, 1.0, "BTC", "USD", "BTC", tiers, tier_unit="contracts")
    key = (listed.venue, symbol)
    world = World(instruments={key: listed}, marks={key: Mark(symbol, 2.0)})
    account = Account(
        "a",
        balances=(Balance("BTC", 92.4),),
        positions=(Position(symbol, -1_000.0, 1.8),),
        thresholds=Thresholds(0.02, 0.03, 0.0),
    )
    assert_restorations_agree(world, account)


@effort(60, 2_000)
@given(safe_scenes() | scenes())
def test_restoring_takes_no_more_and_no_less(scene: tuple[World, Account]) -> None:
    assert_restorations_agree(*scene)


@effort(50, 1_000)
@given(scenes())
def test_debts_are_what_the_venue_leaves(scene: tuple[World, Account]) -> None:
    assert_debts_agree(*scene)


@effort(50, 1_000)
@given(scenes())
def test_totals_never_mix_currencies(scene: tuple[World, Account]) -> None:
    assert_totals_agree(*scene)
