"""Markets as records for compiled code: what an evaluation reads of a market, side by side.

The market table has the truth and says which markets it has touched; `sync` copies those.
"""

import numpy as np

from service.risk.columns import Floats
from service.risk.markets import MarketTable
from service.risk.rows import Records
from service.risk.venues import RULE_COLUMNS, rule_index

MARKET = np.dtype(
    [
        ("mark", np.float64),
        ("cross_fee", np.float64),  # counted inside maintenance, a share of the basis notional
        ("isolated_fee", np.float64),
        ("table", np.int32),
        ("traits", np.uint8),
        ("most", np.int8),  # the highest level that the mark raises a pool to
    ],
    align=True,
)
# Bits of `traits`.
LINEAR = 1
KNOWN = 2  # it has terms and a mark, all of a size that cannot overflow
BY_CONTRACTS = 4
CROSS_ON_ENTRY = 8  # the requirement is taken of the notional at entry
ISOLATED_ON_ENTRY = 16

# Three factors of this size and their sums stay far inside what a float can hold.
LARGEST = 1e60
SMALLEST = 1e-60


class MarketRows:
    """The records, by the table's market numbers."""

    def __init__(self, table: MarketTable) -> None:
        self._table = table
        self._show(np.zeros(8, MARKET))

    def _show(self, rows: Records) -> None:
        self.rows = rows
        self._mark, self._most = rows["mark"], rows["most"]  # views, made once

    def sync(self) -> list[int]:
        """Copy what the table has touched since; returns the markets whose terms are others."""
        marked, termed = self._table.take_touched()
        markets = self._table.columns()
        if len(markets.mark) > len(self.rows):
            more = np.zeros(2 * len(markets.mark), MARKET)
            more[: len(self.rows)] = self.rows
            self._show(more)
        for market in termed:
            self._copy_terms(market)
        for market in marked:
            self._copy_mark(market)
        return termed

    def _copy_terms(self, market: int) -> None:
        markets, tables = self._table.columns(), self._table.tables()
        rule = rule_index(self._table.market_key(market)[0])
        fee = float(markets.taker_fee[market])
        fee = float(RULE_COLUMNS.default_fee[rule]) if np.isnan(fee) else fee
        cross, isolated = (fee * on for on in RULE_COLUMNS.fee_on_notional[:, rule].tolist())
        row, table = self.rows[market], int(markets.table[market])
        row["cross_fee"], row["isolated_fee"], row["table"] = cross, isolated, table
        traits = LINEAR if markets.linear[market] else 0
        if table >= 0:
            traits |= BY_CONTRACTS if tables.by_contracts[table] else 0
            traits |= KNOWN if abs(fee) <= LARGEST and self._is_tame(table) else 0
        traits |= CROSS_ON_ENTRY if RULE_COLUMNS.on_entry[0, rule] else 0
        traits |= ISOLATED_ON_ENTRY if RULE_COLUMNS.on_entry[1, rule] else 0
        row["traits"] = traits

    def _is_tame(self, table: int) -> bool:
        tables = self._table.tables()
        columns: tuple[Floats, ...] = (tables.rate, tables.deduction, tables.rebate)
        return all(float(np.abs(column[table]).max()) <= LARGEST for column in columns)

    def _copy_mark(self, market: int) -> None:
        markets = self._table.columns()
        mark = float(markets.mark[market])
        self._mark[market] = mark if SMALLEST <= mark <= LARGEST else np.nan
        self._most[market] = markets.most[market]
