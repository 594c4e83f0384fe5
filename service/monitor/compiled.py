"""What compiled code shares: its columns, where results go, and how it is compiled."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from service.risk.columns import Bools, Floats, Ints
from service.risk.model import Level
from service.risk.rows import Int8s, Int32s, Records

HEALTHY, WARNING, MARGIN_CALL = int(Level.HEALTHY), int(Level.WARNING), int(Level.MARGIN_CALL)
LIQUIDATION, BANKRUPT = int(Level.LIQUIDATION), int(Level.BANKRUPT)

# Columns of `scratch`, a row a leg of the pool at hand.
X, EQUITY, MAINTENANCE, LOW, HIGH, FIRST = range(6)
SCRATCH_COLUMNS = 6

Function = TypeVar("Function", bound=Callable[..., Any])


class Columns(NamedTuple):
    """What compiled code reads and writes: the book's columns, the market table's, and scratch."""

    pools: Records
    legs: Records
    contracts: Floats
    low: Floats  # of the holders' arena
    high: Floats
    row: Int32s
    block_low: Floats
    block_high: Floats
    segments: Records
    markets: Records
    floor: Floats
    rate: Floats
    deduction: Floats
    rebate: Floats
    lines: Records
    scratch: Floats  # (longest pool, SCRATCH_COLUMNS)


class Found(NamedTuple):
    """Where results go: a row a pool that changed, a row a pool that is to be judged elsewhere.

    `due` and `blocks` are a tick's own notes.
    """

    slot: Int32s
    before: Int8s
    waited: Bools  # it fell because its wait was over
    elsewhere: Int32s
    counts: Ints  # (CHANGED, ELSEWHERE, JUDGED, BLOCKS), added to
    due: Int32s  # leg rows, then their pools
    blocks: Int32s


CHANGED, ELSEWHERE, JUDGED, BLOCKS = range(4)


def _fetch(_typing: Any, array: Any, _index: Any) -> Any:
    """Write the instruction that asks for a cache line; nothing waits for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.mul(arguments[1], builder.extract_value(held.strides, 0))
        address = builder.add(builder.ptrtoint(held.data, place.type), place)
        pointer = builder.inttoptr(address, ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        name = "llvm.prefetch.p0i8"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [pointer, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


# Have an element's cache line on its way before it is needed.
fetch = cast("Callable[[Any, int], None]", intrinsic(_fetch))


def _sources() -> str:
    """Return a digest of all files that compiled code is made of, or takes a constant from."""
    here = Path(__file__).parent
    files = sorted([*here.glob("*.py"), *(here.parent / "risk").glob("*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


_SOURCES = _sources()


def compiled(function: Function) -> Function:
    """Compile at the first call; the machine code is kept beside the module for the next start.

    It is kept under a name that changes with all our sources: numba looks at the function's own
    file alone, and most of what is compiled into it comes from others.

    No references are counted (`_nrt`): nothing is allocated, and whoever calls holds the arrays.
    Counting costs a pool five times what judging it does.
    """
    function.__qualname__ += f"-{_SOURCES}"
    options: dict[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}
    return cast("Function", numba.njit(**options)(function))


def inlined(function: Function) -> Function:
    """Compile into whoever calls it: a call would copy all the columns' places."""
    return cast("Function", numba.njit(error_model="numpy", inline="always")(function))
