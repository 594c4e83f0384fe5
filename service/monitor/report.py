"""What a monitor says of itself: its part in the list of members, and its metrics."""

import math
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import numpy as np

from service.contract.alerts import LEVEL_NAMES
from service.monitor.shards import Shards
from service.monitor.sharing import Sharing
from service.monitor.stats import EngineStats
from service.risk.columns import Ints
from service.risk.model import Level

Figures = dict[str, Any]

COUNTING_SHARE = 0.002  # of the time is spent on counting at most


class Census:
    """How many accounts and pools are at each level, counted again and again.

    A count goes by every pool, and marks wait for it: a book that is quickly counted is counted at
    every call, one of millions of pools every few seconds.
    """

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self._told: dict[str, Any] = {}
        self._again_at = -math.inf

    def told(self) -> dict[str, Any]:
        """Return the newest count."""
        began = time.monotonic()
        if began >= self._again_at:
            books = self._sharing.serving
            accounts = sum(book.residents.held(book.ledgers) for book in books)
            self._told = {"accounts": accounts, "levels": levels_of(books, accounts)}
            ended = time.monotonic()
            self._again_at = ended + (ended - began) / COUNTING_SHARE
        return self._told


def figures_of(sharing: Sharing, census: Census) -> Figures:
    """Return counts since the book was made, and what it holds; `shards` are those served."""
    main, served = sharing.main, sharing.served
    figures: Figures = {"shards": served, "ready": int(bool(served)), "taking": 0}
    if sharing.nursery is not None:
        figures["taking"] = len(sharing.nursery.waiting) + len(sharing.nursery.ledgers)
    if main is None:
        return figures | asdict(EngineStats())
    engine = main.engine
    return figures | {
        "marketId": engine.market_id,
        "eventTime": engine.event_time_ms,
        **census.told(),
        "pools": len(engine.book),
        "positions": engine.book.positions,
        "commits": main.commits,
        "gaps": main.gaps,
        **asdict(engine.stats),
        "histograms": main.measures.told(),
        "money": [row for book in sharing.serving for row in book.engine.money.told],
    }


def levels_of(books: Collection[Shards], accounts: int) -> dict[str, dict[str, int]]:
    """Return how many of so many accounts, and of their pools, are at each level.

    Only pools that are not HEALTHY are looked at one by one: mostly they are few.
    """
    of_accounts: Counter[int] = Counter()
    of_pools: Counter[int] = Counter()
    for shards in books:
        owners, levels, healthy = _not_healthy(shards)
        of_pools.update(levels.tolist())
        of_pools[Level.HEALTHY] += healthy
        # Sorted by level, the last of an account's pools is its worst.
        order = np.lexsort((levels, owners))
        last = np.flatnonzero(np.diff(owners[order], append=-1))
        of_accounts.update(levels[order][last].tolist())
    of_accounts[Level.HEALTHY] = accounts - of_accounts.total()
    return {
        name: {LEVEL_NAMES[level]: count for level, count in sorted(counts.items())}
        for name, counts in (("accounts", of_accounts), ("pools", of_pools))
    }


def _not_healthy(shards: Shards) -> tuple[Ints, Ints, int]:
    """Return account and level of the pools that are told of and not HEALTHY; how many are.

    HEALTHY ones of a shard that is changing hands count as well: nobody looks at them one by one.
    """
    book = shards.engine.book
    bad = book.slots_not_healthy()
    owners = book.pools.account[bad].astype(np.int64)
    levels = book.pools.level[bad].astype(np.int64)
    ours = np.isin(shards.residents.shards_of(owners), list(shards.ledgers))
    return owners[ours], levels[ours], len(book) - len(bad)
