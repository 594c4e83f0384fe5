"""The vectorised engine beside the reference: the same account through both, figure by figure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from service.risk.batch import build_batch
from service.risk.columns import Batch
from service.risk.evaluate import assess
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.model import Account, Level, PoolKey
from tests.reference.legs import entry, floors, notional, unrealised
from tests.reference.pools import (
    Figures,
    Move,
    Pool,
    Shift,
    balance_value,
    money_factor,
    pools_of,
    price_of,
)
from tests.reference.rules import ZERO
from tests.reference.world import World

RELATIVE = Fraction(1, 10**9)
ROUNDING = Fraction(1, 2**50)  # of a product of two floats, with some room
SMALLEST = Fraction(1, 2**1022)  # below it a float has fewer digits, down to none


@dataclass(frozen=True, slots=True)
class Both:
    """One account as both see it; pool for pool in the same order, legs in the account's."""

    pools: list[Pool]
    batch: Batch
    assessment: Assessment
    keys: list[PoolKey]


def table_of(world: World) -> MarketTable:
    """The engine's market table with everything the reference's world knows."""
    table = MarketTable(pegged=world.pegged)
    for instrument in world.instruments.values():
        table.put_instrument(instrument)
    for mark in world.marks.values():
        table.put_mark(mark, 0)
    for (venue, symbol), verdict in world.verdicts.items():
        table.judge_marks(venue, symbol, verdict)
    return table


def both(world: World, account: Account) -> Both:
    batch, keys = build_batch([account], table_of(world))
    return Both(pools_of(account, world), batch, assess(batch), keys[0])


def scale(pool: Pool, worth: Figures, move: Move | Shift | None = None) -> Fraction:
    """|wallet| + sum of |PnL| + maintenance, in the pool's money: what errors are measured by.

    The wallet's parts count by themselves: a loan and a deposit of a million are not zero.
    """
    values = (balance_value(pool, balance, move) or ZERO for balance in pool.balances)
    held = sum((abs(value) for value in values), ZERO)
    lost = ZERO
    for leg in pool.legs:
        price = price_of(leg, move)
        assert price is not None
        assert leg.instrument is not None
        factor = money_factor(pool, leg.instrument.settle, move)
        assert factor is not None
        lost += abs(unrealised(leg, price)) * factor
    return max(SMALLEST, max(held, abs(worth.wallet)) + lost + abs(worth.maintenance))


def near(found: float, exact: Fraction | None, tolerance: Fraction) -> bool:
    """Whether a figure is the exact one, or missing where that is missing."""
    if exact is None or not math.isfinite(found):
        return exact is None and math.isnan(found)
    return abs(Fraction(found) - exact) <= max(tolerance, RELATIVE * SMALLEST)


def differing_figures(both: Both, slot: int, worth: Figures, allowed: Fraction) -> Iterator[str]:
    """Name every sum of a pool that the two see differently."""
    pools = both.assessment.pools
    pairs = (
        ("wallet", pools.wallet, worth.wallet),
        ("unrealised_pnl", pools.unrealised_pnl, worth.pnl),
        ("equity", pools.equity, worth.equity),
        ("maintenance_margin", pools.maintenance_margin, worth.maintenance),
    )
    for name, column, exact in pairs:
        if not near(float(column[slot]), exact, allowed):
            yield f"{name}: {column[slot]!r} is not {float(exact)!r}"
    if not near(float(pools.initial_margin[slot]), worth.initial, RELATIVE * worth.initial):
        yield f"initial_margin: {pools.initial_margin[slot]!r} is not {float(worth.initial)!r}"


def is_on_a_jump(pool: Pool) -> bool:
    """Whether a leg's size is a tier's floor but for rounding: floats may be in either tier."""
    for leg in pool.legs:
        if leg.instrument is None or leg.mark is None:
            continue
        for size in (notional(leg, leg.mark), notional(leg, entry(leg))):
            for floor in floors(leg.instrument):
                if size != floor and abs(size - floor) <= ROUNDING * floor:
                    return True
    return False


def is_on_a_line(pool: Pool, worth: Figures, allowed: Fraction) -> bool:
    """Whether a level hangs on less than the tolerance."""
    lines = (pool.thresholds.warning, pool.thresholds.margin_call, 1.0)
    gaps = [worth.maintenance - Fraction(line) * worth.equity for line in lines]
    return min(abs(gap) for gap in (*gaps, worth.equity)) <= 2 * allowed


def level_of(both: Both, slot: int) -> Level:
    return Level(int(both.assessment.pools.level[slot]))


def legs_of(both: Both, slot: int) -> Sequence[int]:
    """The rows of a pool's legs, in the account's order."""
    return [row for row, pool in enumerate(both.batch.legs.pool.tolist()) if pool == slot]
