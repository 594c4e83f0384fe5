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
from service.risk.by_pool import order_by_pool
from service.risk.closing import taker_fees
from service.risk.columns import Batch, Bools, Floats, Ints
from service.risk.compiled import compiled, inlined
from service.risk.legs import AtMark, Given, LegTerms, given_of, holding_worth, put_figures
from service.risk.levels import LIQUIDATION, LevelTable, table_level
from service.risk.margin import assess
from service.risk.markets import MarketTable
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.shocks import Shock, shock_of
from service.risk.venues import RULE_COLUMNS

_STRICT = RULE_COLUMNS.strict

# Fields of `Found.sums`. Money is the pools'.
POOLS, LONG, SHORT, SHORTFALL, CLAIMED, ASKED, CONTRIBUTED = range(7)
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


class _Walk(NamedTuple):
    """What the walk reads beside the batch."""

    market_moves: Bools
    asset_moves: Bools
    factor: Floats
    everything: bool
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


class _Rows(NamedTuple):
    """Legs and holdings pool by pool."""

    legs: Ints
    first: Ints
    held: Ints
    first_held: Ints


class _Scene(NamedTuple):
    """All that is read; `legs` are as they are at the marks of the point at hand."""

    given: Given
    terms: LegTerms
    legs: AtMark
    rows: _Rows
    walk: _Walk
    unpriced: Bools  # pools, before the move


class _Tally(NamedTuple):
    """Where results go; `last` are the accounts counted last, by point."""

    sums: Floats
    accounts: Ints
    short: Ints
    last: Ints
    last_short: Ints
    counts: Ints  # pools, unpriced


class _Standing(NamedTuple):
    """A pool at a point."""

    equity: float
    initial: float
    maintenance: float
    remainder: float  # once it is closed
    long: float
    short: float
    owing: float  # negative balances


def walk(
    batch: Batch, shock: Shock, event_most: Floats, policies: PolicyColumns = POLICY_COLUMNS
) -> Found:
    """Return what each point of a shock does to a batch; an account's pools stand together.

    `event_most`: what a fund pays a pool at most, by asset (inf: no limit).
    """
    assessment = assess(batch)
    pools, legs, points = assessment.pools, assessment.legs, len(shock.factor)
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
    reads = _Walk(
        market_moves=shock.markets,
        asset_moves=shock.assets,
        factor=shock.factor,
        everything=shock.everything,
        account=batch.pools.account,
        cell=cell,
        mark=legs.mark,
        settle_price=legs.settle_price,
        fee_rate=taker_fees(batch),
        claims=policies.negative_balance_protection & policies.claims_borrowed,
        fund=policies.fund,
        surplus_rate=policies.surplus_rate,
        backstop=policies.backstop,
        event_most=event_most[assets],
    )
    accounts, short = np.zeros((2, points), np.int64)
    last, last_short = np.full((2, points), -1, np.int64)
    counts = np.zeros(2, np.int64)
    sums = np.zeros((len(assets), points, FIELDS))
    tally = _Tally(sums, accounts, short, last, last_short, counts)
    given = given_of(batch)._replace(mark=legs.mark.copy())
    scene = _Scene(given, assessment.terms, at_mark, _room(batch), reads, pools.unpriced)
    _go(scene, tally)
    return Found(assets, sums, accounts, short, int(counts[0]), int(counts[1]))


def warm_up() -> None:
    """Have it compiled, or read from where it was kept."""
    table = MarketTable()
    batch, _ = build_batch([], table)
    walk(batch, shock_of(table, None, None, np.ones(1)), np.zeros(0))


def _room(batch: Batch) -> _Rows:
    many = len(batch.pools.rule)
    legs, held = len(batch.legs.pool), len(batch.holdings.pool)
    return _Rows(
        np.empty(legs, np.int64),
        np.empty(many + 1, np.int64),
        np.empty(held, np.int64),
        np.empty(many + 1, np.int64),
    )


