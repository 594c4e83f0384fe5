"""Evaluations in columns as Arrow: the tables of the answer as IPC streams.

Words are dictionaries, what is not known is null, and the schema's metadata says when it was
(`timestamp`, ms). Fields are those of the JSON form.
"""

import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pyarrow as pa

from service.api.column_answers import PreparedTable
from service.api.lexicon import Vocabulary
from service.api.tables import Columns
from service.api.weaving import Coded, Figures
from service.errors import Fault, InvalidInput
from service.risk.columns import Floats, Ints


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
        return _known(column.vocabulary)(np.asarray(column.code, np.int32))
    return pa.array(column)


def _numbers(values: Floats) -> pa.Array:
    """Return numbers where they are; NaN and infinity are null."""
    known = np.isfinite(values)
    bits = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(pa.float64(), len(values), [bits, pa.py_buffer(values)])


@lru_cache(maxsize=256)
def _known(words: Vocabulary) -> Callable[[np.ndarray], pa.Array]:
    """Return how codes of a vocabulary become an array: words by a dictionary, all else plain."""
    values = list(words.values)
    kinds = {type(value) for value in values} - {type(None)}
    if kinds - {str}:
        plain = pa.array(values)
        return lambda code: plain.take(pa.array(code))
    if not kinds:
        return lambda code: pa.nulls(len(code), pa.string())
    # No word twice: pandas takes the dictionary for its categories.
    number = {
        word: at
        for at, word in enumerate(dict.fromkeys(each for each in values if each is not None))
    }
    place = np.array([number.get(value, -1) for value in values], np.int32)
    known = pa.array(list(number), pa.string())

    def listed(code: np.ndarray) -> pa.Array:
        index = place[code]
        missing = index < 0
        # Polars looks at places that are not there too.
        indices = pa.array(np.maximum(index, 0), mask=missing if missing.any() else None)
        return pa.DictionaryArray.from_arrays(indices, known, safe=False)

    return listed
