"""A batch of accounts as columns: the one shape that everybody hands to `evaluate`.

Index words: `account` numbers accounts, `pool` margin pools, `leg` open positions, `holding`
collateral amounts, `market` a (venue, symbol) as an account of that venue sees it, `asset` a
currency, `table` a tier table, `rule` a row of `venues.RULES`. Every column of a dataclass here has
one entry a row; NaN means "not given" where a comment says so. Rows of a pool need not be adjacent.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.risk.quality import GOOD

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bytes: TypeAlias = NDArray[np.uint8]
Bools: TypeAlias = NDArray[np.bool_]
Int8s: TypeAlias = NDArray[np.int8]


@dataclass(slots=True)
class Markets:
    """What is known of every market now; no mark yet is NaN, no instrument yet `table` -1."""

    linear: Bools
    contract_size: Floats
    taker_fee: Floats  # NaN: the venue's default
    table: Ints
    base: Ints  # asset
    settle: Ints  # asset
    mark: Floats
    quality: Int8s  # quality.Quality of the mark
    most: Int8s  # the highest level that it raises a pool to


@dataclass(slots=True)
class TierTables:
    """Tier tables padded to a power of two: row `table`, column `tier`; padding floor +inf.

    A size n belongs to the last tier with floor <= n. Money: n * rate - deduction, for
    whole-position tables too (whose deductions are mostly 0). A table by contracts deducts
    contracts: what it takes off is `rebate` contracts' worth, the notional of one each.
    """

    floor: Floats  # (tables, tiers)
    rate: Floats  # (tables, tiers)
    deduction: Floats  # (tables, tiers)
    rebate: Floats  # (tables, tiers); 0 but for tables by contracts
    max_leverage: Floats  # (tables, tiers), NaN: not stated
    by_contracts: Bools  # (tables,) the floors count contracts, not notional
    continuous: (
        Bools  # (tables,) maintenance is convex in the price, without jumps: safe bands hold
    )


@dataclass(slots=True)
class Pools:
    """One row a margin pool."""

    account: Ints
    rule: Ints
    isolated: Bools
    multi: Bools  # counted in USD over all assets of the account
    settle: Ints  # asset its money is counted in (USD's id for multi)
    warning: Floats
    margin_call: Floats
    hysteresis: Floats
    ease_after_ms: Ints
    repeat_every_ms: Ints
    repeat_until_acknowledged: Bools


@dataclass(slots=True)
class Legs:
    """One row an open position."""

    pool: Ints
    market: Ints
    contracts: Floats  # signed
    contract_size: Floats  # NaN: the market's
    entry_price: Floats
    leverage: Floats  # NaN: not given
    margin: Floats  # isolated wallet margin; NaN: initial margin at `leverage`; ignored for cross
    mark: Floats  # the leg's own mark in an evaluate call; NaN: the market's


@dataclass(slots=True)
class Holdings:
    """One row a balance that backs a cross pool."""

    pool: Ints
    asset: Ints
    amount: Floats
    weight: Floats
    price: Floats  # USD, taken where the asset's own is unknown; NaN: not given


Word = TypeVar("Word", bound=Hashable)


class Words(NamedTuple, Generic[Word]):
    """A column of words as numbers; equal words have equal numbers, in the order they come."""

    words: list[Word]
    code: Ints

    @classmethod
    def of(cls, column: Sequence[Word]) -> "Words[Word]":
        if len(column) == 1:
            return cls(list(column), np.zeros(1, np.int64))
        codes = {word: code for code, word in enumerate(dict.fromkeys(column))}
        return cls(list(codes), np.fromiter(map(codes.__getitem__, column), np.int64, len(column)))

    def only(self, rows: Ints) -> "Words[Word]":
        """Return some rows of the column."""
        return Words(self.words, self.code[rows])

    def listed(self) -> list[Word]:
        """Return the column as it was given."""
        return list(map(self.words.__getitem__, self.code.tolist()))

    def ranks(self, ordered: Sequence[Word]) -> Ints:
        """Return the place of each of the column's words in a list that has them all."""
        place = {word: index for index, word in enumerate(ordered)}
        return np.array([place[word] for word in self.words], np.int64)[self.code]


