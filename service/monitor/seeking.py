"""Which of very many accounts are a tenant's and have some letters in their ids, all in one go.

Names stand one behind the other in one text, so that a search is one over that text; what is found
across the border of two names, or in a tenant's name, is none.
"""

import re
from dataclasses import dataclass

import numpy as np

from service.risk.columns import Bools, Ints


@dataclass(frozen=True, slots=True)
class Spelling:
    """Account keys ("tenant/id"): their letters, and where each begins and the last one ends."""

    letters: bytes
    ends: Ints


def sought(spelling: Spelling, tenant: str, match: str | None) -> Bools:
    """Whether each account is the tenant's and has `match` in its id, in large or small letters."""
    prefix = f"{tenant}/".encode()
    found = _begin_with(spelling, prefix)
    if match is not None:
        found &= _have(spelling, match.encode().lower(), len(prefix))
    return found


def _begin_with(spelling: Spelling, prefix: bytes) -> Bools:
    starts, lengths = spelling.ends[:-1], np.diff(spelling.ends)
    letters = np.frombuffer(spelling.letters, np.uint8)
    begun = lengths >= len(prefix)
    for place, letter in enumerate(prefix):
        rows = np.flatnonzero(begun)
        begun[rows] = letters[starts[rows] + place] == letter
    return begun


def _have(spelling: Spelling, match: bytes, skipped: int) -> Bools:
    """Whether each name has the letters behind its first `skipped`."""
    # A look ahead: one that begins in one name and ends in the next must not hide the next's own.
    pattern = re.compile(b"(?=" + re.escape(match) + b")")
    places = [found.start() for found in pattern.finditer(spelling.letters.lower())]
    at = np.array(places, np.int64)
    name = np.searchsorted(spelling.ends, at, "right") - 1
    inside = (at >= spelling.ends[name] + skipped) & (at + len(match) <= spelling.ends[name + 1])
    having = np.zeros(len(spelling.ends) - 1, np.bool_)
    having[name[inside]] = True
    return having
