"""Who is worst? A tenant's accounts in one order, found without holding up a mark.

A ranking is put together some accounts at a time, each at the marks of its moment, and sorted and
searched in another thread. It serves questions for as long as five like it take to make: of a few
accounts it is always new, of very many it may be a second old, and never is more than a sixth of a
monitor's time spent on rankings. With counts it is of all accounts, whatever level is asked for.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from service.contract.questions import (
    LEVELS,
    RankedPlace,
    ShardCount,
    WorstAnswer,
    WorstQuestion,
)
from service.monitor.seeking import Spelling, sought
from service.monitor.shards import Shards
from service.risk.columns import Floats, Ints
from service.risk.evaluate import assess
from service.risk.model import Level
from service.risk.names import Names

ACCOUNTS_AT_ONCE = 1_000  # a millisecond or two
WORK_S = 0.005  # before others have their turn
KEPT_TIMES = 5.0


@dataclass(slots=True)
class _Ranking:
    """A row an account, worst first; `ratio` is infinite where no equity is left."""

    level: Ints
    ratio: Floats
    account: Ints
    shard: Ints
    served: frozenset[int] = frozenset()  # shards that were served while it was put together
    until_s: float = 0.0

    def place(self, keys: Names, row: int) -> RankedPlace:
        ratio = float(self.ratio[row])
        known = None if np.isinf(ratio) else ratio
        return RankedPlace(int(self.level[row]), known, keys[int(self.account[row])])


class Rankings:
    """The rankings of a monitor that were asked for just now, by book and least level."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Shards, dict[int, _Ranking]] = WeakKeyDictionary()

    async def worst(self, shards: Shards, asked: WorstQuestion) -> tuple[list[int], WorstAnswer]:
        """Return the first accounts after a place, and for which shards these speak."""
        least = Level.HEALTHY.value if asked.counts else asked.level
        ranking, keys = await self._ranking(shards, least), shards.engine.book.keys
        served = sorted(ranking.served & shards.ledgers.keys())
        first = 0 if asked.after is None else _after(keys, ranking, asked.after)
        spelling = Spelling(*keys.spelled())
        rows, counts = await asyncio.to_thread(_found, ranking, served, spelling, asked, first)
        return served, WorstAnswer([ranking.place(keys, row) for row in rows], counts)

    async def _ranking(self, shards: Shards, level: int) -> _Ranking:
        now_s = time.monotonic()
        kept = self._kept.setdefault(shards, {})
        for known in [known for known, ranking in kept.items() if now_s > ranking.until_s]:
            del kept[known]
        if level not in kept:
            ranking = kept[level] = await _made(shards, level)
            ranking.until_s = time.monotonic() + KEPT_TIMES * (time.monotonic() - now_s)
        return kept[level]


async def _made(shards: Shards, level: int) -> _Ranking:
    """Return all accounts at or beyond a level; a shard that comes or goes is not in it."""
    ledgers, numbers = dict(shards.ledgers), np.arange(len(shards.engine.book.keys))
    parts, turn_ends_s = [_part(shards, level, numbers[:0])], time.monotonic() + WORK_S
    for start in range(0, len(numbers), ACCOUNTS_AT_ONCE):
        some = numbers[start : start + ACCOUNTS_AT_ONCE]
        some = some[np.isin(shards.residents.shards_of(some), list(ledgers))]
        parts.append(_part(shards, level, some))
        if time.monotonic() > turn_ends_s:
            await asyncio.sleep(0)
            turn_ends_s = time.monotonic() + WORK_S
    level_, ratio, account, shard = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("level", "ratio", "account", "shard")
    )
    order = await asyncio.to_thread(_in_order, shards.engine.book.keys, level_, ratio, account)
    served = frozenset(one for one, ledger in ledgers.items() if shards.ledgers.get(one) is ledger)
    return _Ranking(level_[order], ratio[order], account[order], shard[order], served)


def _part(shards: Shards, level: int, accounts: Ints) -> _Ranking:
    """Return those of some accounts that are at the level or beyond, in any order.

    An account is ranked by its worst pool: the level it is at, its ratio at the marks as they are.
    """
    book = shards.engine.book
    slots = book.slots_of_all(accounts)
    owners = np.repeat(np.arange(len(accounts)), book.accounts.pools[accounts])
    worst = np.full(len(accounts), -1, np.int64)  # of one without a pool
    np.maximum.at(worst, owners, book.pools.level[slots].astype(np.int64))
    leading = (book.pools.level[slots] == worst[owners]) & (worst[owners] >= level)
    slots, owners = slots[leading], owners[leading]
    ratios = assess(book.batch(slots)).pools.margin_ratio
    top = np.full(len(accounts), -1.0)
    np.maximum.at(top, owners, np.where(np.isnan(ratios), np.inf, np.maximum(ratios, 0.0)))
    rows = np.flatnonzero(top >= 0.0)
    shard = shards.residents.shards_of(accounts[rows])
    return _Ranking(worst[rows], top[rows], accounts[rows], shard)


def _found(
    ranking: _Ranking, served: Sequence[int], spelling: Spelling, asked: WorstQuestion, first: int
) -> tuple[list[int], list[ShardCount]]:
    """Return the rows that a question asks for from row `first` on, and what it counts."""
    # Accounts that came since it was put together are not in it, so all of it is spelled.
    wanted = sought(spelling, asked.tenant, asked.match)[ranking.account]
    wanted &= np.isin(ranking.shard, served)
    behind = np.flatnonzero(wanted[first:] & (ranking.level[first:] >= asked.level))
    rows = (first + behind[: asked.limit]).tolist()
    if not asked.counts:
        return rows, []
    cells = ranking.shard[wanted] * len(LEVELS) + ranking.level[wanted]
    most = (max(served, default=-1) + 1) * len(LEVELS)
    counts = np.bincount(cells, minlength=most).reshape(-1, len(LEVELS))
    return rows, [ShardCount(shard, counts[shard].tolist()) for shard in served]


def _in_order(keys: Names, level: Ints, ratio: Floats, account: Ints) -> Ints:
    """Return the total order; only among equals are names looked at."""
    order = np.lexsort((-ratio, -level))
    moved = np.diff(level[order]) != 0
    with np.errstate(invalid="ignore"):  # two without equity are equals
        moved |= ratio[order][1:] != ratio[order][:-1]
    edges = np.flatnonzero(np.concatenate(([True], moved, [True])))
    equal = np.flatnonzero(np.diff(edges) > 1)
    for first, end in zip(edges[equal].tolist(), edges[equal + 1].tolist(), strict=True):
        names = [keys[number] for number in account[order[first:end]].tolist()]
        order[first:end] = order[first:end][sorted(range(len(names)), key=names.__getitem__)]
    return order


def _after(keys: Names, ranking: _Ranking, place: RankedPlace) -> int:
    """Return the first row behind a place."""
    rows = range(len(ranking.level))
    return bisect_right(rows, place.order(), key=lambda row: ranking.place(keys, row).order())
