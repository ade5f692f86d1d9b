"""Eight bytes of text at once, as a 64-bit word: for compiled code, and for Python where the compiler is off.

The first byte is the lowest. A mark is the highest bit of a byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # published without types
from numba import extending, types
from numpy.typing import NDArray

ONES = np.uint64(0x0101010101010101)
MARKS = np.uint64(0x8080808080808080)
SEVENS = np.uint64(0x7F7F7F7F7F7F7F7F)


def _compiling(kind: str, *arguments: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator of `numba.extending`, which is published without types."""
    decorator = getattr(extending, kind)
    return cast(Callable[[Callable[..., Any]], Any], decorator(*arguments, **options) if arguments else decorator)


def word_at(text: NDArray[np.uint8], at: int) -> np.uint64:
    """The eight bytes from `at` on, all of which must lie in `text`."""
    return np.uint64(int.from_bytes(text[at : at + 8].tobytes(), "little"))


def first_mark(marks: np.uint64) -> int:
    """The lowest byte that is marked; eight where none is."""
    value = int(marks)
    return (value & -value).bit_length() // 8 - 1 if value else 8


@_compiling("intrinsic")
def _load(typing_context: Any, text: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(array.data, [arguments[1]])
        return builder.load(builder.bitcast(pointer, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(text, at), generate


@_compiling("intrinsic")
def _trailing_zeros(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@_compiling("overload", first_mark, strict=False)
def _compiled_first_mark(marks: Any) -> Any:
    return lambda marks: _trailing_zeros(marks) >> 3


@_compiling("overload", word_at, strict=False)
def _compiled_word_at(text: Any, at: Any) -> Any:
    return lambda text, at: _load(text, at)
