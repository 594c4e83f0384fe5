"""What compiled code over texts asks of the machine itself: eight bytes at a time, wide products.

Columns go in as bytes and places in them; who calls sees to it that there is room.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from service.risk.columns import Bytes

_WIDE, _WORD = ir.IntType(128), ir.IntType(64)
_INT = types.int64
_PAIR: Any = types.UniTuple(_INT, 2)  # type: ignore[no-untyped-call]  # numba has no types


def _times(builder: Any, one: Any, other: Any) -> Any:
    return builder.mul(builder.zext(one, _WIDE), builder.zext(other, _WIDE))


def _upper_half(builder: Any, wide: Any) -> Any:
    return builder.trunc(builder.lshr(wide, _WIDE(64)), _WORD)


def _upper_product(builder: Any, upper: Any, lower: Any, factor: Any) -> Any:
    """Write the product of 128 bits and 64 without its lowest 64."""
    carried = _upper_half(builder, _times(builder, lower, factor))
    return builder.add(_times(builder, upper, factor), builder.zext(carried, _WIDE))


def _multiply_to_odd(_typing: Any, _upper: Any, _lower: Any, _factor: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        wide = _upper_product(builder, *arguments)
        more = builder.icmp_unsigned(">", builder.trunc(wide, _WORD), _WORD(1))
        return builder.or_(_upper_half(builder, wide), builder.zext(more, _WORD))

    return _INT(_INT, _INT, _INT), generate


def _multiply(_typing: Any, _upper: Any, _lower: Any, _factor: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = _upper_product(builder, *arguments)
        halves = (_upper_half(builder, wide), builder.trunc(wide, _WORD))
        return context.make_tuple(builder, signature.return_type, halves)

    return _PAIR(_INT, _INT, _INT), generate


def _leading_zeros(_typing: Any, _word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return _INT(_INT), generate


def _divide(_typing: Any, _number: Any, _by: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.udiv(*arguments)

    return _INT(_INT, _INT), generate


def _place(context: Any, builder: Any, column: Any, kind: Any, at: Any) -> Any:
    """Write where a place of a column is, as a pointer to a word."""
    held = context.make_array(kind)(context, builder, column)
    return builder.bitcast(builder.gep(held.data, [at]), _WORD.as_pointer())


def _put_word(_typing: Any, out: Any, _at: Any, _word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, arguments[0], signature.args[0], arguments[1])
        builder.store(arguments[2], place, align=1)
        return context.get_dummy_value()

    return types.void(out, _INT, _INT), generate


def _word_at(_typing: Any, text: Any, _at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, arguments[0], signature.args[0], arguments[1])
        return builder.load(place, align=1)

    return _INT(text, _INT), generate


def _address_in(_typing: Any, text: Any, _at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, arguments[0], signature.args[0], arguments[1])
        return builder.ptrtoint(place, _WORD)

    return _INT(text, _INT), generate


def _copy_bytes(_typing: Any, out: Any, _at: Any, _address: Any, _count: Any) -> Any:
    """Write the call that copies; a loop over the bytes takes five times as long."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to = context.make_array(signature.args[0])(context, builder, arguments[0])
        target = builder.gep(to.data, [arguments[1]])
        begin = builder.inttoptr(arguments[2], target.type)
        _copy_memory(builder, target, begin, arguments[3], 1)
        return context.get_dummy_value()

    return types.void(out, _INT, _INT, _INT), generate


_copy_memory = cast("Callable[..., Any]", cgutils.raw_memcpy)

# The upper 64 bits of the product of 128 bits (two halves) and 64; its last is 1 if more follows.
multiply_to_odd = cast("Callable[[int, int, int], int]", intrinsic(_multiply_to_odd))
# The upper 64 bits of that product, and the 64 bits below those.
multiply = cast("Callable[[int, int, int], tuple[int, int]]", intrinsic(_multiply))
leading_zeros = cast("Callable[[int], int]", intrinsic(_leading_zeros))
# The quotient of two numbers that are not negative; the interpreter's own looks at signs.
divide = cast("Callable[[int, int], int]", intrinsic(_divide))
# Eight bytes of a column from a place on, the first of them the lowest of the word.
put_word = cast("Callable[[Bytes, int, int], None]", intrinsic(_put_word))
word_at = cast("Callable[[Bytes, int], int]", intrinsic(_word_at))
# Where a byte of a text stands in memory; whoever asks holds the text.
address_in = cast("Callable[[Bytes, int], int]", intrinsic(_address_in))
# Copy to a place of a column what stands at an address, so many bytes.
copy_bytes = cast("Callable[[Bytes, int, int, int], None]", intrinsic(_copy_bytes))


def address_of(text: Bytes) -> int:
    """Return where a text stands, for compiled code to copy; whoever asks holds it."""
    address: int = text.__array_interface__["data"][0]
    return address
