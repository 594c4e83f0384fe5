"""The words of an answer: JSON already, each once in memory, however often it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from service.risk.columns import Ints

NO_CODES = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Words as JSON: where each is in memory, and how long; and what they say, where known."""

    letters: bytes  # to be held
    addresses: Ints
    lengths: Ints
    values: Sequence[object]
    kept: bool = False  # for the columns of other answers too


class Lexicon(NamedTuple):
    """All words of some columns, and of each column which of them is its first."""

    addresses: Ints
    lengths: Ints
    first: Ints


def lexicon_of(columns: Sequence[Vocabulary]) -> Lexicon:
    """Return the words of these columns; those that have the same vocabulary share them."""
    kept = _kept_words(tuple([each if each.kept else None for each in columns]))
    own = {columns[place]: 0 for place in kept.others}
    many, first = len(kept.lengths), kept.first.copy()
    for each in own:
        own[each] = many
        many += len(each.lengths)
    for place in kept.others:
        first[place] = own[columns[place]]
    return Lexicon(
        np.concatenate([kept.addresses, *[each.addresses for each in own]]),
        np.concatenate([kept.lengths, *[each.lengths for each in own]]),
        first,
    )


class _Kept(NamedTuple):
    """What columns have of vocabularies that are kept, and which columns are the `others`."""

    addresses: Ints
    lengths: Ints
    first: Ints
    others: list[int]


@lru_cache(maxsize=256)
def _kept_words(columns: tuple[Vocabulary | None, ...]) -> _Kept:
    first, before = dict.fromkeys(columns, 0), 0
    known = [each for each in first if each is not None]
    for each in known:
        first[each] = before
        before += len(each.lengths)
    return _Kept(
        np.concatenate([NO_CODES, *(each.addresses for each in known)]),
        np.concatenate([NO_CODES, *(each.lengths for each in known)]),
        np.array([first[each] for each in columns], np.int64),
        [place for place, each in enumerate(columns) if each is None],
    )
