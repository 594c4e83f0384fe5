"""Rows of the book as the columns of a batch: what was given, nothing that was derived."""

import numpy as np

from service.risk.columns import Holdings, Ints, Legs, Pools
from service.risk.lines import Lines
from service.risk.rows import HoldingColumns, LegColumns, PoolColumns


def given_pools(pools: PoolColumns, lines: Lines, slots: Ints) -> Pools:
    """Return the pools at these slots."""
    judged_by = pools.lines[slots]
    return Pools(
        pools.account[slots].astype(np.int64),
        pools.rule[slots].astype(np.int64),
        pools.isolated[slots],
        pools.multi[slots],
        pools.settle[slots].astype(np.int64),
        lines.columns["warning"][judged_by],
        lines.columns["margin_call"][judged_by],
        lines.columns["hysteresis"][judged_by],
        lines.columns["ease_after_ms"][judged_by],
        lines.columns["repeat_every_ms"][judged_by],
        lines.columns["repeat_until_acknowledged"][judged_by],
    )


def given_legs(legs: LegColumns, rows: Ints, pool: Ints) -> Legs:
    """Return the legs at these rows; `pool` numbers their pools within the batch."""
    return Legs(
        pool,
        legs.market[rows].astype(np.int64),
        legs.contracts[rows],
        legs.contract_size[rows],
        legs.entry_price[rows],
        legs.leverage[rows],
        legs.margin[rows],
        np.full(len(rows), np.nan),
    )


def given_holdings(holdings: HoldingColumns, rows: Ints, pool: Ints) -> Holdings:
    """Return the holdings at these rows; `pool` numbers their pools within the batch."""
    return Holdings(
        pool,
        holdings.asset[rows].astype(np.int64),
        holdings.amount[rows],
        holdings.weight[rows],
        holdings.price[rows],
    )
