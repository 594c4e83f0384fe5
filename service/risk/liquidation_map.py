"""A book at many moves of its marks: how much each would liquidate, and what that leaves missing.

The marks of some markets are times a factor, point after point, and coins go with the symbol they
are the base of. At each point a pool stands as an evaluation at those marks has it, to the last
bit: the legs that move are judged by the same compiled code, those that stand still are judged
once. A pool that is to be liquidated is closed whole, at the marks of then and for the taker fee.

What comes of it is sums, by point and by the money that pools are counted in (a venue's asset), so
parts of a book can be walked anywhere and added up; `map_payers` says who pays what they have lost.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from service.risk.batch import build_batch
from service.risk.columns import Batch, Floats, Ints
from service.risk.compiled import compiled, inlined
from service.risk.legs import Given
from service.risk.levels import LIQUIDATION
from service.risk.markets import MarketTable
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.shocks import Shock, shock_of
from service.risk.walking import (
    Moves,
    Rows,
    Scene,
    Standing,
    add_closed,
    arrange,
    level_of,
    scene_of,
    standing,
)

# Of `Found.sums`: those of `walking`.
FIELDS = 7


@dataclass(slots=True)
class Found:
    """What a walk has found; `assets` are the numbers of the rows of `sums`."""

    assets: Ints
    sums: Floats  # (assets, points, FIELDS)
    accounts: Ints  # with a pool liquidated, by point
    accounts_short: Ints  # with a pool that falls short, by point
    pools: int  # that were looked at, all with a position
    unpriced: int  # of which a mark, an instrument or a price is missing: part of no sum


class _Tally(NamedTuple):
    """Where results go; `last` are the accounts counted last, by point."""

    sums: Floats
    accounts: Ints
    short: Ints
    last: Ints
    last_short: Ints
    counts: Ints  # pools, unpriced


def walk(
    batch: Batch, shock: Shock, event_most: Floats, policies: PolicyColumns = POLICY_COLUMNS
) -> Found:
    """Return what each point of a shock does to a batch; an account's pools stand together.

    `event_most`: what a fund pays a pool at most, by asset (inf: no limit).
    """
    points = len(shock.factor)
    factor = np.column_stack((np.ones(points), shock.factor))  # of what stands, of what moves
    moves = Moves(
        market_moves=shock.markets,
        asset_moves=shock.assets,
        market_column=shock.markets.astype(np.int64),
        asset_column=shock.assets.astype(np.int64),
        factor=factor,
        fixed=np.full(factor.shape, np.nan),
        coin=factor,
    )
    scene, assets = scene_of(batch, moves, event_most, policies)
    accounts, short = np.zeros((2, points), np.int64)
    last, last_short = np.full((2, points), -1, np.int64)
    counts = np.zeros(2, np.int64)
    sums = np.zeros((len(assets), points, FIELDS))
    tally = _Tally(sums, accounts, short, last, last_short, counts)
    _go(scene, shock.everything, tally)
    return Found(assets, sums, accounts, short, int(counts[0]), int(counts[1]))


def warm_up() -> None:
    """Have it compiled, or read from where it was kept."""
    table = MarketTable()
    batch, _ = build_batch([], table)
    walk(batch, shock_of(table, None, None, np.ones(1)), np.zeros(0))


@compiled
def _go(scene: Scene, everything: bool, tally: _Tally) -> None:
    """Judge every pool at every point; `everything`: whatever it holds."""
    given, rows, moves = scene.given, scene.rows, scene.moves
    arrange(given, rows)
    for pool in range(len(given.rule)):
        if rows.first[pool] == rows.first[pool + 1] or not (
            everything or _counts(given, rows, moves, pool)
        ):
            continue
        tally.counts[0] += 1
        if scene.unpriced[pool]:
            tally.counts[1] += 1
            continue
        for point in range(len(moves.factor)):
            found = standing(scene, pool, point)
            _take_down(scene, pool, point, found, tally)


@inlined
def _counts(given: Given, rows: Rows, moves: Moves, pool: int) -> bool:
    """Whether the shock moves anything of a pool."""
    found, multi = False, given.multi[pool]
    for index in range(rows.first[pool], rows.first[pool + 1]):
        market = given.market[rows.legs[index]]
        found |= moves.market_moves[market] or (multi and moves.asset_moves[given.settle[market]])
    for index in range(rows.first_held[pool], rows.first_held[pool + 1]):
        found |= multi and moves.asset_moves[given.asset[rows.held[index]]]
    return bool(found)


@inlined
def _take_down(scene: Scene, pool: int, point: int, found: Standing, tally: _Tally) -> None:
    """Add a pool that is to be liquidated to the sums of a point."""
    walk = scene.walk
    if level_of(scene.given, pool, found) < LIQUIDATION:
        return
    account = walk.account[pool]
    if tally.last[point] != account:
        tally.last[point] = account
        tally.accounts[point] += 1
    if found.remainder < 0.0 and tally.last_short[point] != account:
        tally.last_short[point] = account
        tally.short[point] += 1
    add_closed(scene, pool, found, tally.sums[walk.cell[pool], point])
