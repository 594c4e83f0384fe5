"""Pools at supposed prices, point by point: where each stands, what closing it whole leaves.

A pool stands at a point as an evaluation at its prices has it, to the last bit. What it leaves goes
into sums, by point and by the money that pools are counted in (a venue's asset).
"""

from typing import NamedTuple

import numpy as np

from service.risk.by_pool import order_by_pool
from service.risk.closing import taker_fees
from service.risk.columns import Batch, Bools, Floats, Ints
from service.risk.compiled import inlined
from service.risk.legs import AtMark, Given, LegTerms, given_of, holding_worth, put_figures
from service.risk.levels import LevelTable, table_level
from service.risk.margin import assess
from service.risk.policy import PolicyColumns
from service.risk.venues import RULE_COLUMNS

_STRICT = RULE_COLUMNS.strict

# Fields of sums. Money is the pools'.
POOLS, LONG, SHORT, SHORTFALL, CLAIMED, ASKED, CONTRIBUTED = range(7)


class Moves(NamedTuple):
    """Prices at each point, by column: markets and assets say which is theirs.

    A mark is times its factor, unless a `fixed` one is there (else NaN); a coin's price is times
    `coin`. What moves at no point need not be looked at again.
    """

    market_moves: Bools
    asset_moves: Bools
    market_column: Ints
    asset_column: Ints
    factor: Floats  # (points, columns)
    fixed: Floats  # (points, columns)
    coin: Floats  # (points, columns)


class Walk(NamedTuple):
    """What a walk reads beside the batch and the prices."""

    account: Ints  # of pools
    cell: Ints  # of pools: the row of the sums
    mark: Floats  # of legs, before the move
    settle_price: Floats  # of legs, before the move
    fee_rate: Floats  # of legs
    claims: Bools  # of rules: a loan stays a debt though negative balances are protected
    fund: Bools  # of rules
    surplus_rate: Floats  # of rules
    backstop: Floats  # of rules
    event_most: Floats  # of cells: what the fund pays a pool at most


class Rows(NamedTuple):
    """Legs and holdings pool by pool."""

    legs: Ints
    first: Ints
    held: Ints
    first_held: Ints


class Scene(NamedTuple):
    """All that is read; `legs` are as they are at the marks of the point at hand."""

    given: Given
    terms: LegTerms
    legs: AtMark
    rows: Rows
    moves: Moves
    walk: Walk
    unpriced: Bools  # pools, before the move


class Standing(NamedTuple):
    """A pool at a point."""

    equity: float
    initial: float
    maintenance: float
    remainder: float  # once it is closed
    long: float
    short: float
    owing: float  # negative balances


def scene_of(
    batch: Batch, moves: Moves, event_most: Floats, policies: PolicyColumns
) -> tuple[Scene, Ints]:
    """Return all that a walk reads, and the numbers of the assets that its cells are."""
    assessment = assess(batch)
    legs = assessment.legs
    assets, cell = np.unique(batch.pools.settle, return_inverse=True)
    at_mark = AtMark(
        mark=legs.mark.copy(),
        notional=legs.notional,
        unrealised_pnl=legs.unrealised_pnl,
        initial_margin=legs.initial_margin,
        maintenance_margin=legs.maintenance_margin,
        settle_price=legs.settle_price.copy(),
        tier=legs.tier,
        unpriced=legs.unpriced,
    )
    walk = Walk(
        account=batch.pools.account,
        cell=cell,
        mark=legs.mark,
        settle_price=legs.settle_price,
        fee_rate=taker_fees(batch),
        claims=policies.loans_stay,
        fund=policies.fund,
        surplus_rate=policies.surplus_rate,
        backstop=policies.backstop,
        event_most=event_most[assets],
    )
    given = given_of(batch)._replace(mark=legs.mark.copy())
    unpriced = assessment.pools.unpriced
    rows = _room_for(batch)
    return Scene(given, assessment.terms, at_mark, rows, moves, walk, unpriced), assets


