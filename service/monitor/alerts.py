"""From the pools that moved to logged alerts, page by page: columns in, bytes out.

The order is pinned: worse level first, then account, then pool. A page is sorted, numbered and
filled in when it is asked for, so the worst of a burst are on their way while the rest has not been
looked at. Until the last page was taken the book must stay as of the moves.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import get_args

import numpy as np

from service.contract.alerts import (
    LEVEL_NAMES,
    Alert,
    AlertPosition,
    Cause,
    PoolName,
    ToRestore,
    Transition,
    alert_id,
    encode_alert,
    pool_name,
)
from service.contract.quality import QualityName
from service.monitor.figures import Figures, PoolNames, figures_of
from service.monitor.reminders import Reminders
from service.risk.book import Book
from service.risk.columns import Ints
from service.risk.levels import Levels
from service.risk.model import Level, PoolKey
from service.store.keys import split_tenant_key
from service.store.log_entries import Rank

GONE = -1  # the slot of a pool that its account no longer has
PAGE_ALERTS = 1_250  # evaluated and encoded at a time: some milliseconds
PAGE_LEGS = 25_000  # positions in a page, unless one pool alone has more
CAUSES: tuple[Cause, ...] = get_args(Cause)


def transition_of(previous: int, level: int) -> Transition:
    """Return the name of a change of level; of none, it is a reminder."""
    if level == previous:
        return "repeat"
    if level == Level.UNPRICED:
        return "unpriced"
    if level == Level.HEALTHY:
        return "resolved"
    if level < previous:
        return "eased"
    return "raised" if previous < Level.WARNING else "escalated"


_TRANSITIONS = [[transition_of(previous, level) for level in range(6)] for previous in range(6)]


@dataclass(frozen=True, slots=True)
class Moves:
    """The pools of one round that are at another level now, or are told of again at the same: as
    columns, in any order."""

    accounts: Ints  # the book's
    slots: Ints  # the book's, or GONE
    before: Levels
    level: Levels
    causes: Ints  # index into CAUSES
    gone: Mapping[int, PoolKey] = field(default_factory=dict)  # by row: names of pools not there

    def __len__(self) -> int:
        return len(self.accounts)

    def part(self, first: int, end: int) -> "Moves":
        """Return these rows of moves of which none is of a pool that is gone."""
        rows = slice(first, end)
        return Moves(
            self.accounts[rows],
            self.slots[rows],
            self.before[rows],
            self.level[rows],
            self.causes[rows],
        )


_NOBODY = np.zeros(0, np.int64)
STILL = Moves(_NOBODY, _NOBODY, _NOBODY.astype(np.int8), _NOBODY.astype(np.int8), _NOBODY)


def joined(first: Moves, second: Moves) -> Moves:
    """Return moves as one; only the first may have pools that are gone."""
    assert not second.gone
    return Moves(
        np.concatenate([first.accounts, second.accounts]),
        np.concatenate([first.slots, second.slots]),
        np.concatenate([first.before, second.before]),
        np.concatenate([first.level, second.level]),
        np.concatenate([first.causes, second.causes]),
        first.gone,
    )


@dataclass(frozen=True, slots=True)
class Page:
    """Alerts in their order, as columns; `rank` is where they stand among all alerts there are."""

    rank: Rank
    accounts: Ints  # the book's
    account_keys: list[str]
    alerts: list[bytes]
    left: int  # alerts of the round that come after these


@dataclass(frozen=True, slots=True)
class Moment:
    """What all alerts of a round share; `round` counts those of a market entry."""

    market_id: int
    event_time_ms: int
    now_ms: int
    round: int = 0


class AlertWriter:
    """Numbers alerts and fills in their figures."""

    def __init__(self, book: Book, names: PoolNames, reminders: Reminders, epoch: str) -> None:
        self._book = book
        self._reminders = reminders
        self._names = names
        self._epoch = epoch

    def pages(self, moves: Moves, moment: Moment) -> Iterator[Page]:
        """Yield the alerts of a round, a page at a time; each page is of one level."""
        left = len(moves)
        for level in sorted(set(moves.level.tolist()), reverse=True):
            rows = self._ordered(moves, np.flatnonzero(moves.level == level))
            for part in self._parts(moves, rows):
                left -= len(part)
                rank = Rank(moment.market_id, moment.round, level)
                written = self._written(moves, part, level, moment)
                yield Page(rank, moves.accounts[part], *written, left)

    def _ordered(self, moves: Moves, rows: Ints) -> Ints:
        """Return rows of one level by account, and those of one account by pool."""
        owners = moves.accounts[rows].tolist()
        keys = self._book.keys
        if len(set(owners)) == len(owners):
            names = [keys[owner] for owner in owners]
            return rows[sorted(range(len(names)), key=names.__getitem__)]
        places = [(keys[owner],) for owner in owners]
        doubled = _doubled(moves.accounts[rows])
        for index, pool in zip(doubled, self._pool_names(moves, rows[doubled]), strict=True):
            symbol, side = getattr(pool, "symbol", ""), getattr(pool, "side", "")
            kind = str(pool.__struct_config__.tag)
            places[index] += (kind, pool.settle, symbol, side)
        return rows[sorted(range(len(places)), key=places.__getitem__)]

    def _parts(self, moves: Moves, rows: Ints) -> Iterable[Ints]:
        """Yield rows in parts that are not too much work at a time."""
        slots = moves.slots[rows]
        legs = np.where(slots == GONE, 0, self._book.pools.legs[slots])
        filled = np.cumsum(legs + PAGE_LEGS // PAGE_ALERTS)
        first = 0
        while first < len(rows):
            before = filled[first - 1] if first else 0
            end = max(first + 1, int(np.searchsorted(filled, before + PAGE_LEGS, "right")))
            yield rows[first:end]
            first = end

    def _written(
        self, moves: Moves, rows: Ints, level: int, moment: Moment
    ) -> tuple[list[str], list[bytes]]:
        """Return the account keys and the encoded alerts of these rows."""
        accounts = moves.accounts[rows]
        keys = [self._book.keys[owner] for owner in accounts.tolist()]
        names = [split_tenant_key(key)[1] for key in keys]
        seqs = self._numbered(accounts)
        repeated = self._repeated(moves, rows, names)
        self._note(moves, rows, seqs, moment.event_time_ms)
        told = self._figures(moves, rows)
        before = moves.before[rows].tolist()
        numbers = seqs.tolist()
        alerts = map(
            Alert,
            map(alert_id, names, numbers),
            repeat(self._epoch),
            names,
            numbers,
            self._pool_names(moves, rows),
            repeat(LEVEL_NAMES[level]),
            [LEVEL_NAMES[previous] for previous in before],
            [_TRANSITIONS[previous][level] for previous in before],
            [CAUSES[cause] for cause in moves.causes[rows].tolist()],
            *told.columns,
            told.restorations,
            told.positions,
            repeat(moment.market_id),
            self._book.accounts.version[accounts].tolist(),
            repeat(moment.event_time_ms),
            repeat(moment.now_ms),
            repeated,
            told.omitted,
            told.qualities,
        )
        return keys, list(map(encode_alert, alerts))

    def _numbered(self, accounts: Ints) -> Ints:
        """Return the seq of each alert, and write the accounts' last ones down."""
        last = self._book.accounts.seq
        doubled = _doubled(accounts)
        seqs = last[accounts] + 1
        seen: dict[int, int] = {}
        for row in doubled.tolist():
            account = int(accounts[row])
            seqs[row] += seen.get(account, 0)
            seen[account] = seen.get(account, 0) + 1
        last[accounts] = seqs  # of several in one page the last one stays
        return seqs

    def _repeated(self, moves: Moves, rows: Ints, names: list[str]) -> list[str | None]:
        """Return the ids of the alerts that are told again, None where a level has changed."""
        again = moves.before[rows] == moves.level[rows]
        repeated: list[str | None] = [None] * len(rows)
        firsts = self._book.pools.level_seq[moves.slots[rows[again]]].tolist()
        for place, seq in zip(np.flatnonzero(again).tolist(), firsts, strict=True):
            repeated[place] = alert_id(names[place], seq)
        return repeated

    def _note(self, moves: Moves, rows: Ints, seqs: Ints, event_time_ms: int) -> None:
        """Let the pools that are there know by which alert they were told of."""
        slots, pools = moves.slots[rows], self._book.pools
        again = moves.before[rows] == moves.level[rows]
        self._reminders.note(slots[again], seqs[again], event_time_ms)
        moved = (slots != GONE) & ~again
        pools.level_seq[slots[moved]] = seqs[moved]
        pools.since[slots[moved]] = event_time_ms
        self._reminders.note(slots[moved], np.zeros(int(moved.sum()), np.int64), 0)
        pools.acknowledged[slots[moved]] = False

    def _pool_names(self, moves: Moves, rows: Ints) -> list[PoolName]:
        slots = moves.slots[rows]
        if not moves.gone:
            return self._names.of(slots)
        there = iter(self._names.of(slots[slots != GONE]))
        return [
            pool_name(moves.gone[row]) if slot == GONE else next(there)
            for row, slot in zip(rows.tolist(), slots.tolist(), strict=True)
        ]

    def _figures(self, moves: Moves, rows: Ints) -> Figures:
        """Return what is told of pools; one that is no longer there has nothing."""
        slots, levels = moves.slots[rows], moves.level[rows]
        there = slots != GONE
        if there.all():
            return figures_of(self._book, slots, levels)
        many = len(rows)
        ratio, *money = (np.zeros(many) for _ in range(6))
        ratio[:] = np.nan
        restorations: list[ToRestore | None] = [None] * many
        positions: list[list[AlertPosition]] = [[]] * many
        omitted = [0] * many
        qualities: list[QualityName] = ["good"] * many
        if there.any():
            told = figures_of(self._book, slots[there], levels[there])
            places = np.flatnonzero(there)
            for column, given in zip((ratio, *money), told.columns, strict=True):
                column[places] = given
            for index, place in enumerate(places.tolist()):
                restorations[place] = told.restorations[index]
                positions[place], omitted[place] = told.positions[index], told.omitted[index]
                qualities[place] = told.qualities[index]
        columns = [column.tolist() for column in (ratio, *money)]
        return Figures(columns, restorations, positions, omitted, qualities)


def _doubled(accounts: Ints) -> Ints:
    """Return the rows whose account has more than one, in their order."""
    _, inverse, counts = np.unique(accounts, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[inverse] > 1)
