"""What is to be written of records of one shape: a step a field, made once and kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import numpy as np

from service.risk.columns import Ints
from service.text.machine import address_of
from service.text.writing import Kind, Layout, Step

# The kind of a record, then of each field what it is: a number, a word, a list of what, a record,
# or None, and the field is left out.
# Kinds of values are plain numbers: an enumeration's take ten times as long to look a plan up by.
Shape: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of records of one shape; their columns stand in the order of the fields."""

    keys: bytes  # to be held
    steps: Ints
    layout: Layout


@lru_cache(maxsize=64)
def plan_of(shape: Shape) -> Plan:
    """Return the plan of records of a shape."""
    draft = _Draft()
    draft.write(shape)
    drafted = [step for part in draft.parts for step in part]
    place = {id(step): index for index, step in enumerate(drafted)}
    keys = "".join(step.text for step in drafted).encode()
    lengths = _ints(len(step.text) for step in drafted)
    steps = np.zeros((len(drafted), len(Step)), np.int64)
    steps[:, Step.ADDRESS] = address_of(np.frombuffer(keys, np.uint8))
    steps[:, Step.ADDRESS] += np.cumsum(lengths) - lengths
    steps[:, Step.LENGTH] = lengths
    steps[:, Step.KIND] = [step.kind for step in drafted]
    first = np.cumsum([0, *map(len, draft.parts)])
    steps[:, Step.BASE] = [first[step.items] for step in drafted]
    layout = Layout(
        _ints(place[id(step)] for step in draft.figures),
        _ints(place[id(step)] for step in draft.codes),
        _ints(step.kind == Kind.LIST for step in draft.codes),
        _ints(place[id(step)] for step in draft.codes if step.kind == Kind.WORD),
        _ints(step.record for step in drafted),
    )
    return Plan(keys, steps, layout)


@dataclass(slots=True, eq=False)
class _Drafted:
    """A step: the text before its value, what that is, which record it is of; a list's items."""

    text: str
    kind: int
    record: int
    items: int = 0


class _Draft:
    """Steps as they are written down: those of a list's items are a part of their own."""

    def __init__(self) -> None:
        self.parts: list[list[_Drafted]] = []
        self.figures: list[_Drafted] = []
        self.codes: list[_Drafted] = []
        self._records = 0

    def write(self, shape: Shape) -> int:
        """Write the steps of a record and its lists as parts; return the number of the record's."""
        number, part = len(self.parts), list[_Drafted]()
        self.parts.append(part)
        record = self._records
        part.append(_Drafted(self._fields(shape, part, ""), Kind.END, record))
        return number

    def _fields(self, shape: Shape, part: list[_Drafted], text: str) -> str:
        """Write the steps of a record's fields; return the text behind the last of them."""
        kind, *columns = shape
        record, self._records = self._records, self._records + 1
        names = [each.encode_name for each in msgspec.structs.fields(kind)]
        text += "{"
        for name, column in zip(names, columns, strict=True):
            if column is None:
                continue
            text += f'"{name}":'
            if column in (Kind.FIGURE, Kind.WORD):
                step, text = _Drafted(text, column, record), ","
                (self.figures if column == Kind.FIGURE else self.codes).append(step)
                part.append(step)
            elif column[0] == Kind.LIST:
                step, text = _Drafted(f"{text}[", Kind.LIST, record), "],"
                self.codes.append(step)
                part.append(step)
                step.items = self.write(column[1])
            else:
                text = self._fields(column, part, text) + ","
        return text.removesuffix(",") + "}"


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)
