"""Compiled parsing of whole numbers in text, separated by blanks or commas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

_SPACE, _COMMA, _PLUS, _MINUS, _DIGIT_0 = 32, 44, 43, 45, 48
_ROOM = 10**9


def _compiled(function: Callable[..., Any]) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True))(function)


@_compiled
def parse_integers(text: NDArray[np.uint8], numbers: NDArray[np.int32]) -> int:
    """Fill `numbers` from `text`, ASCII.

    Args:
        text: signed decimal whole numbers of up to nine digits between control characters, blanks
            and commas.
        numbers: out; has room for half as many numbers as there are bytes, plus one.

    Returns:
        Numbers found; -1 where anything else stands in the text.
    """
    found = 0
    value: Any = 0
    digits = False
    signed = False
    negative = False
    for at in range(text.size):
        byte = text[at]
        digit = np.int64(byte) - _DIGIT_0
        if 0 <= digit <= 9:
            if value >= _ROOM // 10:
                return -1
            value = value * 10 + digit
            digits = True
        elif byte <= _SPACE or byte == _COMMA:
            if digits:
                numbers[found] = -value if negative else value
                found += 1
            elif signed:
                return -1
            value = 0
            digits = False
            signed = False
            negative = False
        elif (byte == _MINUS or byte == _PLUS) and not digits and not signed:  # noqa: SIM109  # numba makes a slow loop of `in`
            signed = True
            negative = byte == _MINUS
        else:
            return -1
    if digits:
        numbers[found] = -value if negative else value
        return found + 1
    return -1 if signed else found
