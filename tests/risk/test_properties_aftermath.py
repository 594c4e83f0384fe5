"""After a gap: the reference's equity and level, and payers that add up to what is missing."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.aftermath import REASONS, Aftermath, aftermath
from service.risk.evaluate import select
from service.risk.margin import assess
from service.risk.model import Account, Level
from tests import agreement
from tests.agreement import RELATIVE
from tests.reference.gaps import debt_is_possible, worth_at
from tests.reference.pools import Pool, Shift, figures, table_level
from tests.reference.world import World
from tests.safe_scenes import safe_scenes
from tests.strategies import effort, scenes

PAYERS = ("fund", "deleveraged", "socialised", "owed", "venue")
FACTORS = st.lists(st.floats(0.2, 3.0), min_size=8, max_size=8)
Scene = tuple[World, Account]


def factors_of(account: Account, drawn: list[float]) -> dict[str, float]:
    """A factor a symbol; symbols of one coin jump alike, as its price does."""
    coins = sorted({one.symbol.partition("/")[0] for one in account.positions})
    by_coin = dict(zip(coins, drawn, strict=False))
    return {one.symbol: by_coin[one.symbol.partition("/")[0]] for one in account.positions}


def found_of(both: agreement.Both, account: Account, factors: dict[str, float]) -> Aftermath:
    column = np.array([factors[one.symbol] for one in account.positions])
    with np.errstate(all="ignore"):
        return aftermath(both.batch, both.assessment, column)


@effort(80, 2_000)
@given(safe_scenes() | scenes(), FACTORS)
def test_what_is_left_is_what_the_reference_has_at_those_marks(
    scene: Scene, drawn: list[float]
) -> None:
    world, account = scene
    both = agreement.both(world, account)
    factors = factors_of(account, drawn)
    found = found_of(both, account, factors)
    for slot, pool in enumerate(both.pools):
        reason = REASONS[found.reason[slot]]
        assert bool(np.isnan(found.equity[slot])) == bool(reason)
        if reason:
            assert (reason == "unpriced") == (figures(pool) is None)
            continue
        assert_as_the_reference(pool, found, slot, factors)


def assert_as_the_reference(
    pool: Pool, found: Aftermath, slot: int, factors: dict[str, float]
) -> None:
    own = {leg.position.symbol for leg in pool.legs}
    shift = Shift({symbol: Fraction(factors[symbol]) for symbol in own})
    exact = worth_at(pool, shift)
    allowed = RELATIVE * agreement.scale(pool, exact, shift)
    assert abs(Fraction(float(found.equity[slot])) - exact.equity) <= allowed
    if min(abs(exact.equity), abs(exact.excess)) > allowed and not agreement.is_on_a_jump(pool):
        liquidated = table_level(pool, exact) >= Level.LIQUIDATION
        assert (found.level[slot] >= Level.LIQUIDATION) == liquidated
        assert found.shortfall[slot] >= float(-exact.equity - allowed)
        assert liquidated or exact.equity < 0 or not found.shortfall[slot]
    paid = sum(getattr(found, payer)[slot] for payer in PAYERS)
    assert paid == pytest.approx(found.shortfall[slot], rel=1e-12)
    assert debt_is_possible(pool) or not found.owed[slot]


@effort(40, 1_000)
@given(safe_scenes() | scenes(), FACTORS)
def test_a_pool_alone_has_the_same_to_the_last_bit(scene: Scene, drawn: list[float]) -> None:
    world, account = scene
    both = agreement.both(world, account)
    factors = factors_of(account, drawn)
    together = found_of(both, account, factors)
    column = np.array([factors[one.symbol] for one in account.positions])
    for slot in range(len(both.pools)):
        alone = select(both.batch, np.array([slot]))
        with np.errstate(all="ignore"):
            found = aftermath(alone, assess(alone), column[both.batch.legs.pool == slot])
        for name in ("equity", "shortfall", *PAYERS):
            one, other = getattr(found, name)[0], getattr(together, name)[slot]
            assert one == other or (np.isnan(one) and np.isnan(other))
