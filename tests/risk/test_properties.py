"""Fast equals exact: every figure and level of anything Hypothesis builds, to 1e-9 of its scale."""

from fractions import Fraction

from hypothesis import given

from service.risk.model import Account
from tests import agreement
from tests.reference.legs import initial, isolated_wallet, maintenance, notional, unrealised
from tests.reference.pools import figures, table_level
from tests.reference.world import World
from tests.safe_scenes import safe_scenes
from tests.strategies import effort, scenes

RELATIVE = agreement.RELATIVE


def assert_pools_agree(world: World, account: Account) -> None:
    both = agreement.both(world, account)
    assert both.keys == [pool.key for pool in both.pools]
    for slot, pool in enumerate(both.pools):
        if agreement.is_on_a_jump(pool):
            continue
        worth = figures(pool)
        level = table_level(pool, worth)
        assert both.assessment.pools.quality[slot] == pool.quality
        assert both.assessment.pools.most[slot] == pool.most
        if worth is None:
            assert bool(both.assessment.pools.unpriced[slot])
            assert agreement.level_of(both, slot) is level
            continue
        allowed = RELATIVE * agreement.scale(pool, worth)
        assert not list(agreement.differing_figures(both, slot, worth, allowed))
        if not agreement.is_on_a_line(pool, worth, allowed):
            assert agreement.level_of(both, slot) is level


def assert_legs_agree(world: World, account: Account) -> None:
    both = agreement.both(world, account)
    found = both.assessment.legs
    for slot, pool in enumerate(both.pools):
        if agreement.is_on_a_jump(pool):
            continue
        for row, leg in zip(agreement.legs_of(both, slot), pool.legs, strict=True):
            if leg.mark is None or leg.instrument is None:
                assert bool(found.unpriced[row])
                continue
            if found.unpriced[row]:
                assert pool.multi
                assert figures(pool) is None
                continue
            wallet = isolated_wallet(leg) if leg.position.isolated else Fraction(0)
            pairs = (
                (found.notional[row], notional(leg, leg.mark)),
                (found.unrealised_pnl[row], unrealised(leg, leg.mark)),
                (found.initial_margin[row], initial(leg, leg.mark)),
                (found.maintenance_margin[row], maintenance(leg, leg.mark)),
                (found.margin[row], wallet),
            )
            for value, exact in pairs:
                assert agreement.near(float(value), exact, RELATIVE * abs(exact))


@effort(100, 2_000)
@given(scenes() | safe_scenes())
def test_pools_are_what_the_reference_says(scene: tuple[World, Account]) -> None:
    assert_pools_agree(*scene)


@effort(60, 2_000)
@given(scenes(nasty=True))
def test_pools_agree_at_nasty_magnitudes(scene: tuple[World, Account]) -> None:
    assert_pools_agree(*scene)


@effort(60, 2_000)
@given(scenes())
def test_legs_are_what_the_reference_says(scene: tuple[World, Account]) -> None:
    assert_legs_agree(*scene)
