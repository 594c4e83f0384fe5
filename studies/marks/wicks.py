"""How far one source left the others, how far the index went with it, how soon it followed all."""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Bools, Floats
from studies.marks.tape import RULE, SOURCES, Marked

MOMENTS_A_SECOND = 4


class Wick(NamedTuple):
    """The lowest that a source traded below all others, as shares of the lowest of those."""

    coin: str
    source: str
    second: int  # since the beginning of the tape
    depth: float
    index_then: float
    mark_then: float
    since_entry: float  # the source itself, against its first price


def wicks(marked: Marked) -> list[Wick]:
    """Return the deepest of each source, the deepest first; sources that left nobody are not in."""
    found = []
    for row, coin in enumerate(marked.coins):
        for column, source in enumerate(SOURCES):
            said = marked.said[:, row, column]
            others = np.delete(marked.said[:, row], column, axis=1)
            best = np.fmin(others[:, 0], others[:, 1])
            spoke = np.concatenate([np.full(MOMENTS_A_SECOND, False), said[4:] != said[:-4]])
            depth = np.where(spoke, said / best - 1.0, np.nan)
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


def furthest_alone(marked: Marked) -> float:
    """Return the furthest that one source alone moved the index while another is fresh.

    That is beyond both where the index was and what every other source says, as a share.
    """
    furthest = 0.0
    before = marked.index[:-1]
    many = (~np.isnan(marked.said[1:])).sum(axis=2) >= 2
    for column in range(len(SOURCES)):
        others = np.delete(marked.said[1:], column, axis=2)
        low = np.fmin(np.fmin(others[:, :, 0], others[:, :, 1]), before)
        high = np.fmax(np.fmax(others[:, :, 0], others[:, :, 1]), before)
        off = np.maximum(low / marked.index[1:], marked.index[1:] / high) - 1.0
        furthest = max(furthest, float(np.nanmax(np.where(many, off, np.nan), initial=0.0)))
    return furthest


def _of_known(function: np.ufunc, said: Floats) -> Floats:
    reduced: Floats = function.reduce(said, axis=2)
    return reduced
