"""Accounts of the book as they were told, less balances of 0: to be put in anew, here or there."""

import numpy as np

from service.risk.columns import Ints, Statements, Words
from service.risk.growing import spread
from service.risk.lines import Lines
from service.risk.markets import MarketTable
from service.risk.rows import AccountColumns, HoldingColumns, LegColumns, PoolColumns
from service.risk.venues import RULES

_VENUES = tuple(RULES)


class Restated:
    """Reads the columns it was given; they grow and shrink in place."""

    def __init__(
        self,
        table: MarketTable,
        lines: Lines,
        accounts: AccountColumns,
        pools: PoolColumns,
        rows: tuple[LegColumns, HoldingColumns],
    ) -> None:
        self._table, self._lines = table, lines
        self._accounts, self._pools = accounts, pools
        self._legs, self._holdings = rows

    def statements(self, accounts: Ints) -> Statements:
        """Return these accounts, each of which must have a pool.

        Positions are in the order they were given in: sums in another order have other last bits.
        """
        pools, counts = self._pools, self._accounts.pools[accounts]
        slots = spread(self._accounts.pool[accounts], counts)
        owner = np.repeat(np.arange(len(accounts)), counts)
        first = self._accounts.pool[accounts]
        judged_by = self._lines.columns[pools.lines[first]]
        rows, holders = self._legs_of(slots, owner)
        backs = spread(pools.holding[slots], pools.holdings[slots])
        backers = np.repeat(owner, pools.holdings[slots])
        legs, held, table = self._legs, self._holdings, self._table
        many = len(accounts)
        return Statements(
            venue=[_VENUES[rule] for rule in pools.rule[first].tolist()],
            multi=np.bincount(owner, pools.multi[slots], many) > 0.0,
            warning=judged_by["warning"],
            margin_call=judged_by["margin_call"],
            hysteresis=judged_by["hysteresis"],
            ease_after_ms=judged_by["ease_after_ms"],
            repeat_every_ms=judged_by["repeat_every_ms"],
            repeat_until_acknowledged=judged_by["repeat_until_acknowledged"],
            positions=np.bincount(holders, minlength=many),
            balances=np.bincount(backers, minlength=many),
            symbol=Words.of([table.market_key(market)[1] for market in legs.market[rows].tolist()]),
            isolated=pools.isolated[legs.pool[rows]],
            contracts=legs.contracts[rows],
            entry_price=legs.entry_price[rows],
            contract_size=legs.contract_size[rows],
            leverage=legs.leverage[rows],
            margin=legs.margin[rows],
            mark=np.full(len(rows), np.nan),
            asset=Words.of([table.asset_name(asset) for asset in held.asset[backs].tolist()]),
            amount=held.amount[backs],
            weight=held.weight[backs],
            price=held.price[backs],
        )

    def _legs_of(self, slots: Ints, owner: Ints) -> tuple[Ints, Ints]:
        """Return the rows of the pools' legs in the order of accounts and positions, and whose."""
        rows = spread(self._pools.leg[slots], self._pools.legs[slots])
        holders = np.repeat(owner, self._pools.legs[slots])
        order = np.lexsort((self._legs.position[rows], holders))
        return rows[order], holders[order]
