"""What the book's columns say, told as records: pools by name, accounts as they were given."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from service.risk.columns import Ints
from service.risk.levels import NOT_PENDING
from service.risk.lines import Lines
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, PoolKey, Position
from service.risk.rows import HoldingColumns, LegColumns, PoolColumns
from service.risk.venues import RULES

_VENUES = tuple(RULES)


@dataclass(frozen=True, slots=True)
class PoolState:
    """The level of one pool and how it came to it; carried over when its account changes."""

    key: PoolKey
    level: int
    pending_since: int  # event time, NOT_PENDING: no fall is waiting
    since: int  # event time of the alert that set the level
    level_seq: int  # that alert's seq


def identity(key: PoolKey) -> tuple[str, str, str]:
    """Return a pool's identity: an isolated one keeps it when its settle asset is corrected."""
    return ("", "", key.settle) if key.kind == "cross" else (key.symbol, key.side, "")


class Records:
    """Reads the columns it was given; they grow and shrink in place."""

    def __init__(
        self,
        table: MarketTable,
        lines: Lines,
        pools: PoolColumns,
        legs: LegColumns,
        holdings: HoldingColumns,
    ) -> None:
        self._table, self._lines = table, lines
        self._pools, self._legs, self._holdings = pools, legs, holdings

    def key_of(self, slot: int) -> PoolKey:
        """Return a pool's name."""
        settle = self._table.asset_name(int(self._pools.settle[slot]))
        if not self._pools.isolated[slot]:
            return PoolKey("cross", settle)
        row = self._pools.leg[slot]
        _, symbol = self._table.market_key(int(self._legs.market[row]))
        side = "long" if self._legs.contracts[row] > 0.0 else "short"
        return PoolKey("isolated", settle, symbol, side)

    def state(self, slot: int) -> PoolState:
        """Return a pool's name with the level it is at."""
        pools = self._pools
        return PoolState(
            self.key_of(slot),
            int(pools.level[slot]),
            int(pools.pending_since[slot]),
            int(pools.since[slot]),
            int(pools.level_seq[slot]),
        )

    def marked_states(self, slots: Ints) -> dict[int, list[PoolState]]:
        """Return by account the states of those of these pools that ever left their rest."""
        pools = self._pools
        at_rest = (pools.level[slots] == 0) & (pools.pending_since[slots] == NOT_PENDING)
        never = at_rest & (pools.since[slots] == 0) & (pools.level_seq[slots] == 0)
        states: dict[int, list[PoolState]] = defaultdict(list)
        for slot in slots[~never].tolist():
            states[int(pools.account[slot])].append(self.state(slot))
        return states

    def account(self, key: str, slots: Ints, rows: Ints, backs: Ints) -> Account:
        """Return the account that has these pools, legs and holdings; at least one pool.

        Positions are in the order they were given in: sums in another order have other last bits.
        """
        pools, first = self._pools, slots[0]
        return Account(
            key,
            _VENUES[int(pools.rule[first])],
            "multi" if pools.multi[slots].any() else "single",
            tuple(self._balance(row) for row in backs.tolist()),
            tuple(
                self._position(row) for row in rows[np.argsort(self._legs.position[rows])].tolist()
            ),
            self._lines.thresholds(int(pools.lines[first])),
        )

    def _position(self, row: int) -> Position:
        legs = self._legs
        return Position(
            symbol=self._table.market_key(int(legs.market[row]))[1],
            contracts=float(legs.contracts[row]),
            entry_price=float(legs.entry_price[row]),
            isolated=bool(self._pools.isolated[legs.pool[row]]),
            leverage=_given(legs.leverage[row]),
            contract_size=_given(legs.contract_size[row]),
            margin=_given(legs.margin[row]),
        )

    def _balance(self, row: int) -> Balance:
        held = self._holdings
        asset = self._table.asset_name(int(held.asset[row]))
        weight, amount = float(held.weight[row]), float(held.amount[row])
        return Balance(asset, amount, weight, _given(held.price[row]))


def _given(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
