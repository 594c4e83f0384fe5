"""Numbers out of ccxt's objects and of the venue's own words in `info`: finite, or not there."""

import math
import re
from collections.abc import Mapping, Sequence

Json = Mapping[str, object]
_DECIMAL = re.compile(r"^-?\d+(\.\d*)?([eE][+-]?\d+)?$|^-?\.\d+$")


def number(value: object) -> float | None:
    """Return the number that `value` is or says; None when it is none, or not finite.

    Venues write numbers as texts, and an empty text where they have nothing to say.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and _DECIMAL.match(value) is None:
        return None  # float() would take "1_000", too
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def within(value: object, *path: str | int) -> object:
    """Return what stands at a path of keys and places; None where nothing does."""
    for step in path:
        if isinstance(step, int):
            rows = listed(value)
            value = rows[step] if step < len(rows) else None
        else:
            value = mapped(value).get(step)
    return value


def mapped(value: object) -> Json:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> Sequence[object]:
    """Return a list; an empty one for anything else."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def objects(value: object) -> list[Json]:
    """Return the objects of a list."""
    return [one for one in listed(value) if isinstance(one, Mapping)]
