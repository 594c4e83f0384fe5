"""The alert that follows from a walk, and how it compares with the one that was logged.

Money, ratio, level and cause are those of `sums` and `standing`. What an alert tells beside them
(prices, what restores, what is owed) is solved for, not summed up: the service's own functions are
run again over the recorded account and market, in tables that hold nothing else.
"""

from dataclasses import dataclass
from typing import Any, cast, get_args

import msgspec
import numpy as np

from service.audit.evidence import Evidence
from service.audit.recorded import Recorded
from service.audit.standing import Standing
from service.audit.sums import PoolSum
from service.audit.walk import Walk, symbols_of
from service.contract.alerts import (
    LEVEL_NAMES,
    Alert,
    Cause,
    alert_id,
    encode_alert,
    pool_name,
)
from service.contract.quality import QUALITY_NAMES
from service.monitor.alerts import transition_of
from service.monitor.bindings import read_notice
from service.monitor.figures import Figures, figures_of
from service.risk.batch import statements_of
from service.risk.book import Book
from service.risk.markets import MarketTable
from service.risk.model import Account, Level

# What says which run wrote it, and when: another run writes others.
NOT_COMPARED = ("epoch", "timestamp")
_BY_ENTRY: dict[str, Cause] = {"m": "mark", "q": "mark", "i": "instrument", "c": "time"}
_CAUSES = get_args(Cause)


@dataclass(frozen=True, slots=True)
class Compared:
    """One field of an alert, as it was logged and as it is derived."""

    name: str
    logged: Any
    derived: Any

    @property
    def equal(self) -> bool:
        """Whether they are the same to the last digit."""
        return bool(self.logged == self.derived)


def derive(walk: Walk, pegged: frozenset[str]) -> Alert:
    """Return the alert that follows from what is recorded."""
    logged, found = walk.evidence.alert, walk.found
    again = logged.transition == "repeat"
    before = walk.stood or walk.standing
    level = before.level if again else walk.standing.level
    figures = _figures(walk, pegged, level)
    ratio, equity, maintenance, deficit, short, owed = (column[0] for column in figures.columns)
    if found is not None:
        ratio, equity, maintenance, deficit, short = _money(found)
    account_id = logged.account_id
    return Alert(
        alert_id(account_id, logged.seq),
        logged.epoch,
        account_id,
        logged.seq,
        logged.pool,
        LEVEL_NAMES[level],
        LEVEL_NAMES[before.level],
        transition_of(before.level, level),
        "time" if again else cause_of(walk.evidence, walk.standing),
        ratio,
        equity,
        maintenance,
        deficit,
        short,
        owed,
        figures.restorations[0],
        figures.positions[0],
        walk.recorded.market_id,
        walk.evidence.versions[-1].number,
        walk.recorded.event_time_ms,
        logged.timestamp,
        _repeat_of(walk.evidence) if again else None,
        figures.omitted[0],
        "good" if found is None else QUALITY_NAMES[found.verdict.quality],
    )


def compare(logged: bytes, derived: Alert) -> list[Compared]:
    """Return every field of the two, in the order in which alerts are written."""
    one = msgspec.json.decode(logged)
    other = msgspec.json.decode(encode_alert(derived))
    names = [*one, *(name for name in other if name not in one)]
    return [
        Compared(name, one.get(name), other.get(name)) for name in names if name not in NOT_COMPARED
    ]


def cause_of(evidence: Evidence, standing: Standing) -> Cause:
    """Return why the entry that it came by moves a level."""
    entry, version = evidence.came_by, evidence.versions[-1]
    if standing.waited:
        return "time"
    if entry.kind != "a":
        return _BY_ENTRY.get(entry.kind, "mark")
    notice = read_notice(entry)
    if version.change_id is not None and (
        notice.shard != evidence.shard or version.change_id > notice.upto
    ):
        return "account"
    if version.cause is None:  # the write itself is not kept any more: what the alert says stands
        return evidence.alert.cause
    return cast("Cause", version.cause) if version.cause in _CAUSES else "account"


def _money(found: PoolSum) -> tuple[float, float, float, float, float]:
    """Return ratio, equity, maintenance, deficit and shortfall."""
    equity, maintenance = found.equity, found.maintenance
    deficit, short = maintenance - equity, -equity
    return (
        found.ratio,
        equity,
        maintenance,
        deficit if not deficit <= 0.0 else 0.0,  # NaN stays what it is
        short if not short <= 0.0 else 0.0,
    )


def _repeat_of(evidence: Evidence) -> str | None:
    told = evidence.standing_from
    assert told is not None
    return told.repeat_of if told.transition == "repeat" else told.id


def _figures(walk: Walk, pegged: frozenset[str], level: Level) -> Figures:
    """Return what the service says of the pool, with nothing else in its tables."""
    account = walk.evidence.versions[-1].account
    book = Book(_table(walk.recorded, account, pegged))
    if account is not None:
        book.put_statements([account.account_key], statements_of([account]))
        slots = book.slots_of_all(np.zeros(1, np.int64))
        for slot in slots.tolist():
            if pool_name(book.key_of(slot)) == walk.evidence.alert.pool:
                levels = np.array([level], np.int8)
                return figures_of(book, np.array([slot], np.int64), levels)
    return Figures([[np.nan], *([0.0] for _ in range(5))], [None], [[]], [0], ["good"])


def _table(recorded: Recorded, account: Account | None, pegged: frozenset[str]) -> MarketTable:
    table = MarketTable(pegged=pegged)
    if account is None:
        return table
    needed = None if account.collateral_mode == "multi" else symbols_of(account)
    for (_, symbol), (instrument, _) in recorded.instruments.items():
        if needed is None or symbol in needed:
            table.put_instrument(instrument)
    for (venue, symbol), found in recorded.marks.items():
        if needed is None or symbol in needed:
            table.put_mark(found.mark, found.event_time_ms)
            if (verdict := recorded.verdicts.get((venue, symbol))) is not None:
                table.judge_marks(venue, symbol, verdict)
    return table
