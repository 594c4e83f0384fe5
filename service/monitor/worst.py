"""Who is worst? A tenant's accounts in one order, found without holding up a mark.

A ranking is put together some accounts at a time, each at the marks of its moment. It serves
questions for as long as five like it take to make: of a few accounts it is always new, of very
many it is some seconds old, and never is more than a sixth of a monitor's time spent on rankings.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Iterator
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
from service.monitor.shards import Shards
from service.risk.columns import Bools, Floats, Ints
from service.risk.evaluate import assess
from service.risk.names import Names

ACCOUNTS_AT_ONCE = 1_000  # a millisecond or two
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
        counted = await _counted(shards, asked) if asked.counts else []
        ranking, keys = await self._ranking(shards, asked.level), shards.engine.book.keys
        served = sorted(ranking.served & shards.ledgers.keys())
        first = 0 if asked.after is None else _after(keys, ranking, asked.after)
        rows = first + np.flatnonzero(np.isin(ranking.shard[first:], served))
        found: list[RankedPlace] = []
        for some in _pieces(rows):
            wanted = some[_wanted(keys, ranking.account[some], asked)]
            room = asked.limit - len(found)
            found += [ranking.place(keys, row) for row in wanted[:room].tolist()]
            if len(found) == asked.limit:
                break
            await asyncio.sleep(0)
        return served, WorstAnswer(found, [one for one in counted if one.shard in served])

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
    ledgers = dict(shards.ledgers)
    parts = [_part(shards, level, np.zeros(0, np.int64))]
    for some in _pieces(np.arange(len(shards.engine.book.keys), dtype=np.int64)):
        owners = shards.residents.shards_of(some)
        parts.append(_part(shards, level, some[np.isin(owners, list(ledgers))]))
        await asyncio.sleep(0)
    level_, ratio, account, shard = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("level", "ratio", "account", "shard")
    )
    order = _in_order(shards.engine.book.keys, level_, ratio, account)
    served = frozenset(one for one, ledger in ledgers.items() if shards.ledgers.get(one) is ledger)
    return _Ranking(level_[order], ratio[order], account[order], shard[order], served)


def _part(shards: Shards, level: int, accounts: Ints) -> _Ranking:
    """Return those of some accounts that are at the level or beyond, in any order.

    An account is ranked by its worst pool: the level it is at, its ratio at the marks as they are.
    """
    book = shards.engine.book
    slots, owners, worst = _levels(shards, accounts)
    leading = (book.pools.level[slots] == worst[owners]) & (worst[owners] >= level)
    slots, owners = slots[leading], owners[leading]
    ratios = assess(book.batch(slots)).pools.margin_ratio
    top = np.full(len(accounts), -1.0)
    np.maximum.at(top, owners, np.where(np.isnan(ratios), np.inf, np.maximum(ratios, 0.0)))
    rows = np.flatnonzero(top >= 0.0)
    shard = shards.residents.shards_of(accounts[rows])
    return _Ranking(worst[rows], top[rows], accounts[rows], shard)


def _levels(shards: Shards, accounts: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the accounts' slots, whose each is (an index), and the accounts' worst levels."""
    book = shards.engine.book
    slots = book.slots_of_all(accounts)
    owners = np.repeat(np.arange(len(accounts)), book.accounts.pools[accounts])
    worst = np.full(len(accounts), -1, np.int64)  # of one without a pool
    np.maximum.at(worst, owners, book.pools.level[slots].astype(np.int64))
    return slots, owners, worst


async def _counted(shards: Shards, asked: WorstQuestion) -> list[ShardCount]:
    """Return how many accounts that are asked about each shard has at each level."""
    keys = shards.engine.book.keys
    by_shard = {shard: np.zeros(len(LEVELS), np.int64) for shard in shards.ledgers}
    for some in _pieces(np.arange(len(keys), dtype=np.int64)):
        _, _, worst = _levels(shards, some)
        there = np.flatnonzero(worst >= 0)
        there = there[_wanted(keys, some[there], asked)]
        owners = shards.residents.shards_of(some[there])
        for shard in np.unique(owners).tolist():
            if shard in by_shard:
                found = np.bincount(worst[there[owners == shard]], minlength=len(LEVELS))
                by_shard[shard] += found
        await asyncio.sleep(0)
    return [ShardCount(shard, counts.tolist()) for shard, counts in by_shard.items()]


def _pieces(rows: Ints) -> Iterator[Ints]:
    for start in range(0, len(rows), ACCOUNTS_AT_ONCE):
        yield rows[start : start + ACCOUNTS_AT_ONCE]


def _wanted(keys: Names, accounts: Ints, asked: WorstQuestion) -> Bools:
    """Whether these are the tenant's, and have what is sought in their ids."""
    prefix = f"{asked.tenant}/"
    wanted = keys.begin_with(accounts, prefix)
    if asked.match is not None:
        sought, skipped = asked.match.lower(), len(prefix)
        for index in np.flatnonzero(wanted).tolist():
            wanted[index] = sought in keys[int(accounts[index])][skipped:].lower()
    return wanted


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
