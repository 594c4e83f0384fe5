"""What the book keeps, as columns: a dataclass a noun, an array a field, unused rows are zero.

What every evaluation of a pool reads stands side by side in memory, in the records of `hot`: a pool
that comes due costs a few cache lines, not one a column. The rest is read seldom.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Bools, Floats, Int8s, Ints

Int32s: TypeAlias = NDArray[np.int32]
UInt8s: TypeAlias = NDArray[np.uint8]
Records: TypeAlias = NDArray[np.void]

POOL = np.dtype(
    [
        ("wallet", np.float64),  # balances and isolated margins; of pools with one asset
        ("pending_since", np.int64),  # event time, NOT_PENDING: no fall is waiting
        ("leg", np.int32),
        ("legs", np.int32),
        ("lines", np.int32),
        ("level", np.int8),
        ("traits", np.uint8),
    ],
    align=True,
)
# Bits of `traits`.
SIMPLE = 1  # one asset, and no number so large or small that a sum or product could overflow
ISOLATED = 2
STRICT = 4  # liquidated at maintenance > equity, not at equality
REPEATED = 8  # two legs in one market

LEG = np.dtype(
    [
        ("size", np.float64),  # signed; linear: base, inverse: quote
        ("entry_price", np.float64),
        ("fixed_fee", np.float64),  # money inside maintenance whatever the mark
        ("pool", np.int32),
        ("market", np.int32),
        ("place", np.int32),  # where its band stands, see `holders`
        ("position", np.int32),  # grows with its place among the account's
    ],
    align=True,
)


def _ints() -> Ints:
    return np.zeros(0, np.int64)


def int32s() -> Int32s:
    return np.zeros(0, np.int32)


def floats() -> Floats:
    return np.zeros(0, np.float64)


def _bools() -> Bools:
    return np.zeros(0, np.bool_)


@dataclass(slots=True)
class AccountColumns:
    """One row an account; ranges into the other columns."""

    pool: Int32s = field(default_factory=int32s)
    pools: Int32s = field(default_factory=int32s)
    version: Ints = field(default_factory=_ints)
    seq: Ints = field(default_factory=_ints)  # of its last alert


@dataclass(slots=True)
class PoolColumns:
    """One row a pool: what it is judged by, and the level it is at."""

    hot: Records = field(default_factory=lambda: np.zeros(0, POOL))
    account: Int32s = field(default_factory=int32s)  # -1: dead
    rule: Int32s = field(default_factory=int32s)
    settle: Int32s = field(default_factory=int32s)
    isolated: Bools = field(default_factory=_bools)
    multi: Bools = field(default_factory=_bools)
    holding: Int32s = field(default_factory=int32s)
    holdings: Int32s = field(default_factory=int32s)
    queued: Ints = field(default_factory=_ints)  # event time it is to be looked at again, 0: none
    since: Ints = field(default_factory=_ints)  # event time of the alert that set the level
    level_seq: Ints = field(default_factory=_ints)  # that alert's seq
    reminded_at: Ints = field(default_factory=_ints)  # event time of its last reminder, 0: none
    reminded_seq: Ints = field(default_factory=_ints)  # that reminder's seq
    acknowledged: Bools = field(default_factory=_bools)  # the alert, or its last reminder

    @property
    def wallet(self) -> Floats:
        return self.hot["wallet"]

    @property
    def pending_since(self) -> Ints:
        return self.hot["pending_since"]

    @property
    def leg(self) -> Int32s:
        return self.hot["leg"]

    @property
    def legs(self) -> Int32s:
        return self.hot["legs"]

    @property
    def lines(self) -> Int32s:
        """Which lines it is judged by, see `lines`."""
        return self.hot["lines"]

    @property
    def level(self) -> Int8s:
        return self.hot["level"]

    @property
    def traits(self) -> UInt8s:
        return self.hot["traits"]


@dataclass(slots=True)
class LegColumns:
    """One row an open position: as given, and what follows from that and its contract's terms."""

    hot: Records = field(default_factory=lambda: np.zeros(0, LEG))
    contracts: Floats = field(default_factory=floats)
    contract_size: Floats = field(default_factory=floats)
    leverage: Floats = field(default_factory=floats)
    margin: Floats = field(default_factory=floats)

    @property
    def size(self) -> Floats:
        return self.hot["size"]

    @property
    def entry_price(self) -> Floats:
        return self.hot["entry_price"]

    @property
    def fixed_fee(self) -> Floats:
        return self.hot["fixed_fee"]

    @property
    def pool(self) -> Int32s:
        return self.hot["pool"]

    @property
    def market(self) -> Int32s:
        return self.hot["market"]

    @property
    def place(self) -> Int32s:
        return self.hot["place"]

    @property
    def position(self) -> Int32s:
        return self.hot["position"]


@dataclass(slots=True)
class HoldingColumns:
    """One row a balance, as `columns.Holdings`."""

    pool: Int32s = field(default_factory=int32s)
    asset: Int32s = field(default_factory=int32s)
    amount: Floats = field(default_factory=floats)
    weight: Floats = field(default_factory=floats)
    price: Floats = field(default_factory=floats)