def _room_for(batch: Batch) -> Rows:
    many = len(batch.pools.rule)
    legs, held = len(batch.legs.pool), len(batch.holdings.pool)
    return Rows(
        np.empty(legs, np.int64),
        np.empty(many + 1, np.int64),
        np.empty(held, np.int64),
        np.empty(many + 1, np.int64),
    )


@inlined
def arrange(given: Given, rows: Rows) -> None:
    """Put legs and holdings in the order of their pools."""
    order_by_pool(given.pool, rows.legs, rows.first)
    order_by_pool(given.holder, rows.held, rows.first_held)


@inlined
def standing(scene: Scene, pool: int, point: int) -> Standing:
    """Return where a pool stands at a point; sums are taken in the order `margin` takes them."""
    given, terms, legs, rows, walk = scene.given, scene.terms, scene.legs, scene.rows, scene.walk
    moves = scene.moves
    multi = given.multi[pool]
    wallet, owing = 0.0, 0.0
    for index in range(rows.first_held[pool], rows.first_held[pool + 1]):
        row = rows.held[index]
        worth = holding_worth(given, row, moves.coin[point, moves.asset_column[given.asset[row]]])
        wallet += worth
        owing += max(0.0, -worth)
    pnl, initial, maintenance, worth, long, short = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for index in range(rows.first[pool], rows.first[pool + 1]):
        row = rows.legs[index]
        market = given.market[row]
        if moves.market_moves[market] or (multi and moves.asset_moves[given.settle[market]]):
            column, coin = moves.market_column[market], moves.asset_column[given.settle[market]]
            fixed = moves.fixed[point, column]
            moved = walk.mark[row] * moves.factor[point, column]
            given.mark[row] = moved if np.isnan(fixed) else fixed
            price = walk.settle_price[row] * (moves.coin[point, coin] if multi else 1.0)
            put_figures(given, terms, legs, row, price)
        price, notional = legs.settle_price[row], legs.notional[row]
        wallet += terms.margin[row]
        pnl += legs.unrealised_pnl[row] * price
        initial += legs.initial_margin[row] * price
        maintenance += legs.maintenance_margin[row] * price
        worth += (legs.unrealised_pnl[row] - notional * walk.fee_rate[row]) * price
        if terms.size[row] > 0.0:
            long += notional * price
        else:
            short += notional * price
    return Standing(wallet + pnl, initial, maintenance, wallet + worth, long, short, owing)


@inlined
def level_of(given: Given, pool: int, found: Standing) -> int:
    """Return a pool's level by the table; it has a position."""
    lines = LevelTable(given.warning[pool], given.margin_call[pool], _STRICT[given.rule[pool]])
    unpriced = not np.isfinite(found.equity + found.initial + found.maintenance)
    return table_level(found.equity, found.maintenance, True, unpriced, lines)


@inlined
def add_closed(scene: Scene, pool: int, found: Standing, sums: Floats) -> None:
    """Add what closing a pool whole leaves to the sums of its money at a point."""
    walk, rule, cell = scene.walk, scene.given.rule[pool], scene.walk.cell[pool]
    shortfall, surplus = max(0.0, -found.remainder), max(0.0, found.remainder)
    claimed = min(shortfall, found.owing) if walk.claims[rule] else 0.0
    sums[POOLS] += 1.0
    sums[LONG] += found.long
    sums[SHORT] += found.short
    sums[SHORTFALL] += shortfall
    sums[CLAIMED] += claimed
    if walk.fund[rule]:
        sums[ASKED] += min(shortfall - claimed, walk.event_most[cell])
        rate = walk.surplus_rate[rule]
        whole = np.isinf(rate) or found.equity < walk.backstop[rule] * found.maintenance
        sums[CONTRIBUTED] += surplus if whole else min(surplus, rate * (found.long + found.short))
