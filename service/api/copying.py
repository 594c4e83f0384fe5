"""Bytes of texts copied into records, compiled: a copy a cell, without the interpreter's lock."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from service.risk.columns import Bytes, Ints
from service.risk.compiled import Direct, compiled


def _copy_bytes(_typing: Any, out: Any, _at: Any, _address: Any, _count: Any) -> Any:
    """Write the call that copies; a loop over the bytes of a number takes five times as long."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to = context.make_array(signature.args[0])(context, builder, arguments[0])
        target = builder.gep(to.data, [arguments[1]])
        begin = builder.inttoptr(arguments[2], target.type)
        _copy_memory(builder, target, begin, arguments[3], 1)
        return context.get_dummy_value()

    place = types.int64
    return types.void(out, place, place, place), generate


_copy_memory = cast("Callable[..., Any]", cgutils.raw_memcpy)
# Copy to a place of `out` what stands at an address, so many bytes; the caller has the room.
_copy = cast("Callable[[Bytes, int, int, int], None]", intrinsic(_copy_bytes))


class Cells(NamedTuple):
    """The text of each cell, (columns, rows), within its column's source; who calls holds those."""

    addresses: Ints  # (columns,), of the sources
    starts: Ints
    ends: Ints


class Keys(NamedTuple):
    """What stands before each column and behind the last, one after the other: (columns + 1,)."""

    address: int
    ends: Ints


def _copy_cells(cells: Cells, keys: Keys, out: Bytes, record_ends: Ints) -> None:
    at = 0
    for row in range(cells.starts.shape[1]):
        key = 0
        for column in range(len(cells.starts)):
            length = keys.ends[column] - key
            _copy(out, at, keys.address + key, length)
            at, key = at + length, keys.ends[column]
            start = cells.starts[column, row]
            length = cells.ends[column, row] - start
            _copy(out, at, cells.addresses[column] + start, length)
            at += length
        length = keys.ends[-1] - key
        _copy(out, at, keys.address + key, length)
        at += length
        record_ends[row] = at


# Write each row as key, cell, key, cell, ..., last key, and where it ends; `out` has room for
# exactly all of it.
copy_cells = Direct(compiled(_copy_cells))
