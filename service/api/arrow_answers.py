"""Evaluations in columns as Arrow: the tables of the answer as IPC streams.

Words are dictionaries, what is not known is null, and the schema's metadata says when it was
(`timestamp`, ms). Fields are those of the JSON form.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from service.api.column_answers import PreparedTable
from service.api.lexicon import Vocabulary
from service.api.tables import Columns
from service.api.weaving import Coded, Codes, Figures
from service.errors import Fault, InvalidInput
from service.risk.columns import Bools, Floats, Ints

_FLOAT, _BY_DICTIONARY = pa.float64(), pa.dictionary(pa.int32(), pa.string())


def arrow_answer(prepared: PreparedTable, names: tuple[str, ...]) -> memoryview:
    """Return these tables, a stream each, in this order; raises InvalidInput."""
    tables, now_ms = prepared.tables(), int(time.time() * 1_000)
    names = tuple(name for name in names if name in tables)
    if not names:
        detail = "nothing of this table is asked for by the fields that are"
        raise InvalidInput.of(Fault("?table", "nothing_asked", detail))
    sink = pa.BufferOutputStream()
    for name in names:
        batch = _batch(tables[name], now_ms)
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
    return memoryview(sink.getvalue())


def _batch(columns: Columns, now_ms: int) -> pa.RecordBatch:
    arrays = [_array(column) for column in columns.values()]
    metadata = {"timestamp": str(now_ms)}
    return pa.RecordBatch.from_arrays(arrays, list(columns), metadata=metadata)


def _array(column: Figures | Coded | Ints) -> pa.Array:
    if isinstance(column, Figures):
        return _numbers(np.ascontiguousarray(column.values))
    if isinstance(column, Coded):
        return _known(column.vocabulary)(column.code)
    return pa.array(column)


def _numbers(values: Floats) -> pa.Array:
    """Return numbers where they are; NaN and infinity are null."""
    buffers = [_there(np.isfinite(values)), pa.py_buffer(values)]
    return pa.Array.from_buffers(_FLOAT, len(values), buffers)


def _there(rows: Bools) -> pa.Buffer | None:
    """Return Arrow's bits of the rows in which something is; None: it is in all."""
    if np.count_nonzero(rows) == len(rows):
        return None
    return pa.py_buffer(np.packbits(rows, bitorder="little"))


@lru_cache(maxsize=256)
def _known(words: Vocabulary) -> Callable[[Codes], pa.Array]:
    """Return how codes of a vocabulary become an array: words by a dictionary, all else plain."""
    kinds = {type(value) for value in words.values} - {type(None)}
    if not kinds:
        return lambda code: pa.nulls(len(code), pa.string())
    (kind,) = kinds
    return _worded(words.values) if kind is str else _plain(words.values, kind)


def _worded(values: Sequence[Any]) -> Callable[[Codes], pa.Array]:
    # No word twice: pandas takes the dictionary for its categories.
    listed = [word for word in dict.fromkeys(values) if word is not None]
    if len(listed) == len(values):
        place = np.arange(len(values), dtype=np.int32)
    else:
        number = {word: at for at, word in enumerate(listed)}
        place = np.array([number.get(value, -1) for value in values], np.int32)
    known = pa.array(listed, pa.string())

    def listed_of(code: Codes) -> pa.Array:
        index = place.take(code)
        there = index >= 0
        bits = _there(there)
        if bits is not None:
            index[~there] = 0  # Polars looks at places that are not there too
        buffers = [bits, pa.py_buffer(index)]
        return pa.DictionaryArray.from_buffers(_BY_DICTIONARY, len(index), buffers, known)

    return listed_of


def _plain(values: Sequence[Any], kind: type) -> Callable[[Codes], pa.Array]:
    cells = np.array([kind() if value is None else value for value in values])
    missing = np.array([value is None for value in values])

    def plain(code: Codes) -> pa.Array:
        gone = missing.take(code)
        return pa.array(cells.take(code), mask=gone if np.count_nonzero(gone) else None)

    return plain
