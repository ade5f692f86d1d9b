"""Compiled parsing of samples in text, separated by blanks or commas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

_SPACE, _COMMA, _PLUS, _MINUS, _DIGIT_0 = 32, 44, 43, 45, 48
_ERROR, _ABOVE, _BELOW = 69, 85, 76  # E, U, L
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


@_compiled
def count_words(text: NDArray[np.uint8]) -> int:
    """How many runs of other bytes stand between control characters, blanks and commas."""
    words = 0
    inside = False
    for at in range(text.size):
        byte = text[at]
        word = byte > _SPACE and byte != _COMMA
        words += word and not inside
        inside = word
    return words


@_compiled
def take_letters(text: NDArray[np.uint8], missing: NDArray[np.bool_]) -> tuple[int, int]:
    """Put 0 in place of each word that is one of E, U and L.

    Args:
        text: changed in place.
        missing: out, for each word whether it was one; all False before.

    Returns:
        How many there were, and how many of them were U or L.
    """
    words, taken, beyond = -1, 0, 0
    inside = False
    for at in range(text.size):
        byte = text[at]
        word = byte > _SPACE and byte != _COMMA
        words += word and not inside
        alone = word and not inside and (at + 1 == text.size or text[at + 1] <= _SPACE or text[at + 1] == _COMMA)
        if alone and (byte == _ERROR or byte == _ABOVE or byte == _BELOW):  # noqa: SIM109  # numba: `in` is slow
            text[at] = _DIGIT_0
            missing[words] = True
            taken += 1
            beyond += byte != _ERROR
        inside = word
    return taken, beyond
