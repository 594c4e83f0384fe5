"""How functions over columns become machine code (numba), and where that is kept.

Columns go in as named tuples of arrays, results into arrays that the caller made: compiled code
allocates nothing and calls nothing of Python. A process that must not wait for the compiler has its
entry points called once at its start, with nothing to do; the machine code is kept for the next.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])

_ROOMS = ("service.risk", "service.monitor")  # with compiled code, or constants of it


@cache
def _sources(room: str) -> str:
    """Return a digest of all files that a room's compiled code is made of, or takes constants of.

    What other rooms compile goes by the core and by what they have themselves.
    """
    rooms = sorted({*_ROOMS, room})
    found = [file for each in rooms for file in files(each).iterdir() if file.name[-3:] == ".py"]
    texts = [file.read_bytes() for file in sorted(found, key=str)]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


# No references are counted (`_nrt`): nothing is allocated, and whoever calls holds the arrays.
# Counting costs a pool five times what judging it does. Divisions by zero are NumPy's.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False}


def compiled(function: Function) -> Function:
    """Compile at the first call; the machine code is kept beside the module for the next start.

    It is kept under a name that changes with all our sources: numba looks at the function's own
    file alone, and most of what is compiled into it comes from others.
    """
    function.__qualname__ += f"-{_sources(function.__module__.rpartition('.')[0])}"
    return cast("Function", numba.njit(**_OPTIONS, cache=True)(function))


class Direct:
    """A compiled function that is always called with columns of the same types.

    Finding out the types of two dozen columns takes ten times as long as a calm tick, so it is done
    at the first call and never again. Nobody would notice other types: this is for columns that are
    made in one place alone.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function: Any = function
        self._entry: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self._entry is not None:
            return self._entry(*arguments)
        answer = self.function(*arguments)
        # Another compiled function may have had it compiled for types of its own.
        signature = tuple(map(numba.typeof, arguments))
        self._entry = self.function.overloads[signature].entry_point
        return answer


def called(function: Function) -> Function:
    """Compile as a function of its own, for compiled ones to call."""
    return cast("Function", numba.njit(**_OPTIONS)(function))


def inlined(function: Function) -> Function:
    """Compile into whoever calls it: a call would copy all the columns' places."""
    return cast("Function", numba.njit(error_model="numpy", inline="always")(function))


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
