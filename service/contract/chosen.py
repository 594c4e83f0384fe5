"""Which fields of an answer a caller wants: named as the answer has them, with dots.

`level,positions.liquidationPrice` wants two fields of every account; a record or a list that is
named by itself is wanted whole. What is not wanted is neither written nor, where nothing else hangs
on it, worked out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import get_args

import msgspec
from msgspec import Struct

from service.contract.evaluation import AccountAnswer
from service.errors import Fault, InvalidInput

PARAMETER = "fields"
_ALWAYS = "id"  # of an account: its answer would be nobody's
_WHOLE = {"findings", "likelihood"}  # not figures: there is no part of them to leave out


@dataclass(frozen=True, slots=True)
class Chosen:
    """The fields of a record that are wanted, each with those inside it; None: all of them."""

    fields: "Mapping[str, Chosen] | None" = None

    def has(self, name: str) -> bool:
        """Whether a field is wanted, or something in it."""
        return self.fields is None or name in self.fields

    def has_any(self, *names: str) -> bool:
        """Whether one of these fields is wanted."""
        return self.fields is None or not self.fields.keys().isdisjoint(names)

    def inside(self, name: str) -> "Chosen":
        """Return what is wanted of a field that is a record, or a list of records."""
        return self if self.fields is None else self.fields.get(name, NOTHING)


EVERYTHING, NOTHING = Chosen(), Chosen({})


@lru_cache(maxsize=256)
def read_chosen(text: str) -> Chosen:
    """Return the fields of an account's answer that a parameter names; raises InvalidInput.

    >>> chosen = read_chosen("positions.symbol,positions.liquidationPrice")
    >>> list(chosen.fields), list(chosen.inside("positions").fields)
    (['id', 'positions'], ['symbol', 'liquidationPrice'])
    """
    return _chosen(AccountAnswer, [[_ALWAYS], *(path.split(".") for path in text.split(","))])


def _chosen(kind: type[Struct] | None, paths: Sequence[Sequence[str]]) -> Chosen:
    """Return the fields of a record that paths begin with, and in them what the rest names."""
    known = _fields_of(kind)
    rests: dict[str, list[Sequence[str]]] = {}
    for first, *rest in paths:
        if first not in known:
            detail = f"no answer has a field {first!r:.80} there" if first else "a name is missing"
            raise InvalidInput.of(Fault(f"?{PARAMETER}", "unknown_field", detail))
        rests.setdefault(first, []).append(rest)
    return Chosen({name: _inside(known[name], rest) for name, rest in rests.items()})


def _inside(kind: type[Struct] | None, rests: Sequence[Sequence[str]]) -> Chosen:
    some = _chosen(kind, [rest for rest in rests if rest])
    return some if all(rests) else EVERYTHING


@cache
def _fields_of(kind: type[Struct] | None) -> Mapping[str, type[Struct] | None]:
    """Return the fields of a record by name, each with the kind of record in it, where one is."""
    fields = () if kind is None else msgspec.structs.fields(kind)
    return {
        field.encode_name: None if field.name in _WHOLE else _record_in(field.type)
        for field in fields
    }


def _record_in(kind: object) -> type[Struct] | None:
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    inside = map(_record_in, get_args(kind))
    return next((record for record in inside if record is not None), None)
