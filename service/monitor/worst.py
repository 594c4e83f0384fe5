"""Who is worst? A tenant's accounts in one order, found without holding up a mark.

First all accounts are counted by their levels, which takes no evaluation. That says how far down a
page reaches: only accounts at its levels are evaluated and ranked, a few where many are in trouble
and all where the page is of healthy ones.

Both are put together some accounts at a time, each at the marks of its moment, and sorted and
searched in another thread. They serve questions for as long as five like them take to make: of a
few accounts they are always new, of very many they may be a second old, and never is more than a
sixth of a monitor's time spent on them.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
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
from service.monitor.commits import Ledger
from service.monitor.seeking import Spelling, sought
from service.monitor.shards import Shards
from service.risk.columns import Bools, Floats, Ints
from service.risk.evaluate import assess
from service.risk.names import Names

ACCOUNTS_AT_ONCE = 1_000  # evaluated: a millisecond or two
COUNTED_AT_ONCE = 20_000  # as much
WORK_S = 0.005  # before others have their turn
KEPT_TIMES = 5.0


@dataclass(slots=True)
class _Census:
    """The level that each account is at, by its index; -1 where it has no pool or is not served."""

    level: Ints
    shard: Ints
    served: frozenset[int]
    until_s: float = 0.0


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
    """What was counted and ranked just now for a monitor's books; rankings by their least level."""

    def __init__(self) -> None:
        self._censuses: WeakKeyDictionary[Shards, _Census] = WeakKeyDictionary()
        self._rankings: WeakKeyDictionary[Shards, dict[int, _Ranking]] = WeakKeyDictionary()

    async def worst(self, shards: Shards, asked: WorstQuestion) -> tuple[list[int], WorstAnswer]:
        """Return the first accounts after a place, and for which shards these speak."""
        keys, census = shards.engine.book.keys, await self._census(shards)
        spelling = Spelling(*keys.spelled())
        wanted = await asyncio.to_thread(sought, spelling, asked.tenant, asked.match)
        levels = _levels(census, wanted)
        least = _least(levels.sum(axis=0), asked)
        served, ranking, rows = await self._page(shards, census, wanted, asked, least)
        if len(rows) < asked.limit and least > asked.level:
            # Some have risen since they were counted: it takes healthier ones to fill the page.
            served, ranking, rows = await self._page(shards, census, wanted, asked, asked.level)
        counts = [ShardCount(shard, levels[shard].tolist()) for shard in served if asked.counts]
        return served, WorstAnswer([ranking.place(keys, row) for row in rows], counts)

    async def _page(
        self, shards: Shards, census: _Census, wanted: Bools, asked: WorstQuestion, level: int
    ) -> tuple[list[int], _Ranking, list[int]]:
        """Return for which shards a ranking down to a level speaks, it, and the rows asked for."""
        ranking = await self._ranking(shards, census, level)
        served = sorted(ranking.served & census.served & shards.ledgers.keys())
        first = 0 if asked.after is None else _after(shards.engine.book.keys, ranking, asked.after)
        return served, ranking, _found(ranking, served, wanted, asked, first)

    async def _census(self, shards: Shards) -> _Census:
        now_s = time.monotonic()
        known = self._censuses.get(shards)
        if known is None or now_s > known.until_s:
            known = self._censuses[shards] = await _counted(shards)
            known.until_s = time.monotonic() + KEPT_TIMES * (time.monotonic() - now_s)
        return known

    async def _ranking(self, shards: Shards, census: _Census, level: int) -> _Ranking:
        now_s = time.monotonic()
        kept = self._rankings.setdefault(shards, {})
        for known in [known for known, ranking in kept.items() if now_s > ranking.until_s]:
            del kept[known]
        if level not in kept:
            ranking = kept[level] = await _made(shards, census, level)
            ranking.until_s = time.monotonic() + KEPT_TIMES * (time.monotonic() - now_s)
        return kept[level]


async def _turns(numbers: Ints, at_once: int) -> AsyncIterator[Ints]:
    """Yield so many of the numbers at a time; others have their turn in between."""
    turn_ends_s = time.monotonic() + WORK_S
    for start in range(0, len(numbers), at_once):
        yield numbers[start : start + at_once]
        if time.monotonic() > turn_ends_s:
            await asyncio.sleep(0)
            turn_ends_s = time.monotonic() + WORK_S


async def _counted(shards: Shards) -> _Census:
    """Return the level of every account; a shard that comes or goes is not in it."""
    ledgers, book = dict(shards.ledgers), shards.engine.book
    numbers = np.arange(len(book.keys))
    census = _Census(np.full(len(numbers), -1), shards.residents.shards_of(numbers), frozenset())
    async for some in _turns(numbers, COUNTED_AT_ONCE):
        slots = book.slots_of_all(some)
        owners = np.repeat(some, book.accounts.pools[some])
        np.maximum.at(census.level, owners, book.pools.level[slots].astype(np.int64))
    census.served = _still_served(shards, ledgers)
    census.level[~np.isin(census.shard, list(census.served))] = -1
    return census


async def _made(shards: Shards, census: _Census, level: int) -> _Ranking:
    """Return all accounts at or beyond a level; a shard that comes or goes is not in it."""
    ledgers = {one: shards.ledgers[one] for one in census.served if one in shards.ledgers}
    numbers = np.flatnonzero(census.level >= level)
    parts = [_part(shards, level, numbers[:0])]
    async for some in _turns(numbers, ACCOUNTS_AT_ONCE):
        parts.append(_part(shards, level, some))
    level_, ratio, account, shard = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("level", "ratio", "account", "shard")
    )
    order = await asyncio.to_thread(_in_order, shards.engine.book.keys, level_, ratio, account)
    served = _still_served(shards, ledgers)
    return _Ranking(level_[order], ratio[order], account[order], shard[order], served)


def _still_served(shards: Shards, ledgers: Mapping[int, Ledger]) -> frozenset[int]:
    """Return the shards that were served all the while."""
    return frozenset(one for one, ledger in ledgers.items() if shards.ledgers.get(one) is ledger)


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


def _levels(census: _Census, wanted: Bools) -> Ints:
    """Return how many of the wanted accounts are at each level, a row a shard."""
    # Names that came since the census are not in it: accounts are never fewer.
    counted = np.flatnonzero(wanted[: len(census.level)] & (census.level >= 0))
    cells = census.shard[counted] * len(LEVELS) + census.level[counted]
    most = (max(census.served, default=-1) + 1) * len(LEVELS)
    found: Ints = np.bincount(cells, minlength=most).reshape(-1, len(LEVELS))
    return found


def _least(levels: Ints, asked: WorstQuestion) -> int:
    """Return the level down to which accounts are ranked, so that a page is full."""
    # How many of a place's own level are behind it is not known: none, to be sure.
    below = len(LEVELS) if asked.after is None else asked.after.level
    behind = 0
    for level in reversed(range(asked.level, below)):
        behind += int(levels[level])
        if behind >= asked.limit:
            return level
    return asked.level


def _found(
    ranking: _Ranking, served: Sequence[int], wanted: Bools, asked: WorstQuestion, first: int
) -> list[int]:
    """Return the rows that a question asks for from row `first` on."""
    seen = ranking.account[first:]
    # A name that came while it was ranked is in the next ranking.
    fits = seen < len(wanted)
    fits[fits] = wanted[seen[fits]]
    fits &= np.isin(ranking.shard[first:], served) & (ranking.level[first:] >= asked.level)
    return [first + row for row in np.flatnonzero(fits)[: asked.limit].tolist()]


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
