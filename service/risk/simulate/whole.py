"""Compiled: pools on their way through the steps of a scenario, closed whole where they are due.

Positions close at the mark, for the taker fee; who is closed is out. Venues that go by steps, and
fills off the mark, are left to `by_sums`: it is told which pools are due.
"""

from typing import NamedTuple

import numpy as np

from service.risk.batch import build_batch
from service.risk.columns import Batch, Bools, Floats, Ints
from service.risk.compiled import compiled, inlined
from service.risk.levels import LIQUIDATION, Levels
from service.risk.markets import MarketTable
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.walking import (
    Moves,
    Scene,
    Standing,
    add_closed,
    arrange,
    level_of,
    scene_of,
    standing,
)

# Fields of sums after those of `walking`.
FEES, ACCOUNTS = 7, 8
FIELDS = 9


class Whole(NamedTuple):
    """What became of a batch; `assets` are the numbers of the rows of `sums`."""

    assets: Ints
    sums: Floats  # (assets, steps, FIELDS); a pool or an account counts where it is first closed
    level: Levels  # of pools, the worst on the way
    left: Bools  # pools that are due, of which nothing is in the sums
    shortfall: Floats  # of pools
    usd: Floats  # of it; NaN where the asset has no price


class _Tally(NamedTuple):
    """Where results go, and what the sums are counted by."""

    whole: Whole
    by_steps: Bools  # of rules: its pools are left
    last: Ints  # of cells: the account counted last
    price: Floats  # of cells, in USD


def close_whole(
    batch: Batch, moves: Moves, event_most: Floats, policies: PolicyColumns, by_steps: Bools
) -> Whole:
    """Take a batch through the points of `moves` in turn; an account's pools stand together.

    `by_steps`: the rules whose pools are left when they are due.
    """
    scene, assets = scene_of(batch, moves, event_most, policies)
    pools, steps = len(batch.pools.rule), len(moves.factor)
    shortfall, usd = np.zeros((2, pools))
    whole = Whole(
        assets,
        np.zeros((len(assets), steps, FIELDS)),
        np.zeros(pools, np.int8),
        np.zeros(pools, np.bool_),
        shortfall,
        usd,
    )
    last = np.full(len(assets), -1, np.int64)
    _go(scene, _Tally(whole, by_steps, last, batch.asset_price[assets]))
    return whole


def warm_up() -> None:
    """Have it compiled, or read from where it was kept."""
    batch, _ = build_batch([], MarketTable())
    none, nowhere, no = np.ones((1, 0)), np.zeros(0, np.int64), np.zeros(0, np.bool_)
    moves = Moves(no, no, nowhere, nowhere, none, none, none)
    close_whole(batch, moves, np.zeros(0), POLICY_COLUMNS, np.zeros_like(POLICY_COLUMNS.fund))


@compiled
def _go(scene: Scene, tally: _Tally) -> None:
    """Take every pool with a position on its way."""
    given, rows, whole = scene.given, scene.rows, tally.whole
    arrange(given, rows)
    for pool in range(len(given.rule)):
        if rows.first[pool] == rows.first[pool + 1]:
            continue
        for step in range(len(scene.moves.factor)):
            found = standing(scene, pool, step)
            level = level_of(given, pool, found)
            whole.level[pool] = max(whole.level[pool], level)
            if level < LIQUIDATION:
                continue
            if tally.by_steps[given.rule[pool]]:
                whole.left[pool] = True
            else:
                _close(scene, pool, step, found, tally)
            break


@inlined
def _close(scene: Scene, pool: int, step: int, found: Standing, tally: _Tally) -> None:
    """Add a pool that is closed to the sums of a step."""
    walk, whole, moves = scene.walk, tally.whole, scene.moves
    account, cell = walk.account[pool], walk.cell[pool]
    sums = whole.sums[cell, step]
    add_closed(scene, pool, found, sums)
    sums[FEES] += _fees(scene, pool)
    if tally.last[cell] != account:
        tally.last[cell] = account
        sums[ACCOUNTS] += 1.0
    if found.remainder < 0.0:
        coin = moves.coin[step, moves.asset_column[whole.assets[cell]]]
        whole.shortfall[pool] = -found.remainder
        whole.usd[pool] = -found.remainder * (tally.price[cell] * coin)


@inlined
def _fees(scene: Scene, pool: int) -> float:
    """Return what closing a pool costs, where its legs stand now."""
    legs, rows, fees = scene.legs, scene.rows, 0.0
    for index in range(rows.first[pool], rows.first[pool + 1]):
        row = rows.legs[index]
        fees += legs.notional[row] * scene.walk.fee_rate[row] * legs.settle_price[row]
    return fees
