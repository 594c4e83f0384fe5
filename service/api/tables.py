"""Answers in columns: what is a list of records among rows is a table of its own here.

A table has a list for each field. Records inside of records give theirs with their own name in
front; tables of lists inside name the account, or the row of the table that they belong to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeAlias

import msgspec
import numpy as np
import orjson
from msgspec import Struct

from service.api.lexicon import NO_CODES, Vocabulary, lexicon_of
from service.api.weaving import NO_FIGURES, Coded, Codes, Figures, Lists, Records
from service.risk.columns import Bytes, Floats, Ints
from service.side_by_side import processors, side_by_side
from service.text.columns import Kind, Laid, Listing, Step, laid_out
from service.text.machine import address_of

Column: TypeAlias = Figures | Coded | Ints
Columns: TypeAlias = dict[str, Column]


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
    for name, column in zip(_names_of(what.kind, before), what.columns, strict=True):
        if column is None:
            continue
        if isinstance(column, Records):
            _enter(table, column, name)
        elif isinstance(column, Lists):
            table.lists[name] = table_of(column.items)
            table.counts[name] = column.counts
        else:
            table.columns[name] = column


@cache
def _names_of(kind: type[Struct], before: str) -> list[str]:
    return [_joined(before, field.encode_name) for field in msgspec.structs.fields(kind)]


def _joined(before: str, name: str) -> str:
    return before + name[0].upper() + name[1:] if before else name


def owners(column: Coded, counts: Ints) -> Coded:
    """Return a column once for each item of its rows."""
    code: Ints = np.repeat(column.code, counts).astype(np.int64)
    return Coded(column.vocabulary, code)


def reordered(columns: Columns, rows: Ints) -> Columns:
    """Return some rows of columns, in this order."""
    return {name: _taken(column, rows) for name, column in columns.items()}


def _taken(column: Column, rows: Ints) -> Column:
    if isinstance(column, Figures):
        return Figures(column.values[rows])
    return column.taken(rows) if isinstance(column, Coded) else column[rows]


def written(head: str, tables: dict[str, Columns]) -> tuple[memoryview, ...]:
    """Return a JSON object that has these tables behind what the text of its head says, in parts.

    Each part stands where it was written.
    """
    columns = [column for table in tables.values() for column in table.values()]
    plan = _plan_of(
        tuple((name, *table) for name, table in tables.items()),
        tuple(_KINDS[type(column)] for column in columns),
    )
    begin = np.frombuffer(head.encode(), np.uint8)
    steps = plan.steps.copy()
    steps[0, : Step.KIND] = address_of(begin), len(begin)
    many = [_rows_of(next(iter(table.values()))) for table in tables.values()]
    rows = np.array(many, np.int64)
    if len(columns) * max(many) < _SHARED_CELLS or processors() < 2:
        alone = _laid_out(steps, columns, rows, _MANY)
        return (alone.out[: alone.write()].data,)
    half = _half(steps, rows)
    # All that needs the lock first: whoever has orjson does not let go of it for milliseconds.
    compiled = _laid_out(steps[half:], columns[half - 1 :], rows, _NEVER)

    def write_first() -> memoryview:
        first = _laid_out(steps[:half], columns[: half - 1], rows, _MANY)
        return first.out[: first.write()].data

    length, first = side_by_side(compiled.write, write_first)
    return first, compiled.out[:length].data


@dataclass(frozen=True, slots=True)
class _Part:
    """Some steps with room for their text, and what has to be held until that is written."""

    laid: Laid
    held: list[bytes]

    @property
    def out(self) -> Bytes:
        return self.laid.out

    def write(self) -> int:
        """Write the text; return its length. Whoever calls a method holds what it is of."""
        return self.laid.write()


def _laid_out(steps: Ints, columns: Sequence[Column], rows: Ints, many: int) -> _Part:
    """Lay these steps out; orjson has written the long columns.

    These are columns of figures of so `many` rows that are not all the same. Each column has a
    step; the very first and the very last one have none. `rows` are of each table.
    """
    cells, known = [NO_FIGURES], list[Vocabulary]()
    codes: list[Codes] = [NO_CODES]
    texts = list[bytes]()
    for step, column in enumerate(columns, int(steps[0, Step.KIND] == Kind.NOTHING)):
        if type(column) is Figures and len(column.values) >= many and not _is_one(column.values):
            texts.append(orjson.dumps(column.values, option=orjson.OPT_SERIALIZE_NUMPY))
            list_ = np.frombuffer(texts[-1], np.uint8)[1:-1]  # without its brackets
            steps[step, Step.KIND] = Kind.WRITTEN
            steps[step, Step.PLACE] = address_of(list_)
            steps[step, Step.BASE] = len(list_)
        elif type(column) is Figures:
            cells.append(column.values)
        elif type(column) is Coded:
            codes.append(column.code)
            known.append(column.vocabulary)
        else:
            assert isinstance(column, np.ndarray)
            codes.append(column)
    lexicon = lexicon_of(known)
    bits = np.concatenate(cells).view(np.int64)
    listing = Listing(steps, bits, np.concatenate(codes), lexicon.addresses, lexicon.lengths)
    return _Part(laid_out(listing, rows, lexicon.first), texts)


def _is_one(figures: Floats) -> bool:
    """Whether a column has the same figure in all its rows."""
    bits = figures.view(np.int64)
    return bool(bits[0] == bits[-1]) and bool(np.all(bits == bits[0]))


def _half(steps: Ints, rows: Ints) -> int:
    """Return the step from which on one writes while another writes those before."""
    items, kind = rows[steps[:, Step.TABLE]], steps[:, Step.KIND]
    before, behind = np.cumsum(items * _COST_BY_ORJSON[kind]), np.cumsum(items * _COST[kind])
    return 1 + int(np.argmax(before >= behind[-1] - behind))


def warm_up() -> None:
    """Have it compiled, or read from where it was kept: no answer waits for that later."""
    written("{", {"none": {"figure": Figures(np.zeros(0))}})


# Rows from which on orjson writes figures sooner than is done here.
_MANY, _NEVER = 160, 2**62
# From so many cells on (about) two write sooner than one. Only one can have orjson: it holds the
# interpreter's lock.
_SHARED_CELLS = 200_000
_COST_BY_ORJSON, _COST = np.array([40, 6, 11, 0, 0]), np.array([38, 6, 11, 0, 0])  # ns, by `Kind`
_KINDS = {Figures: int(Kind.FIGURE), Coded: int(Kind.WORD), np.ndarray: int(Kind.WHOLE)}


def _rows_of(column: Column) -> int:
    if isinstance(column, Figures):
        return len(column.values)
    return len(column.code) if isinstance(column, Coded) else len(column)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The steps of tables that have these columns: the text before each, and what it has."""

    texts: bytes  # to be held
    steps: Ints


@lru_cache(maxsize=64)
def _plan_of(names: tuple[tuple[str, ...], ...], kinds: tuple[int, ...]) -> _Plan:
    """Return the plan of tables by their names, those of their columns and what these have."""
    texts, tables = [""], []
    for number, (table, *columns) in enumerate(names):
        texts += [f'],"{column}":[' for column in columns]
        texts[-len(columns)] = f'{"]}" if number else ""},"{table}":{{"{columns[0]}":['
        tables += [number] * len(columns)
    texts.append("]}}")
    letters = "".join(texts).encode()
    lengths = np.array([len(text.encode()) for text in texts])
    steps = np.zeros((len(texts), len(Step)), np.int64)
    address = address_of(np.frombuffer(letters, np.uint8))
    steps[:, Step.ADDRESS] = address + np.cumsum(lengths) - lengths
    steps[:, Step.LENGTH] = lengths
    steps[:, Step.KIND] = (Kind.NOTHING, *kinds, Kind.NOTHING)
    steps[:, Step.TABLE] = (0, *tables, 0)
    return _Plan(letters, steps)
