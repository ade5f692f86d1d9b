"""Bits of 64-bit words: for compiled code, and for Python where the compiler is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # published without types

from precordia.signal._light_imports import numba


def compiling(kind: str, *arguments: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator of `numba.extending`, which is published without types."""
    decorator = getattr(cast(Any, numba).extending, kind)
    return cast(Callable[[Callable[..., Any]], Any], decorator(*arguments, **options) if arguments else decorator)


def zeros_above(word: np.uint64) -> np.uint64:
    """Bits above the highest one that is set; 64 where none is."""
    return np.uint64(64 - int(word).bit_length())


def zeros_below(word: np.uint64) -> np.uint64:
    """Bits below the lowest one that is set; 64 where none is."""
    value = int(word)
    return np.uint64((value & -value).bit_length() - 1 if value else 64)


@compiling("intrinsic")
def _leading(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return numba.types.uint64(numba.types.uint64), generate


@compiling("intrinsic")
def _trailing(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return numba.types.uint64(numba.types.uint64), generate


@compiling("overload", zeros_above, strict=False)
def _compiled_zeros_above(word: Any) -> Any:
    return lambda word: _leading(word)


@compiling("overload", zeros_below, strict=False)
def _compiled_zeros_below(word: Any) -> Any:
    return lambda word: _trailing(word)
