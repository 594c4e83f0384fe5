"""Answers in columns: what is a list of records among rows is a table of its own here.

A table has a list for each field. Records inside of records give theirs with their own name in
front; tables of lists inside name the account, or the row of the table that they belong to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import msgspec
import numpy as np
import orjson
from msgspec import Struct

from service.api.weaving import Coded, Figures, Lists, Records
from service.risk.columns import Ints
from service.text.writing import write_words

Columns: TypeAlias = dict[str, Figures | Coded | Ints]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length, by name."""

    columns: Columns
    lists: "dict[str, Table]"  # of lists inside, each under the field's name
    counts: dict[str, Ints]  # how many items each row has there


def table_of(what: Records) -> Table:
    """Return records as a table."""
    table = Table({}, {}, {})
    _enter(table, what, "")
    return table


def _enter(table: Table, what: Records, before: str) -> None:
    for field, column in zip(_names_of(what.kind), what.columns, strict=True):
        name = _joined(before, field)
        if isinstance(column, Records):
            _enter(table, column, name)
        elif isinstance(column, Lists):
            table.lists[name] = table_of(column.items)
            table.counts[name] = column.counts
        else:
            table.columns[name] = column


@cache
def _names_of(kind: type[Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def _joined(before: str, name: str) -> str:
    return before + name[0].upper() + name[1:] if before else name


def owners(column: Coded, counts: Ints) -> Coded:
    """Return a column once for each item of its rows."""
    code: Ints = np.repeat(column.code, counts).astype(np.int64)
    return Coded(column.vocabulary, code)


def reordered(columns: Columns, rows: Ints) -> Columns:
    """Return some rows of columns, in this order."""
    return {name: _taken(column, rows) for name, column in columns.items()}


def _taken(column: Figures | Coded | Ints, rows: Ints) -> Figures | Coded | Ints:
    if isinstance(column, Figures):
        return Figures(column.values[rows])
    return column.taken(rows) if isinstance(column, Coded) else column[rows]


def texts(columns: Columns) -> Iterator[bytes | memoryview]:
    """Yield the JSON of a table, column by column: nobody waits for the lock through all of it."""
    separator = "{"
    for name, column in columns.items():
        yield f'{separator}"{name}":'.encode()
        separator = ","
        yield _text(column)
    yield b"}"


def _text(column: Figures | Coded | Ints) -> bytes | memoryview:
    if isinstance(column, Coded):
        known = column.vocabulary
        return write_words(known.addresses, known.lengths, column.code.astype(np.int64))
    numbers = column.values if isinstance(column, Figures) else column
    return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)
