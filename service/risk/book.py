"""All monitored pools as columns: no object a position, a contiguous range of rows an account.

An account has a fixed index; its pools, legs and holdings stand in one range each, legs and
holdings in the order of their pools. A changed account is appended anew and its old rows die; when
more rows are dead than alive the book is compacted (slots and rows change then, account indices
never). A pool's name is not stored: it follows from its columns, and from its first leg when it is
isolated. An account that is gone keeps its index, its version and its seq: they go on if it comes
back. Index words: `slot` a pool's, `row` a leg's, `account` an account's.
"""

from collections.abc import Sequence

import numpy as np

from service.risk.batch import batch_of, statements_of
from service.risk.columns import Batch, Holdings, Ints, Legs, Statements
from service.risk.dependents import Dependents
from service.risk.given import given_holdings, given_legs, given_pools
from service.risk.growing import grow, keep, spread
from service.risk.holders import Holders
from service.risk.levels import NOT_PENDING
from service.risk.lines import Lines
from service.risk.market_rows import MarketRows
from service.risk.markets import MarketTable
from service.risk.model import Account, Level, PoolKey
from service.risk.names import Names
from service.risk.records import PoolState, Records, identity
from service.risk.restated import Restated
from service.risk.rows import AccountColumns, HoldingColumns, LegColumns, PoolColumns
from service.risk.terms import write_terms


