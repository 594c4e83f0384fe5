"""Every figure of an answer of an assessed batch, by one call of compiled code.

What each figure is stands where it is found; for a few positions calling all of these one by one
takes longer than what they do. Of many, nearly all the time is the search for prices: it goes pool
by pool, so two may share the pools among them and find the same to the last bit.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.risk.closing import debt_most
from service.risk.columns import Batch, Bools, Floats, Ints, constant
from service.risk.compiled import Direct, compiled, inlined
from service.risk.falls import FallColumns, no_falls, put_fall
from service.risk.gaps import (
    Gaps,
    MaxLoss,
    empty_gaps,
    empty_losses,
    put_leg_gaps,
    put_losses,
    put_pool_gaps,
)
from service.risk.groups import Gathered, begin, gather
from service.risk.liquidation import (
    PriceColumns,
    empty_prices,
    no_prices,
    put_no_prices,
    put_prices,
)
from service.risk.margin import Assessment, Sums, sums_of
from service.risk.moves import MoveBasis, MoveColumns, no_moves, put_move
from service.risk.restore import RestoreColumns, restore, restore_columns
from service.risk.searches import Columns, Scratch, columns_of, scratch_beside, scratch_of
from service.risk.totals import (
    AccountTotals,
    Converted,
    Derived,
    add_up,
    converted_of,
    empty_derived,
    empty_totals,
)

Work: TypeAlias = Callable[[], object]
SideBySide: TypeAlias = Callable[[Work, Work], object]  # has two works done, in whatever order
SHARED_LEGS = 4_000  # from so many on two have them searched sooner than one


def one_by_one(first: Work, second: Work) -> None:
    """Do two works, one after the other."""
    first()
    second()


class Summary(NamedTuple):
    """What is found, a row a leg, a pool, or an account."""

    prices: PriceColumns
    leg_gaps: Gaps
    falls: FallColumns
    moves: MoveColumns
    pool_gaps: Gaps
    max_loss: MaxLoss
    derived: Derived
    totals: AccountTotals
    restored: RestoreColumns
    overflown: Bools  # accounts with a figure that has all it needs and is no finite number


class Searches(NamedTuple):
    """What is looked for beside margins and totals; what is not is NaN, or 0.

    Moves go by prices: who looks for them looks for those.
    """

    prices: bool
    falls: bool
    moves: bool
    restoration: bool


EVERY_SEARCH = Searches(prices=True, falls=True, moves=True, restoration=True)


class _Basis(NamedTuple):
    """What is read beside the columns that prices are searched by."""

    pools: Sums
    by: Converted
    beta: Floats
    initial_margin: Floats  # of legs
    leverage: Floats
    holding_price: Floats
    explained: Bools  # for notes: pools that are unpriced because something is missing; none yet
    searches: Searches


def summarise(
    batch: Batch,
    assessment: Assessment,
    accounts: int,
    level: NDArray[np.int8],
    *,
    beta: Floats | None = None,
    searches: Searches = EVERY_SEARCH,
    side_by_side: SideBySide = one_by_one,
    shared_from: int = SHARED_LEGS,
) -> Summary:
    """Return every figure of so many accounts, of those that need searching the ones asked for.

    `level` is where pools stand, which is what they are restored from. `beta`: how much of a pool's
    move each market makes, at least 0; None: all make the same. `side_by_side` has the search done
    in two parts from so many legs on.
    """
    legs, pools = len(batch.legs.pool), len(batch.pools.rule)
    assert beta is None or np.all(beta >= 0.0)
    found = Summary(
        prices=empty_prices(legs) if searches.prices else no_prices(legs),
        leg_gaps=empty_gaps(legs),
        falls=no_falls(pools),
        moves=no_moves(pools),
        pool_gaps=empty_gaps(pools),
        max_loss=empty_losses(pools),
        derived=empty_derived(pools),
        totals=empty_totals(accounts),
        restored=restore_columns(batch, assessment, level),
        overflown=np.zeros(accounts, np.bool_),
    )
    basis = _Basis(
        pools=sums_of(assessment.pools),
        by=converted_of(batch, debt_most(batch, assessment)),
        beta=constant(1.0, len(batch.markets.mark)) if beta is None else beta,
        initial_margin=assessment.legs.initial_margin,
        leverage=assessment.legs.leverage,
        holding_price=batch.holdings.price,
        explained=np.zeros(pools, np.bool_),
        searches=searches,
    )
    columns, scratch = columns_of(batch, assessment), scratch_of(batch)
    if legs < shared_from:
        _summarise(columns, scratch, basis, found)
    else:
        _summarise_shared(columns, scratch, basis, found, side_by_side=side_by_side)
    return found


def _summarise_shared(
    columns: Columns, scratch: Scratch, basis: _Basis, found: Summary, *, side_by_side: SideBySide
) -> None:
    _begin(columns, scratch)
    half, pools = _half(scratch.first), len(columns.wallet)
    side_by_side(
        partial(_search, columns, scratch, basis, found, (0, half)),
        partial(_search, columns, scratch_beside(scratch), basis, found, (half, pools)),
    )
    _finish(columns, basis, found)


def _half(first: Ints) -> int:
    """Return the pool at which the second half of the legs begins; `first` is each pool's."""
    return int(np.searchsorted(first[:-1], first[-1] // 2))


@compiled
def _summarise_all(columns: Columns, scratch: Scratch, basis: _Basis, found: Summary) -> None:
    begin(columns, scratch)
    _search_some(columns, scratch, basis, found, (0, len(columns.wallet)))
    _finish_all(columns, basis, found)


@compiled
def _begin_all(columns: Columns, scratch: Scratch) -> None:
    begin(columns, scratch)


@compiled
def _finish_all(columns: Columns, basis: _Basis, found: Summary) -> None:
    """Fill in what goes row by row, once all prices are there."""
    pools, debt = basis.pools, basis.by.debt_most
    put_leg_gaps(columns, pools, found.prices, debt, found.leg_gaps)
    put_pool_gaps(pools, found.moves, debt, found.pool_gaps)
    put_losses(pools, found.falls, debt, found.max_loss)
    add_up(pools, basis.by, found.derived, found.totals)
    if basis.searches.restoration:
        restore(found.restored)
    _find_overflown(columns, basis, found)


@compiled
def _search_some(
    columns: Columns, scratch: Scratch, basis: _Basis, found: Summary, part: tuple[int, int]
) -> None:
    """Fill in what needs the legs of a pool side by side: they are put there once.

    `part`: from which pool on to which.
    """
    wanted = basis.searches
    if not (wanted.prices or wanted.falls):
        return
    moved_by = MoveBasis(found.prices, basis.beta)
    for pool in range(part[0], part[1]):
        if columns.unpriced[pool]:
            put_no_prices(scratch, found.prices, pool)
            continue
        count = gather(columns, scratch, pool)
        if wanted.prices:
            put_prices(columns, scratch, found.prices, pool, count)
        if columns.multi[pool]:  # where coins move with prices, the notes are of slack or of PnL
            count = gather(columns, scratch, pool)
        if wanted.falls:
            put_fall(columns, scratch, found.falls, pool, count)
        if wanted.moves:
            put_move(columns, scratch, moved_by, found.moves, Gathered(pool, count))


@inlined
def _find_overflown(columns: Columns, basis: _Basis, found: Summary) -> None:
    explained = basis.explained
    for row in range(len(columns.holder)):
        pool, price = columns.holder[row], basis.by.asset_price[columns.asset[row]]
        lacking = np.isnan(price) and np.isnan(basis.holding_price[row])
        explained[pool] |= lacking and columns.multi[pool]
    for row in range(len(columns.pool)):
        pool = columns.pool[row]
        lacking = np.isnan(columns.mark[row]) or np.isnan(columns.settle_price[row])
        explained[pool] |= lacking or columns.table[columns.market[row]] < 0
        found.overflown[basis.by.account[pool]] |= _leg_overflows(columns, basis, found, row)
    for pool in range(len(explained)):
        overflows = _pool_overflows(basis.pools, found.derived, pool)
        overflows |= basis.pools.unpriced[pool] and not explained[pool]
        found.overflown[basis.by.account[pool]] |= overflows
    for account in range(len(found.overflown)):
        found.overflown[account] |= _account_overflows(found.totals, account)


@inlined
def _leg_overflows(columns: Columns, basis: _Basis, found: Summary, row: int) -> bool:
    prices = found.prices
    return bool(
        np.isinf(columns.notional[row])
        or np.isinf(columns.unrealised_pnl[row])
        or np.isinf(basis.initial_margin[row])
        or np.isinf(columns.maintenance_margin[row])
        or np.isinf(basis.leverage[row])
        or np.isinf(prices.liquidation[row])
        or np.isinf(prices.below[row])
        or np.isinf(prices.above[row])
        or np.isinf(prices.bankruptcy[row])
        or np.isinf(prices.distance_pct[row])
    )


@inlined
def _pool_overflows(pools: Sums, derived: Derived, pool: int) -> bool:
    return bool(
        np.isinf(pools.wallet[pool])
        or np.isinf(pools.unrealised_pnl[pool])
        or np.isinf(pools.equity[pool])
        or np.isinf(pools.initial_margin[pool])
        or np.isinf(pools.maintenance_margin[pool])
        or np.isinf(pools.margin_ratio[pool])
        or np.isinf(derived.health_factor[pool])
        or np.isinf(derived.available_margin[pool])
        or np.isinf(derived.margin_deficit[pool])
        or np.isinf(derived.shortfall[pool])
        or np.isinf(derived.owed[pool])
    )


@inlined
def _account_overflows(totals: AccountTotals, account: int) -> bool:
    return bool(
        np.isinf(totals.wallet[account])
        or np.isinf(totals.unrealised_pnl[account])
        or np.isinf(totals.equity[account])
        or np.isinf(totals.initial_margin[account])
        or np.isinf(totals.maintenance_margin[account])
        or np.isinf(totals.margin_ratio[account])
        or np.isinf(totals.health_factor[account])
        or np.isinf(totals.available_margin[account])
        or np.isinf(totals.margin_deficit[account])
        or np.isinf(totals.shortfall[account])
        or np.isinf(totals.owed[account])
    )


_summarise, _begin = Direct(_summarise_all), Direct(_begin_all)
_search, _finish = Direct(_search_some), Direct(_finish_all)
