"""Answers from the book to questions about all accounts: who is worst?"""

import heapq
from collections.abc import Callable, Iterator

import numpy as np

from service.contract.questions import RankedPlace, WorstQuestion
from service.risk.book import Book
from service.risk.evaluate import assess


def worst(book: Book, question: WorstQuestion, told: Callable[[int], bool]) -> list[RankedPlace]:
    """Return the first `limit` accounts at or beyond a level that come after a place, worst first.

    Only accounts that are `told` of count.

    An account is ranked by its worst pool, by the level that pool is at and its ratio at the marks
    as they are. Only pools at the level or beyond are evaluated.
    """
    prefix = f"{question.tenant}/"
    places = (
        place
        for place in _places(book, question.level, told)
        if place.account_key.startswith(prefix)
    )
    if question.after is not None:
        after = question.after.order()
        places = (place for place in places if place.order() > after)
    return heapq.nsmallest(question.limit, places, key=RankedPlace.order)


def _places(book: Book, level: int, told: Callable[[int], bool]) -> Iterator[RankedPlace]:
    """Yield the place of every account that has a pool at the level or beyond."""
    slots = book.live_slots()
    slots = slots[book.pools.level[slots] >= level]
    if not len(slots):
        return
    accounts, levels = book.pools.account[slots], book.pools.level[slots]
    ratios = assess(book.batch(slots)).pools.margin_ratio
    sortable = np.where(np.isnan(ratios), np.inf, ratios)  # no equity left is the highest
    order = np.lexsort((-sortable, -levels.astype(np.int64), accounts))
    first = np.flatnonzero(np.diff(accounts[order], prepend=-1))
    for index in order[first].tolist():
        if not told(int(accounts[index])):
            continue
        ratio = float(ratios[index])
        place = None if np.isnan(ratio) else max(0.0, ratio)
        yield RankedPlace(int(levels[index]), place, book.keys[int(accounts[index])])
