"""How far one source left the others, how far the index went with it, how soon it followed all."""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Bools, Floats
from studies.marks.tape import RULE, SOURCES, Marked


class Wick(NamedTuple):
    """The lowest that a source went below another that said otherwise, as shares of that one."""

    coin: str
    source: str
    second: int  # since the beginning of the tape
    depth: float
    index: float  # where the index was then
    mark: float
    since_entry: float  # the source itself, against its first price


def wicks(marked: Marked) -> list[Wick]:
    """Return the deepest of each source, the deepest first; sources that left nobody are not in."""
    found = []
    for row, coin in enumerate(marked.coins):
        for column, source in enumerate(SOURCES):
            said = marked.said[:, row, column]
            others = np.delete(marked.said[:, row], column, axis=1)
            best = _median(others)
            depth = said / best - 1.0
            if np.isnan(depth).all():
                continue
            at = int(np.nanargmin(depth))
            index, mark = marked.index[at, row] / best[at], marked.mark[at, row] / best[at]
            second = int(marked.time_ms[at] - marked.time_ms[0]) // 1_000
            first = said[~np.isnan(said)][0]
            fell = float(np.nanmin(said) / first - 1.0)
            facts = (float(depth[at]), float(index - 1.0), float(mark - 1.0), fell)
            found.append(Wick(coin, source, second, *facts))
    return sorted((wick for wick in found if wick.depth < -RULE.band), key=lambda wick: wick.depth)


def agreed(marked: Marked) -> Bools:
    """Return where two or more sources are fresh and all within the band of each other."""
    low, high = (_of_known(each, marked.said) for each in (np.fmin, np.fmax))
    many = (~np.isnan(marked.said)).sum(axis=2) >= 2
    together: Bools = many & (high <= low * (1.0 + RULE.band))
    return together


def furthest_when_agreed(marked: Marked) -> float:
    """Return how far the index is from the sources, at most, where they agree: a share."""
    low, high = (_of_known(each, marked.said) for each in (np.fmin, np.fmax))
    off = np.maximum(low / marked.index, marked.index / high) - 1.0
    return float(np.nanmax(np.where(agreed(marked), off, np.nan), initial=0.0))


def furthest_in_dispute(marked: Marked) -> float:
    """Return how far the index ever went from where its sources last agreed, while they did not."""
    anchor = np.where(agreed(marked), marked.index, np.nan)
    rows = np.where(np.isnan(anchor), 0, np.arange(len(anchor))[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    anchor = np.take_along_axis(anchor, rows, axis=0)
    many = (~np.isnan(marked.said)).sum(axis=2) == 2
    off = np.maximum(marked.index / anchor, anchor / marked.index) - 1.0
    return float(np.nanmax(np.where(many & ~agreed(marked), off, np.nan), initial=0.0))


def _of_known(function: np.ufunc, said: Floats) -> Floats:
    reduced: Floats = function.reduce(said, axis=2)
    return reduced


def _median(others: Floats) -> Floats:
    """Return the median of two columns of which either may be NaN; NaN where both are."""
    first, second = others[:, 0], others[:, 1]
    both: Floats = np.where(np.isnan(first), second, first)
    middle: Floats = np.where(np.isnan(first) | np.isnan(second), both, (first + second) / 2.0)
    return middle
