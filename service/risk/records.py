"""What the book's columns say of pools, told as records: their names, the levels they are at."""

from collections import defaultdict
from dataclasses import dataclass

from service.risk.columns import Ints
from service.risk.levels import NOT_PENDING
from service.risk.markets import MarketTable
from service.risk.model import PoolKey
from service.risk.rows import LegColumns, PoolColumns
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
    reminded_at: int = 0  # event time of its last reminder, 0: none
    reminded_seq: int = 0
    acknowledged: bool = False


def identity(key: PoolKey) -> tuple[str, str, str]:
    """Return a pool's identity: an isolated one keeps it when its settle asset is corrected."""
    return ("", "", key.settle) if key.kind == "cross" else (key.symbol, key.side, "")


class Records:
    """Reads, and puts states into, the columns it was given; they grow and shrink in place."""

    def __init__(self, table: MarketTable, pools: PoolColumns, legs: LegColumns) -> None:
        self._table, self._pools, self._legs = table, pools, legs

    def key_of(self, slot: int) -> PoolKey:
        """Return a pool's name."""
        settle = self._table.asset_name(int(self._pools.settle[slot]))
        if not self._pools.isolated[slot]:
            return PoolKey("cross", settle)
        row = self._pools.leg[slot]
        market, is_long = int(self._legs.market[row]), bool(self._legs.contracts[row] > 0.0)
        return self._table.isolated_key(settle, market, is_long)

    def state(self, slot: int) -> PoolState:
        """Return a pool's name with the level it is at."""
        pools = self._pools
        return PoolState(
            self.key_of(slot),
            int(pools.level[slot]),
            int(pools.pending_since[slot]),
            int(pools.since[slot]),
            int(pools.level_seq[slot]),
            int(pools.reminded_at[slot]),
            int(pools.reminded_seq[slot]),
            bool(pools.acknowledged[slot]),
        )

    def put_state(self, slot: int, state: PoolState) -> None:
        """Put a pool at the level it had."""
        pools = self._pools
        pools.level[slot], pools.pending_since[slot] = state.level, state.pending_since
        pools.since[slot], pools.level_seq[slot] = state.since, state.level_seq
        pools.reminded_at[slot], pools.reminded_seq[slot] = state.reminded_at, state.reminded_seq
        pools.acknowledged[slot] = state.acknowledged

    def marked_states(self, slots: Ints) -> dict[int, list[PoolState]]:
        """Return by account the states of those of these pools that ever left their rest."""
        pools = self._pools
        at_rest = (pools.level[slots] == 0) & (pools.pending_since[slots] == NOT_PENDING)
        never = at_rest & (pools.since[slots] == 0) & (pools.level_seq[slots] == 0)
        states: dict[int, list[PoolState]] = defaultdict(list)
        for slot in slots[~never].tolist():
            states[int(pools.account[slot])].append(self.state(slot))
        return states
