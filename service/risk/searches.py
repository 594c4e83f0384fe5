"""What searches for prices read of a batch, and where they take their notes, pool by pool."""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Batch, Bools, Floats, Int8s, Ints
from service.risk.margin import Assessment
from service.risk.rows import Records

# A leg of the pool at hand. Its requirement at a notional n is rate x n + fixed and, where it
# bends, what its tier asks of n; a frozen one and one by contracts held stay in their tiers.
MEMBER = np.dtype(
    [
        ("row", np.int64),
        ("size", np.float64),  # signed
        ("entry_price", np.float64),
        ("side", np.float64),
        ("weight", np.float64),  # what its money is in the pool's
        ("notional", np.float64),  # at the mark, as far as it goes with t
        ("still", np.float64),  # what of it does not; 0 where t moves the leg's market alone
        ("rate", np.float64),
        ("fixed", np.float64),
        ("in_tier", np.float64),  # asked by the tier at the mark, where it bends
        ("closing_rate", np.float64),  # the closing fee that the bankruptcy price counts
        ("closing_fee", np.float64),
        ("table", np.int64),
        ("tier_at_mark", np.int64),
        ("tier", np.int64),  # where the search is
        ("linear", np.bool_),
        ("bends", np.bool_),
    ],
    align=True,
)
GROUP = np.dtype(
    [
        ("first", np.int64),  # into the members
        ("end", np.int64),
        ("market", np.int64),
        ("mark", np.float64),
        ("slack", np.float64),
        ("pnl", np.float64),
        ("slack_beside", np.float64),  # of the other groups
        ("pnl_beside", np.float64),
        ("slack_moving", np.float64),  # of the rest of the pool, what is base coin
        ("pnl_moving", np.float64),
        ("inverse", np.bool_),  # t = mark / price
        ("coin", np.bool_),  # inverse, and its settle coin is money worth the price itself (multi)
        ("unsolved", np.bool_),  # the pool's value is no line in either t
    ],
    align=True,
)
HELD, SLACK, PNL = range(3)  # columns of `in_asset`


class Columns(NamedTuple):
    """What the search for prices reads: a row a leg, a pool, a market, a holding or a tier."""

    pool: Ints
    market: Ints
    contracts: Floats
    entry_price: Floats
    mark: Floats
    size: Floats
    notional: Floats
    unrealised_pnl: Floats
    maintenance_margin: Floats
    settle_price: Floats
    tier: Ints  # flat
    on_entry: Bools
    fee_rate: Floats
    fixed_fee: Floats
    bankruptcy_fee_rate: Floats
    bankruptcy_fee: Floats
    wallet: Floats  # from here on of pools
    unpriced: Bools
    level: Int8s
    rule: Ints
    multi: Bools
    linear: Bools  # of markets
    table: Ints
    base: Ints
    settle: Ints
    by_contracts: Bools  # of tables
    floor: Floats
    rate: Floats
    deduction: Floats
    rebate: Floats
    continuous: Bools
    holder: Ints  # of holdings
    asset: Ints
    worth: Floats


class Scratch(NamedTuple):
    """Room for the search's notes."""

    rows: Ints  # leg rows, pool by pool
    first: Ints  # into `rows`, by pool; one more than there are pools
    held: Ints  # holding rows, pool by pool
    first_held: Ints
    group_of: Ints  # by market; -1 between pools
    in_asset: Floats  # (assets, 3); 0 between pools
    members: Records
    groups: Records


def columns_of(batch: Batch, assessment: Assessment) -> Columns:
    """Return what an assessed batch's pools are searched by."""
    legs, terms, pools = assessment.legs, assessment.terms, assessment.pools
    given, markets, tables = batch.legs, batch.markets, batch.tables
    return Columns(
        pool=given.pool,
        market=given.market,
        contracts=given.contracts,
        entry_price=given.entry_price,
        mark=legs.mark,
        size=legs.size,
        notional=legs.notional,
        unrealised_pnl=legs.unrealised_pnl,
        maintenance_margin=legs.maintenance_margin,
        settle_price=legs.settle_price,
        tier=legs.tier,
        on_entry=terms.on_entry,
        fee_rate=terms.fee_rate,
        fixed_fee=terms.fixed_fee,
        bankruptcy_fee_rate=terms.bankruptcy_fee_rate,
        bankruptcy_fee=terms.bankruptcy_fee,
        wallet=pools.wallet,
        unpriced=pools.unpriced,
        level=pools.level,
        rule=batch.pools.rule,
        multi=batch.pools.multi,
        linear=markets.linear,
        table=markets.table,
        base=markets.base,
        settle=markets.settle,
        by_contracts=tables.by_contracts,
        floor=tables.floor,
        rate=tables.rate,
        deduction=tables.deduction,
        rebate=tables.rebate,
        continuous=tables.continuous,
        holder=batch.holdings.pool,
        asset=batch.holdings.asset,
        worth=assessment.worth,
    )


def scratch_of(batch: Batch) -> Scratch:
    """Return room for the notes on any pool of a batch."""
    rows, pools, held = len(batch.legs.pool), len(batch.pools.rule), len(batch.holdings.pool)
    return Scratch(
        rows=np.empty(rows, np.int64),
        first=np.empty(pools + 1, np.int64),
        held=np.empty(held, np.int64),
        first_held=np.empty(pools + 1, np.int64),
        group_of=np.empty(len(batch.markets.mark), np.int64),
        in_asset=np.zeros((len(batch.asset_price), 3)),
        members=np.empty(rows, MEMBER),
        groups=np.empty(rows, GROUP),
    )


def scratch_beside(scratch: Scratch) -> Scratch:
    """Return the same order of rows, with room of its own for notes: for who searches beside."""
    return scratch._replace(
        group_of=np.full_like(scratch.group_of, -1),
        in_asset=np.zeros_like(scratch.in_asset),
        members=np.empty_like(scratch.members),
        groups=np.empty_like(scratch.groups),
    )