@compiled
def _go(scene: _Scene, tally: _Tally) -> None:
    """Judge every pool at every point."""
    given, rows, walk = scene.given, scene.rows, scene.walk
    order_by_pool(given.pool, rows.legs, rows.first)
    order_by_pool(given.holder, rows.held, rows.first_held)
    for pool in range(len(given.rule)):
        if rows.first[pool] == rows.first[pool + 1] or not _counts(given, rows, walk, pool):
            continue
        tally.counts[0] += 1
        if scene.unpriced[pool]:
            tally.counts[1] += 1
            continue
        for point in range(len(walk.factor)):
            found = _standing(scene, pool, walk.factor[point])
            _take_down(scene, pool, point, found, tally)


@inlined
def _counts(given: Given, rows: _Rows, walk: _Walk, pool: int) -> bool:
    """Whether the shock moves anything of a pool, or all pools count."""
    moves, multi = walk.everything, given.multi[pool]
    for index in range(rows.first[pool], rows.first[pool + 1]):
        market = given.market[rows.legs[index]]
        moves |= walk.market_moves[market] or (multi and walk.asset_moves[given.settle[market]])
    for index in range(rows.first_held[pool], rows.first_held[pool + 1]):
        moves |= multi and walk.asset_moves[given.asset[rows.held[index]]]
    return bool(moves)


@inlined
def _standing(scene: _Scene, pool: int, factor: float) -> _Standing:
    """Return where a pool stands at a factor; sums are taken in the order `margin` takes them."""
    given, terms, legs, rows, walk = scene.given, scene.terms, scene.legs, scene.rows, scene.walk
    multi = given.multi[pool]
    wallet, owing = 0.0, 0.0
    for index in range(rows.first_held[pool], rows.first_held[pool + 1]):
        row = rows.held[index]
        worth = holding_worth(given, row, factor if walk.asset_moves[given.asset[row]] else 1.0)
        wallet += worth
        owing += max(0.0, -worth)
    pnl, initial, maintenance, worth, long, short = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for index in range(rows.first[pool], rows.first[pool + 1]):
        row = rows.legs[index]
        market = given.market[row]
        coin_moves = multi and walk.asset_moves[given.settle[market]]
        if walk.market_moves[market] or coin_moves:
            given.mark[row] = walk.mark[row] * (factor if walk.market_moves[market] else 1.0)
            price = walk.settle_price[row] * (factor if coin_moves else 1.0)
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
    return _Standing(wallet + pnl, initial, maintenance, wallet + worth, long, short, owing)


@inlined
def _take_down(scene: _Scene, pool: int, point: int, found: _Standing, tally: _Tally) -> None:
    """Add a pool that is to be liquidated to the sums of a point."""
    given, walk = scene.given, scene.walk
    rule, equity, maintenance = given.rule[pool], found.equity, found.maintenance
    unpriced = not np.isfinite(equity + found.initial + maintenance)
    lines = LevelTable(given.warning[pool], given.margin_call[pool], _STRICT[rule])
    if unpriced or table_level(equity, maintenance, True, False, lines) < LIQUIDATION:
        return
    account, cell = walk.account[pool], walk.cell[pool]
    if tally.last[point] != account:
        tally.last[point] = account
        tally.accounts[point] += 1
    shortfall, surplus = max(0.0, -found.remainder), max(0.0, found.remainder)
    if shortfall > 0.0 and tally.last_short[point] != account:
        tally.last_short[point] = account
        tally.short[point] += 1
    claimed = min(shortfall, found.owing) if walk.claims[rule] else 0.0
    sums = tally.sums[cell, point]
    sums[POOLS] += 1.0
    sums[LONG] += found.long
    sums[SHORT] += found.short
    sums[SHORTFALL] += shortfall
    sums[CLAIMED] += claimed
    if walk.fund[rule]:
        sums[ASKED] += min(shortfall - claimed, walk.event_most[cell])
        rate = walk.surplus_rate[rule]
        whole = np.isinf(rate) or equity < walk.backstop[rule] * maintenance
        sums[CONTRIBUTED] += surplus if whole else min(surplus, rate * (found.long + found.short))
