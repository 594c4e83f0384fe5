"""What the book keeps, as columns: a dataclass a noun, an array a field, unused rows are zero."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Bools, Floats, Ints

Int32s: TypeAlias = NDArray[np.int32]
Int8s: TypeAlias = NDArray[np.int8]


def _ints() -> Ints:
    return np.zeros(0, np.int64)


def int32s() -> Int32s:
    return np.zeros(0, np.int32)


def _int8s() -> Int8s:
    return np.zeros(0, np.int8)


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

    account: Int32s = field(default_factory=int32s)  # -1: dead
    rule: Int32s = field(default_factory=int32s)
    settle: Int32s = field(default_factory=int32s)
    isolated: Bools = field(default_factory=_bools)
    multi: Bools = field(default_factory=_bools)
    warning: Floats = field(default_factory=floats)
    margin_call: Floats = field(default_factory=floats)
    hysteresis: Floats = field(default_factory=floats)
    ease_after_ms: Ints = field(default_factory=_ints)
    leg: Int32s = field(default_factory=int32s)
    legs: Int32s = field(default_factory=int32s)
    holding: Int32s = field(default_factory=int32s)
    holdings: Int32s = field(default_factory=int32s)
    level: Int8s = field(default_factory=_int8s)
    pending_since: Ints = field(default_factory=_ints)  # event time, NEVER: none
    queued: Ints = field(default_factory=_ints)  # event time it is to be looked at again, 0: none
    since: Ints = field(default_factory=_ints)  # event time of the alert that set the level
    level_seq: Ints = field(default_factory=_ints)  # that alert's seq


@dataclass(slots=True)
class LegColumns:
    """One row an open position, as `columns.Legs` without the mark."""

    pool: Int32s = field(default_factory=int32s)
    position: Int32s = field(default_factory=int32s)  # grows with its place among the account's
    market: Int32s = field(default_factory=int32s)
    contracts: Floats = field(default_factory=floats)
    contract_size: Floats = field(default_factory=floats)
    entry_price: Floats = field(default_factory=floats)
    leverage: Floats = field(default_factory=floats)
    margin: Floats = field(default_factory=floats)


@dataclass(slots=True)
class HoldingColumns:
    """One row a balance, as `columns.Holdings`."""

    pool: Int32s = field(default_factory=int32s)
    asset: Int32s = field(default_factory=int32s)
    amount: Floats = field(default_factory=floats)
    weight: Floats = field(default_factory=floats)
    price: Floats = field(default_factory=floats)
