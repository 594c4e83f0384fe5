"""One round of an entry: whom it looks at and why, and what became of pools that went away."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from service.contract.alerts import Cause
from service.monitor.alerts import CAUSES, GONE, STILL, Moves
from service.monitor.judging import Changed
from service.risk.book import Book
from service.risk.columns import Ints
from service.risk.model import Level
from service.risk.records import PoolState
from service.store.accounts import AccountChange


@dataclass(slots=True)
class Round:
    """What one round looks at: pools, pools that went away (with their account), and why."""

    cause: Cause
    marked: Sequence[int] = ()  # markets: the pools whose bands do not hold their marks
    slots: list[Ints] = field(default_factory=list)
    gone: list[tuple[int, PoolState]] = field(default_factory=list)
    causes: dict[int, Cause] = field(default_factory=dict)  # by account, where it is not `cause`


def moves_of(book: Book, changed: Changed, work: Round) -> Moves:
    """Return the changes of level among pools that changed."""
    moved = np.flatnonzero(changed.level != changed.before)
    if not len(moved):
        return STILL
    slots = changed.slots[moved]
    owners = book.pools.account[slots].astype(np.int64)
    causes = causes_of(owners, work)
    causes[changed.waited[moved]] = CAUSES.index("time")
    return Moves(owners, slots, changed.before[moved], changed.level[moved], causes)


def told_again(book: Book, slots: Ints) -> Moves:
    """Return what is told of pools whose reminder is due: where they are already."""
    owners = book.pools.account[slots].astype(np.int64)
    levels, causes = book.pools.level[slots], np.full(len(slots), CAUSES.index("time"))
    return Moves(owners, slots, levels, levels, causes)


def left_behind(gone: Sequence[tuple[int, PoolState]], work: Round) -> Moves:
    """Pools that are no longer there have nothing to lose."""
    accounts = np.array([account for account, _ in gone], np.int64)
    return Moves(
        accounts,
        np.full(len(gone), GONE),
        np.array([state.level for _, state in gone], np.int8),
        np.full(len(gone), Level.HEALTHY, np.int8),
        causes_of(accounts, work),
        {row: state.key for row, (_, state) in enumerate(gone)},
    )


def causes_of(accounts: Ints, work: Round) -> Ints:
    """Return for each account why it is looked at, as an index into CAUSES."""
    usual = CAUSES.index(work.cause)
    if not work.causes:
        return np.full(len(accounts), usual)
    given = {account: CAUSES.index(cause) for account, cause in work.causes.items()}
    return np.array([given.get(account, usual) for account in accounts.tolist()], np.int64)


def versions_apart(changes: Sequence[AccountChange]) -> list[Sequence[AccountChange]]:
    """Return the first change of each account, then the second of those that have one, ..."""
    if len({change.account_key for change in changes}) == len(changes):
        return [changes]
    seen: Counter[str] = Counter()
    rounds: list[list[AccountChange]] = []
    for change in changes:
        number = seen[change.account_key]
        seen[change.account_key] += 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(change)
    return [*rounds]
