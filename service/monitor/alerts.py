"""From a pool that moved to the logged alert: numbered by account, with that moment's figures."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from service.contract.alerts import (
    ALERT_POSITIONS_MAX,
    Alert,
    AlertPosition,
    Cause,
    LevelName,
    Reduction,
    Side,
    ToRestore,
    Transition,
    alert_id,
    encode_alert,
    pool_name,
)
from service.risk.book import Book
from service.risk.columns import Batch, Ints
from service.risk.evaluate import assess, prices
from service.risk.levels import Levels
from service.risk.margin import Assessment
from service.risk.model import Level, PoolKey
from service.risk.restore import owed, shortfall, to_restore
from service.store.keys import account_id

GONE = -1  # the slot of a pool that its account no longer has


@dataclass(frozen=True, slots=True)
class Move:
    """A pool's change of level; `account` and `slot` are the book's."""

    account: int
    slot: int
    key: PoolKey
    previous: int
    level: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Written:
    """An alert as it goes into the log."""

    account: int
    account_key: str
    alert: bytes


@dataclass(frozen=True, slots=True)
class _Figures:
    """What is told of a pool in an alert."""

    margin_ratio: float | None
    equity: float
    maintenance_margin: float
    margin_deficit: float
    shortfall: float
    owed: float
    to_restore: ToRestore | None
    positions: list[AlertPosition]
    omitted: int  # positions beyond the most an alert names


@dataclass(frozen=True, slots=True)
class _When:
    market_id: int
    event_time_ms: int
    now_ms: int
    version: int  # of the account


_NOTHING = _Figures(None, 0.0, 0.0, 0.0, 0.0, 0.0, None, [], 0)


_NAMES: tuple[LevelName, ...] = get_args(LevelName)
assert tuple(level.name for level in Level) == _NAMES


def level_name(level: int) -> LevelName:
    return _NAMES[level]


def transition_of(previous: int, level: int) -> Transition:
    """Return the name of a change of level."""
    if level == Level.UNPRICED:
        return "unpriced"
    if level == Level.HEALTHY:
        return "resolved"
    if level < previous:
        return "eased"
    return "raised" if previous < Level.WARNING else "escalated"


class AlertWriter:
    """Numbers alerts and fills in their figures; the book must be as of their entry."""

    def __init__(self, book: Book, epoch: str) -> None:
        self._book = book
        self._epoch = epoch

    def write(
        self, moves: Sequence[Move], market_id: int, event_time_ms: int, now_ms: int
    ) -> list[Written]:
        """Return the alerts of one round, in the order of its moves."""
        slots = np.array([move.slot for move in moves if move.slot != GONE], np.int64)
        levels = np.array([move.level for move in moves if move.slot != GONE], np.int8)
        figures = iter(_figures(self._book, slots, levels))
        written, accounts, pools = [], self._book.accounts, self._book.pools
        for move in moves:
            key = self._book.keys[move.account]
            seq = int(accounts.seq[move.account]) + 1
            accounts.seq[move.account] = seq
            told = _NOTHING
            if move.slot != GONE:
                pools.level_seq[move.slot], pools.since[move.slot] = seq, event_time_ms
                told = next(figures)
            when = _When(market_id, event_time_ms, now_ms, int(accounts.version[move.account]))
            alert = self._alert(move, told, (key, seq), when)
            written.append(Written(move.account, key, encode_alert(alert)))
        return written

    def _alert(self, move: Move, told: _Figures, name: tuple[str, int], when: _When) -> Alert:
        key, seq = name
        account = account_id(key)
        return Alert(
            id=alert_id(account, seq),
            epoch=self._epoch,
            account_id=account,
            seq=seq,
            pool=pool_name(move.key),
            level=level_name(move.level),
            previous_level=level_name(move.previous),
            transition=transition_of(move.previous, move.level),
            cause=move.cause,
            margin_ratio=told.margin_ratio,
            equity=told.equity,
            maintenance_margin=told.maintenance_margin,
            margin_deficit=told.margin_deficit,
            shortfall=told.shortfall,
            owed=told.owed,
            to_restore=told.to_restore,
            positions=told.positions,
            market_id=when.market_id,
            account_version=when.version,
            event_time=when.event_time_ms,
            timestamp=when.now_ms,
            positions_omitted=told.omitted,
        )


def _figures(book: Book, slots: Ints, levels: Levels) -> Iterator[_Figures]:
    """Yield what is told of each pool, all evaluated in one go."""
    if not len(slots):
        return
    batch = book.batch(slots)
    assessment = assess(batch)
    pools = assessment.pools
    legs = _LegColumns(book, batch, assessment, levels)
    ends = np.cumsum(book.pools.legs[slots]).tolist()
    deficit = np.maximum(0.0, pools.maintenance_margin - pools.equity).tolist()
    short, left = shortfall(pools.equity).tolist(), owed(batch, assessment).tolist()
    first = 0
    for index, end in enumerate(ends):
        rows = sorted(range(first, end), key=legs.nearness)[:ALERT_POSITIONS_MAX]
        omitted, first = end - first - len(rows), end
        restore = None
        if levels[index] > Level.UNPRICED:
            restore = ToRestore(legs.deposit[index], [legs.reduction(row) for row in rows])
        yield _Figures(
            float(pools.margin_ratio[index]),
            float(pools.equity[index]),
            float(pools.maintenance_margin[index]),
            deficit[index],
            short[index],
            left[index],
            restore,
            [legs.position(row) for row in rows],
            omitted,
        )


class _LegColumns:
    """What is told of the legs of a batch."""

    def __init__(self, book: Book, batch: Batch, assessment: Assessment, levels: Levels) -> None:
        solved = prices(batch, assessment)
        restored = to_restore(batch, assessment, levels)
        self.deposit: list[float] = restored.deposit.tolist()
        self._symbol = [book.table.market_key(market)[1] for market in batch.legs.market.tolist()]
        self._long = (batch.legs.contracts > 0.0).tolist()
        self._mark = assessment.legs.mark.tolist()
        self._liquidation = solved.liquidation.tolist()
        self._bankruptcy = solved.bankruptcy.tolist()
        self._distance = solved.distance_pct.tolist()
        self._reduce = restored.reduce.tolist()

    def nearness(self, row: int) -> float:
        """Return what to sort by, the nearest to liquidation first; without a price is last."""
        distance: float = self._distance[row]
        return math.inf if math.isnan(distance) else distance

    def position(self, row: int) -> AlertPosition:
        return AlertPosition(
            self._symbol[row],
            self._side(row),
            self._mark[row],
            self._liquidation[row],
            self._bankruptcy[row],
            self._distance[row],
        )

    def reduction(self, row: int) -> Reduction:
        return Reduction(self._symbol[row], self._side(row), self._reduce[row])

    def _side(self, row: int) -> Side:
        return "long" if self._long[row] else "short"