@dataclass(slots=True)
class Statements:
    """Accounts as they are told, before markets and assets have numbers.

    Positions and balances stand in the order of their accounts, one account's after the other.
    """

    venue: list[str]
    multi: Bools
    warning: Floats
    margin_call: Floats
    hysteresis: Floats
    ease_after_ms: Ints
    repeat_every_ms: Ints
    repeat_until_acknowledged: Bools
    positions: Ints  # how many
    balances: Ints  # how many
    symbol: Words[str]  # from here on one a position
    isolated: Bools
    contracts: Floats  # signed
    entry_price: Floats
    contract_size: Floats  # NaN: the market's
    leverage: Floats  # NaN: not given
    margin: Floats  # isolated wallet margin; NaN: initial margin at `leverage`
    mark: Floats  # the position's own in an evaluate call; NaN: the market's
    asset: Words[str]  # from here on one a balance
    amount: Floats
    weight: Floats
    price: Floats  # NaN: not given


@dataclass(slots=True)
class Batch:
    """Everything `evaluate` needs; prices of assets in USD are NaN where unknown."""

    markets: Markets
    tables: TierTables
    asset_price: Floats  # (assets,)
    pools: Pools
    legs: Legs
    holdings: Holdings


def constant(value: float, *shape: int) -> Floats:
    """Return columns with one value everywhere; of a few rows sooner than `np.full`."""
    column = np.empty(shape)
    column.fill(value)
    return column


def sums_by(row: Ints, values: Floats, rows: int) -> Floats:
    """Return the sum of the values that stand at each of so many rows, in their order."""
    sums: Floats = np.bincount(row, values, rows).astype(np.float64, copy=False)
    return sums


_Rows = TypeVar("_Rows", Legs, Holdings)


def joined_rows(one: _Rows, other: _Rows) -> _Rows:
    """Return the rows of one, then of the other."""
    names = [each.name for each in fields(one)]
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    return type(one)(*map(np.concatenate, pairs))


def empty_markets(rows: int) -> Markets:
    """Return markets that nobody listed and nobody priced."""
    return Markets(
        linear=np.ones(rows, dtype=np.bool_),
        contract_size=np.full(rows, np.nan),
        taker_fee=np.full(rows, np.nan),
        table=np.full(rows, -1, dtype=np.int64),
        base=np.zeros(rows, dtype=np.int64),
        settle=np.zeros(rows, dtype=np.int64),
        mark=np.full(rows, np.nan),
        quality=np.full(rows, GOOD.quality, np.int8),
        most=np.full(rows, GOOD.most, np.int8),
    )


def enlarged(old: Markets, new: Markets) -> Markets:
    """Copy the rows of `old` into the front of `new` and return it."""
    for name in Markets.__slots__:
        values = getattr(old, name)
        getattr(new, name)[: len(values)] = values
    return new


def copied(old: Markets) -> Markets:
    """Return the same markets in columns of their own."""
    return Markets(
        old.linear.copy(),
        old.contract_size.copy(),
        old.taker_fee.copy(),
        old.table.copy(),
        old.base.copy(),
        old.settle.copy(),
        old.mark.copy(),
        old.quality.copy(),
        old.most.copy(),
    )


def first_rows(markets: Markets, rows: int) -> Markets:
    """Return views of the first markets."""
    return Markets(
        markets.linear[:rows],
        markets.contract_size[:rows],
        markets.taker_fee[:rows],
        markets.table[:rows],
        markets.base[:rows],
        markets.settle[:rows],
        markets.mark[:rows],
        markets.quality[:rows],
        markets.most[:rows],
    )