class Book:
    """Accounts, pools, legs and holdings; the engine is the only writer."""

    def __init__(self, table: MarketTable) -> None:
        self.table = table
        self.accounts, self.pools = AccountColumns(), PoolColumns()
        self.legs, self.holdings = LegColumns(), HoldingColumns()
        self.holders = Holders(self.legs)
        self.lines = Lines()
        self.market_rows = MarketRows(table)
        self.longest = 1  # legs of a pool, at most so many so far
        self._records = Records(table, self.pools, self.legs)
        told = (self.legs, self.holdings)
        self._restated = Restated(table, self.lines, self.accounts, self.pools, told)
        self.keys = Names()
        self._dependents = Dependents()
        self._pools = self._legs = self._holdings = 0  # rows used
        self._dead_legs = self._dead_pools = 0

    def __len__(self) -> int:
        return self._pools - self._dead_pools

    @property
    def positions(self) -> int:
        return self._legs - self._dead_legs

    def find(self, account_key: str) -> int | None:
        """Return the account's index, also when it is gone; None when it was never here."""
        return self.keys.find(account_key)

    def enter(self, account_key: str) -> int:
        """Return the account's index, making one when there is none."""
        account = self.keys.enter(account_key)
        if account >= len(self.accounts.pool):
            grow(self.accounts, account + 1)
        return account

    def slots_of(self, account: int) -> Ints:
        first = int(self.accounts.pool[account])
        return np.arange(first, first + int(self.accounts.pools[account]), dtype=np.int64)

    def slots_of_all(self, accounts: Ints) -> Ints:
        """Return the slots of these accounts, one account's after the other."""
        return spread(self.accounts.pool[accounts], self.accounts.pools[accounts])

    def next_slots(self, first: int, count: int) -> tuple[Ints, int]:
        """Return the live ones of `count` slots from `first` on, and the next slot; 0: none."""
        end = min(first + count, self._pools)
        live = first + np.flatnonzero(self.pools.account[first:end] >= 0)
        return live, end if end < self._pools else 0

    def live_slots(self) -> Ints:
        return np.flatnonzero(self.pools.account[: self._pools] >= 0)

    def slots_not_healthy(self) -> Ints:
        """Return the live slots at any other level: mostly they are few."""
        slots = np.flatnonzero(self.pools.level[: self._pools] != Level.HEALTHY)
        return slots[self.pools.account[slots] >= 0]

    def put(self, accounts: Sequence[Account]) -> list[tuple[int, list[PoolState]]]:
        """Replace these accounts, given as records; see `put_statements`."""
        keys = [account.account_key for account in accounts]
        return self.put_statements(keys, statements_of(accounts))

    def put_statements(
        self, keys: Sequence[str], given: Statements
    ) -> list[tuple[int, list[PoolState]]]:
        """Replace these accounts (each named once); levels are carried over by pool.

        Returns for each its index and the states of its pools that are gone, less those that never
        left their rest. The pools that stay or come are due until evaluated.
        """
        indices = np.array([self.enter(key) for key in keys], np.int64)
        before = self.marked_states(indices)
        self.drop(indices)
        batch = batch_of(given, self.table)
        first = self._append(batch, indices)
        pools = np.bincount(batch.pools.account, minlength=len(indices))
        self.accounts.pool[indices] = first + np.cumsum(pools) - pools
        self.accounts.pools[indices] = pools
        return [
            (index, self.restore(index, before[index]) if index in before else [])
            for index in indices.tolist()
        ]

    def drop(self, accounts: Ints) -> None:
        """Take the pools of accounts out."""
        slots = self.slots_of_all(accounts)
        rows = self.rows_of(slots)
        self.holders.remove(self.legs.market[rows].astype(np.int64), rows)
        self.pools.account[slots] = -1
        self.accounts.pools[accounts] = 0
        self._dead_pools += len(slots)
        self._dead_legs += len(rows)

    def remove(self, account: int) -> list[PoolState]:
        """Take the account's pools out and return their states."""
        states = self.states(account)
        self.drop(np.array([account], np.int64))
        return states

    def states(self, account: int) -> list[PoolState]:
        """Return the states of the account's pools, in their order."""
        return [self._records.state(slot) for slot in self.slots_of(account).tolist()]

    def restore(self, account: int, states: Sequence[PoolState]) -> list[PoolState]:
        """Give the account's pools these states; returns those no pool took."""
        left = {identity(state.key): state for state in states}
        for slot in self.slots_of(account).tolist():
            state = left.pop(identity(self.key_of(slot)), None)
            if state is not None:
                self._records.put_state(slot, state)
        return list(left.values())

    def key_of(self, slot: int) -> PoolKey:
        """Return the pool's name."""
        return self._records.key_of(slot)

    def statements_of(self, accounts: Ints) -> Statements:
        """Return what `put` was given of these accounts, less balances of 0; each has a pool."""
        return self._restated.statements(accounts)

    def marked_states(self, accounts: Ints) -> dict[int, list[PoolState]]:
        """Return by account the states of those pools that ever left their rest."""
        return self._records.marked_states(self.slots_of_all(accounts))

    def _backs_of(self, slots: Ints) -> Ints:
        return spread(self.pools.holding[slots], self.pools.holdings[slots])

    def holders_of(self, market: int) -> Ints:
        """Return the slots of all pools with a leg in the market (a slot may come twice)."""
        return self.legs.pool[self.holders.rows(market)].astype(np.int64)

    def sync(self) -> None:
        """Bring what compiled code reads in line with the market table."""
        for market in self.market_rows.sync():
            slots = np.unique(self.holders_of(market))
            if len(slots):
                self._write_terms(slots)

    def _write_terms(self, slots: Ints) -> None:
        write_terms(self.pools, self.legs, slots, self.rows_of(slots), self.batch(slots))

    def ease_after_ms(self, slots: Ints) -> Ints:
        """Return how long falls of these pools wait."""
        waits: Ints = self.lines.columns["ease_after_ms"][self.pools.lines[slots]]
        return waits

    def priced_by(self, asset: int) -> Ints:
        """Return the slots of the multi-asset pools that the asset's price may move."""
        slots = self._dependents.of(asset)
        return slots[self.pools.account[slots] >= 0]

    def rows_of(self, slots: Ints) -> Ints:
        """Return the leg rows of these pools, in the order that `batch` gives them."""
        return spread(self.pools.leg[slots], self.pools.legs[slots])

    def batch(self, slots: Ints) -> Batch:
        """Return these pools with their legs and holdings, at the table's marks."""
        numbers = np.arange(len(slots), dtype=np.int64)
        return Batch(
            self.table.columns(),
            self.table.tables(),
            self.table.asset_prices(),
            given_pools(self.pools, self.lines, slots),
            given_legs(self.legs, self.rows_of(slots), np.repeat(numbers, self.pools.legs[slots])),
            given_holdings(
                self.holdings, self._backs_of(slots), np.repeat(numbers, self.pools.holdings[slots])
            ),
        )

    @property
    def wasteful(self) -> bool:
        """Whether more rows are dead than alive, and the work is worth it."""
        dead = self._dead_legs + self._dead_pools
        return dead > 4_096 and 2 * dead > self._legs + self._pools

    def compact(self) -> None:
        """Close the gaps of replaced accounts: slots and rows change, bands and levels stay."""
        slots = self.live_slots()
        pools, rows = self.pools, self.rows_of(slots)
        backs = self._backs_of(slots)
        low, high = self.holders.bands(rows)
        keep(self.legs, rows)
        keep(self.holdings, backs)
        keep(pools, slots)
        self._pools, self._legs, self._holdings = len(slots), len(rows), len(backs)
        self._dead_pools = self._dead_legs = 0
        self._renumber()
        self.holders = Holders(self.legs)
        self.holders.add(self.legs.market.astype(np.int64), np.arange(len(rows), dtype=np.int64))
        self.holders.set_bands(np.arange(len(rows), dtype=np.int64), low, high)

    def _renumber(self) -> None:
        """Point accounts, legs and holdings at the pools' new slots, pools at their new rows."""
        pools, accounts = self.pools, self.accounts
        numbers = np.arange(self._pools, dtype=np.int32)
        for first, count in ((pools.leg, pools.legs), (pools.holding, pools.holdings)):
            first[:] = np.cumsum(count) - count
        self.legs.pool[:] = np.repeat(numbers, pools.legs)
        self.holdings.pool[:] = np.repeat(numbers, pools.holdings)
        owners, firsts = np.unique(pools.account, return_index=True)
        accounts.pools[:] = 0
        accounts.pool[owners] = firsts
        accounts.pools[owners] = np.bincount(pools.account)[owners]
        self._dependents = Dependents()
        self._note_dependents(np.flatnonzero(pools.multi))

    def _append(self, batch: Batch, indices: Ints) -> int:
        """Write the rows of new pools behind the others; returns their first slot."""
        first, many = self._pools, len(batch.pools.account)
        legs = np.argsort(batch.legs.pool, kind="stable")
        holdings = np.argsort(batch.holdings.pool, kind="stable")
        self._append_pools(batch, indices)
        self._append_legs(batch.legs, legs, first)
        self._append_holdings(batch.holdings, holdings, first)
        self._pools += many
        self._write_terms(np.arange(first, self._pools))
        self._note_dependents(first + np.flatnonzero(batch.pools.multi))
        return first

    def _append_pools(self, batch: Batch, indices: Ints) -> None:
        given, many = batch.pools, len(batch.pools.account)
        grow(self.pools, self._pools + many)
        part, pools = slice(self._pools, self._pools + many), self.pools
        pools.account[part] = indices[given.account]
        for name in ("rule", "settle", "isolated", "multi"):
            getattr(pools, name)[part] = getattr(given, name)
        pools.lines[part] = self.lines.numbers(given)
        for first, count, owners, used in (
            (pools.leg, pools.legs, batch.legs.pool, self._legs),
            (pools.holding, pools.holdings, batch.holdings.pool, self._holdings),
        ):
            count[part] = np.bincount(owners, minlength=many)
            first[part] = used + np.cumsum(count[part]) - count[part]
        self.longest = max(self.longest, int(pools.legs[part].max(initial=0)))
        pools.level[part], pools.pending_since[part] = 0, NOT_PENDING
        pools.since[part], pools.level_seq[part], pools.queued[part] = 0, 0, 0
        pools.reminded_at[part], pools.reminded_seq[part] = 0, 0
        pools.acknowledged[part] = False

    def _append_legs(self, given: Legs, order: Ints, first_slot: int) -> None:
        grow(self.legs, self._legs + len(order))
        part = slice(self._legs, self._legs + len(order))
        self.legs.pool[part] = given.pool[order] + first_slot
        self.legs.position[part] = order  # of the batch: ever greater within an account
        for name in ("market", "contracts", "contract_size", "entry_price", "leverage", "margin"):
            getattr(self.legs, name)[part] = getattr(given, name)[order]
        self._legs += len(order)
        self.holders.add(given.market[order], np.arange(part.start, part.stop, dtype=np.int64))

    def _append_holdings(self, given: Holdings, order: Ints, first_slot: int) -> None:
        grow(self.holdings, self._holdings + len(order))
        part = slice(self._holdings, self._holdings + len(order))
        self.holdings.pool[part] = given.pool[order] + first_slot
        for name in ("asset", "amount", "weight", "price"):
            getattr(self.holdings, name)[part] = getattr(given, name)[order]
        self._holdings += len(order)

    def _note_dependents(self, slots: Ints) -> None:
        """Note which assets' prices these multi-asset pools depend on."""
        if len(slots):
            settles = self.table.columns().settle[self.legs.market[self.rows_of(slots)]]
            self._dependents.add(np.repeat(slots, self.pools.legs[slots]), settles)
            held = self.holdings.asset[self._backs_of(slots)].astype(np.int64)
            self._dependents.add(np.repeat(slots, self.pools.holdings[slots]), held)
