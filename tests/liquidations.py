"""Liquidations that Hypothesis may build: books, fills, funds and any policy, for both engines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from service.risk import waterfall
from service.risk.adl import scores
from service.risk.batch import build_batch
from service.risk.closing import close
from service.risk.columns import Batch, Bools, Floats
from service.risk.evaluate import assess
from service.risk.fund import Funds
from service.risk.margin import Assessment
from service.risk.model import Account, Level
from service.risk.policy import ALL, POLICIES, Policy, PolicyColumns, policy_columns
from tests import agreement
from tests.reference import waterfall as reference
from tests.reference.pools import Pool, pools_of
from tests.reference.world import World
from tests.strategies import VENUES, accounts, worlds

parts = st.sampled_from((0.0, 0.001, 0.01, 0.05)) | st.floats(0.0, 0.2)
MARKETS = (("BTC/USDT:USDT", "ETH/USDT:USDT"), ("BTC/USD:BTC",), ("BTC/USDT:USDT",))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A venue's policy, or any other."""
    if draw(st.booleans()):
        return draw(st.sampled_from(list(POLICIES.values())))
    return Policy(
        "any",
        negative_balance_protection=draw(st.booleans()),
        claims_borrowed=draw(st.booleans()),
        fund=draw(st.booleans()),
        surplus_rate=draw(st.sampled_from((0.0, ALL)) | st.floats(0.0, 0.1)),
        deleveraging=draw(st.sampled_from(("none", "bankruptcy", "mark", "mixed"))),
        ranking=draw(st.sampled_from(("return_by_leverage", "move_by_exposure"))),
        socialises=draw(st.booleans()),
        backstop=draw(st.sampled_from((0.0, 0.5))),
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """A book at its marks, about to be liquidated."""

    world: World
    accounts: Sequence[Account]
    policy: Policy
    slip: float  # fills are worse than the mark by this part
    fee_rate: float
    fund: float | None  # None: without end
    event_most: float | None


@st.composite
def liquidations(draw: st.DrawFn) -> Scene:
    venue = draw(st.sampled_from(VENUES))
    symbols = draw(st.sampled_from(MARKETS))
    world = draw(worlds(venue, symbols, whole=True))
    names = [f"a{number}" for number in range(draw(st.integers(1, 5)))]
    money = st.none() | st.sampled_from((0.0, 1e3)) | st.floats(0.0, 1e5)
    return Scene(
        world,
        [draw(accounts(world, venue, symbols, name)) for name in names],
        draw(policies()),
        draw(parts),
        draw(parts),
        draw(money),
        draw(st.none() | st.floats(0.0, 1e4)),
    )


@dataclass(slots=True)
class Settled:
    """One liquidation through the engine."""

    batch: Batch
    assessment: Assessment
    closed: Bools
    fills: Floats
    fee_rate: Floats
    funds: Funds
    table: PolicyColumns
    outcome: waterfall.Settlement


def fund_columns(scene: Scene, assets: int) -> Funds:
    balance = np.inf if scene.fund is None else scene.fund
    most = np.inf if scene.event_most is None else scene.event_most
    return Funds(np.full(assets, balance), np.full(assets, most))


def settled(scene: Scene) -> Settled:
    """Close every liquidatable pool of the scene."""
    venue = scene.accounts[0].venue
    batch, _ = build_batch(scene.accounts, agreement.table_of(scene.world))
    assessment = assess(batch)
    closed = assessment.pools.level >= Level.LIQUIDATION
    fills = assessment.legs.mark * (1.0 - np.sign(assessment.legs.size) * scene.slip)
    fee_rate = np.full(len(fills), scene.fee_rate)
    funds = fund_columns(scene, len(batch.asset_price))
    table = policy_columns(POLICIES | {venue: replace(scene.policy, name=venue)})
    closing = close(batch, assessment, fills, fee_rate)
    outcome = waterfall.settle(
        batch, assessment, closing, closed=closed, funds=funds, policies=table
    )
    return Settled(batch, assessment, closed, fills, fee_rate, funds, table, outcome)


def places(found: Settled) -> dict[reference.Place, int]:
    """The row of every (pool, leg of it)."""
    rows: dict[reference.Place, int] = {}
    count: dict[int, int] = {}
    for row, pool in enumerate(found.batch.legs.pool.tolist()):
        rows[pool, count.get(pool, 0)] = row
        count[pool] = count.get(pool, 0) + 1
    return rows


def by_reference(scene: Scene, found: Settled) -> tuple[list[Pool], reference.Event]:
    """The same by loops, in the engine's orders."""
    pools = [pool for account in scene.accounts for pool in pools_of(account, scene.world)]
    figures, rows = found.assessment.pools, places(found)
    order = waterfall.riskiest_first(figures.equity, figures.maintenance_margin).tolist()
    score = scores(found.batch, found.assessment, found.table)
    money = None if scene.fund is None else Fraction(scene.fund)
    most = None if scene.event_most is None else Fraction(scene.event_most)
    event = reference.Event(
        pools,
        [number for number in order if found.closed[number]],
        {place: Fraction(float(found.fills[row])) for place, row in rows.items()},
        dict.fromkeys(rows, Fraction(scene.fee_rate)),
        {pool.key.settle: reference.Fund(money, most) for pool in pools},
        scene.policy,
        [place for place, row in sorted(rows.items(), key=lambda item: (-score[item[1]], item[1]))],
    )
    reference.settle(event)
    return pools, event
