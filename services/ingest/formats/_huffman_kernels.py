"""Compiled decoding of SCP-ECG's Huffman codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

END_OF_DATA, NO_CODE, NO_TABLE = -1, -2, -3


def _compiled(function: Callable[..., Any]) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True, error_model="numpy"))(function)


@_compiled
def decode_codes(
    data: NDArray[np.uint8], codes: NDArray[np.int64], begins: NDArray[np.int64], values: NDArray[np.int32]
) -> int:
    """Fill `values` from a bit stream, the highest bit of each byte first.

    Args:
        data: the stream.
        codes: rows of (prefix bits, all bits, stays in its table, base value, prefix), grouped by table.
        begins: first row of each table, and the number of rows at the end.
        values: where the numbers go.

    Returns:
        How many were decoded before the stream ended, or NO_CODE or NO_TABLE.
    """
    held, one = np.int64(0), np.int64(1)
    bits, at, table, done = 0, 0, 0, 0
    while done < values.size:
        while bits <= 48 and at < data.size:
            held = (held << 8) | np.int64(data[at])
            bits += 8
            at += 1
        found = -1
        for row in range(begins[table], begins[table + 1]):
            width = codes[row, 0]
            if width <= bits and (held >> (bits - width)) == codes[row, 4]:
                found = row
                break
        if found < 0:
            return done if at >= data.size and bits < 32 else NO_CODE
        width, whole = codes[found, 0], codes[found, 1]
        if whole > bits:
            return done
        bits -= width
        held &= (one << bits) - 1
        if codes[found, 2] == 0:
            table = codes[found, 3] - 1
            if table < 0 or table >= begins.size - 1:
                return NO_TABLE
            continue
        value = codes[found, 3]
        extra = whole - width
        if extra > 0:
            bits -= extra
            number = held >> bits
            held &= (one << bits) - 1
            if number >> (extra - 1):
                number -= one << extra
            value += number
        values[done] = value
        done += 1
    return done
